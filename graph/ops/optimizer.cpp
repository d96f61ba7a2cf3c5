#include "base/error.h"
#include "graph/op.h"
#include "graph/ops.h"

namespace propane {

namespace {

const Type kScalar{DType::f64, {1}};

std::vector<Type> infer_sum_squares(const OpCall& call) {
  call.arity(1, 1 << 20);
  return {kScalar};
}

std::vector<Type> infer_clip_scale(const OpCall& call) {
  call.arity(2, 2);
  call.expect_shape(0, {1});
  call.expect_shape(1, {2});
  return {{DType::f64, {2}}};
}

// Inputs of an optimizer op: n parameters, n gradients, n first moments, n second moments, grad_scale, hyper.
int group_size(const Node& node) { return static_cast<int>(node.attrs.integer("n")); }

bool writes_all_but_gradients(const Node& node, int input) {
  const int n = group_size(node);
  return input < n || (input >= 2 * n && input < 4 * n);
}

void check_group(const OpCall& call, int64_t hypers) {
  const int n = group_size(call.node);
  call.require(n > 0, "expected at least one parameter");
  call.arity(4 * n + 2, 4 * n + 2);
  for (int i = 0; i < n; ++i) {
    call.same_shape(i, n + i);
    call.same_shape(i, 2 * n + i);
  }
  call.expect_shape(4 * n, {2});
  call.expect_shape(4 * n + 1, {hypers});
}

std::vector<Type> infer_adamw(const OpCall& call) {
  check_group(call, 6);
  const int n = group_size(call.node);
  for (int i = 0; i < n; ++i) call.same_shape(i, 3 * n + i);
  return {};
}

std::vector<Type> infer_muon(const OpCall& call) {
  check_group(call, 4);
  const int n = group_size(call.node);
  for (int i = 0; i < n; ++i) {
    call.same_shape(0, i);
    call.require(call.shape(i).rank() == 2, "Muon takes matrices");
    const int64_t rows = call.shape(i)[0], cols = call.shape(i)[1];
    call.expect_shape(3 * n + i, {rows >= cols ? rows : cols});
  }
  return {};
}

std::vector<Type> infer_accumulate(const OpCall& call) {
  call.arity(2, 3);
  call.same_shape(0, 1);
  if (call.has(2)) call.expect_shape(2, {1});
  return {};
}

bool writes_first(const Node&, int input) { return input == 0; }

void add_group(Graph& g, const char* op, const ParamGroup& group, Val grad_scale, Val hyper) {
  std::vector<Val> in;
  for (const auto* list : {&group.params, &group.grads, &group.first, &group.second}) {
    if (list->size() != group.params.size())
      fail("{}: a parameter group needs as many gradients and moments as parameters", op);
    in.insert(in.end(), list->begin(), list->end());
  }
  in.push_back(grad_scale);
  in.push_back(hyper);
  g.add(op, std::move(in), {{"n", static_cast<int64_t>(group.params.size())}});
}

}  // namespace

std::span<const OpDef> optimizer_ops() {
  static const OpDef ops[] = {
      {.name = "sum_squares",
       .doc = "x1, x2, ... (any shapes) -> f64 [1]: the sum of all squares, in float64, blocks added in a fixed order.",
       .infer = infer_sum_squares},
      {.name = "clip_scale",
       .doc = "sum_squares f64 [1], limits f64 [2] = (max_norm, unscale) -> f64 [2]. With norm = "
              "unscale·sqrt(sum_squares): "
              "the first is unscale·min(1, max_norm/norm) (max_norm 0: no clipping), what gradients are multiplied by; "
              "the "
              "second is 1 when the norm is not finite, and then every optimizer op leaves everything as it is.",
       .infer = infer_clip_scale},
      {.name = "adamw",
       .doc =
           "n parameters, n gradients, n first and n second moments, grad_scale f64 [2] (see clip_scale), hyper f64 "
           "[6] = "
           "(lr, beta1, beta2, eps, weight_decay, step counted from 1). p ← p·(1 − lr·wd); m ← lerp(m, g, 1 − beta1); "
           "v ← "
           "lerp(v, g², 1 − beta2); p ← p − lr·(m/(1 − beta1^step)) / (sqrt(v/(1 − beta2^step)) + eps). Loshchilov & "
           "Hutter 2019, as PyTorch has it. Attribute n.",
       .infer = infer_adamw,
       .writes = writes_all_but_gradients},
      {.name = "muon",
       .doc =
           "n equally shaped matrices [rows, cols], n gradients, n momentum buffers, n buffers [max(rows, cols)] of "
           "NorMuon's second moment, grad_scale f64 [2], hyper f64 [4] = (lr, momentum, beta2, weight_decay). m ← "
           "lerp(m, "
           "g, 1 − momentum); u = lerp(g, m, momentum), orthogonalised by five Polar Express steps (Amsel et al. 2025) "
           "of "
           "Newton–Schulz (Jordan 2024), scaled by the rows' (columns' if wide) running mean square with the Frobenius "
           "norm kept (NorMuon, Li et al. 2025); p ← p − lr·u − lr·wd·p·[u·p >= 0]. As in autoresearch; lr there is "
           "0.04·sqrt(max(1, rows/cols)). Attribute n.",
       .infer = infer_muon,
       .writes = writes_all_but_gradients},
      {.name = "accumulate",
       .doc = "into (state), value, keep f64 [1] (optional: 1): into ← keep·into + value; with keep 0 the old content "
              "is not "
              "read.",
       .infer = infer_accumulate,
       .writes = writes_first},
  };
  return ops;
}

Val sum_squares(Graph& g, std::span<const Val> xs) { return g.add("sum_squares", {xs.begin(), xs.end()})[0]; }
Val clip_scale(Graph& g, Val squares, Val limits) { return g.add("clip_scale", {squares, limits})[0]; }
void adamw(Graph& g, const ParamGroup& group, Val grad_scale, Val hyper) {
  add_group(g, "adamw", group, grad_scale, hyper);
}
void muon(Graph& g, const ParamGroup& group, Val grad_scale, Val hyper) {
  add_group(g, "muon", group, grad_scale, hyper);
}
void accumulate(Graph& g, Val into, Val value, Val keep) {
  g.add("accumulate", keep ? std::vector{into, value, keep} : std::vector{into, value});
}

}  // namespace propane
