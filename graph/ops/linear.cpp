#include "graph/op.h"
#include "graph/ops.h"

namespace propane {

namespace {

void check_linear(const OpCall& call, int x, int w) {
  call.require(call.shape(w).rank() == 2, "a weight must be [out, in]");
  call.require(call.last_axis(x) == call.shape(w)[1], "the input's last axis must equal the weight's second");
}

// An op with an optional `into` writes there and has no output.
bool writes_into_2(const Node& node, int input) { return input == 2 && node.inputs.size() > 2 && node.inputs[2]; }
bool writes_into_1(const Node& node, int input) { return input == 1 && node.inputs.size() > 1 && node.inputs[1]; }

std::vector<Type> infer_linear(const OpCall& call) {
  call.arity(2, 3);
  check_linear(call, 0, 1);
  const int64_t out = call.shape(1)[0];
  if (call.has(2)) call.expect_shape(2, {out});
  return {{call.type(0).dtype, call.shape(0).with_last(out)}};
}

std::vector<Val> grad_linear(GradientCall& call) {
  std::vector<Val> d(call.node.inputs.size());
  const Val dy = call.d(0);
  // The weight's first: afterwards x is free before memory is needed for dx, which is as large.
  if (call.needs(1)) d[1] = linear_grad_w(call.graph, dy, call.in(0));
  if (call.needs(2)) d[2] = column_sum(call.graph, dy);
  if (call.needs(0)) d[0] = linears_grad_x(call.graph, {&dy, 1}, std::vector{call.in(1)});
  return d;
}

std::vector<Type> infer_linears(const OpCall& call) {
  call.arity(2, 64);
  std::vector<Type> out;
  for (int i = 1; i < static_cast<int>(call.node.inputs.size()); ++i) {
    check_linear(call, 0, i);
    out.push_back({call.type(0).dtype, call.shape(0).with_last(call.shape(i)[0])});
  }
  return out;
}

std::vector<Type> infer_linears_grad_x(const OpCall& call) {
  call.arity(2, 64);
  const int n = static_cast<int>(call.node.inputs.size()) / 2;
  call.require(call.node.inputs.size() % 2 == 0, "expected as many output gradients as weights");
  for (int i = 0; i < n; ++i) {
    call.require(call.shape(n + i).rank() == 2 && call.last_axis(i) == call.shape(n + i)[0],
                 "an output gradient's last axis must equal its weight's first");
    call.require(call.shape(n + i)[1] == call.shape(n)[1], "all weights must have the same number of inputs");
    call.require(call.shape(i).rows() == call.shape(0).rows(), "all output gradients must have the same rows");
  }
  return {{call.type(0).dtype, call.shape(0).with_last(call.shape(n)[1])}};
}

std::vector<Type> infer_linear_grad_w(const OpCall& call) {
  call.arity(2, 4);
  call.require(call.shape(0).rows() == call.shape(1).rows(),
               "the output gradient and the input must have the same rows");
  const Shape w{call.last_axis(0), call.last_axis(1)};
  if (!call.has(2)) return {{call.type(0).dtype, w}};
  call.expect_shape(2, w);
  if (call.has(3)) call.expect_shape(3, {1});
  return {};
}

std::vector<Type> infer_column_sum(const OpCall& call) {
  call.arity(1, 3);
  const Shape b{call.last_axis(0)};
  if (!call.has(1)) return {{call.type(0).dtype, b}};
  call.expect_shape(1, b);
  if (call.has(2)) call.expect_shape(2, {1});
  return {};
}

std::vector<Type> infer_gated_linear(const OpCall& call) {
  call.arity(3, 3);
  check_linear(call, 0, 1);
  check_linear(call, 0, 2);
  call.same_shape(1, 2);
  const Type h{call.type(0).dtype, call.shape(0).with_last(call.shape(1)[0])};
  if (call.node.attrs.integer("keep_parts")) return {h, h, h};
  return {h};
}

std::vector<Type> infer_norm_linears(const OpCall& call) {
  call.arity(1, 64);
  call.require(call.node.inputs.size() > 2, "expected an input, a gain or none, and at least one weight");
  if (call.has(1)) call.expect_shape(1, {call.last_axis(0)});
  std::vector<Type> out;
  for (int i = 2; i < static_cast<int>(call.node.inputs.size()); ++i) {
    check_linear(call, 0, i);
    out.push_back({call.type(0).dtype, call.shape(0).with_last(call.shape(i)[0])});
  }
  return out;
}

}  // namespace

std::span<const OpDef> linear_ops() {
  static const OpDef ops[] = {
      {.name = "linear",
       .doc = "y = x·wᵀ + bias. x [..., in], w [out, in], bias [out] (optional) -> y [..., out]. Gradient: dx = dy·w "
              "(linears_grad_x), dw = dyᵀ·x (linear_grad_w), dbias = the column sums of dy (column_sum).",
       .infer = infer_linear,
       .gradient = grad_linear},
      {.name = "linears",
       .doc = "Several linears of one input: x [..., in], w1 [out1, in], w2 [out2, in], ... -> y1 [..., out1], ... "
              "Made by "
              "the pack_linears pass (q/k/v packing); x is read once.",
       .infer = infer_linears},
      {.name = "linears_grad_x",
       .doc =
           "The gradient of one or several linears with respect to their common input: dy1 [..., out1], ..., w1 [out1, "
           "in], ... -> dx [..., in] = Σ dyᵢ·wᵢ.",
       .infer = infer_linears_grad_x},
      {.name = "linear_grad_w",
       .doc =
           "The gradient of linear with respect to its weight: dy [..., out], x [..., in] -> dw [out, in] = dyᵀ·x, the "
           "sum running over all rows. With `into` (state [out, in]) nothing is returned and into ← keep·into + dw; "
           "keep is f64 [1], 0 or 1 (0: the old content is not read), 1 when left out.",
       .infer = infer_linear_grad_w,
       .writes = writes_into_2},
      {.name = "column_sum",
       .doc = "The sum over rows: dy [..., n] -> [n]; the gradient of a bias. `into` and `keep` as in linear_grad_w.",
       .infer = infer_column_sum,
       .writes = writes_into_1},
      {.name = "gated_linear",
       .doc = "h = silu(x·w_gateᵀ) ⊙ (x·w_upᵀ): x [..., in], w_gate [hidden, in], w_up [hidden, in] -> h [..., "
              "hidden], and "
              "with keep_parts=1 also gate and up, both [..., hidden]. Made by the fuse_gated_linear pass.",
       .infer = infer_gated_linear},
      {.name = "norm_linears",
       .doc = "linears(rms_norm(x, gain), w...): x [..., in], gain [in] (optional), w1 [out1, in], ... -> y1, ...; "
              "attribute "
              "eps. Made by the fuse_norm_linear pass where the normalised rows have no other reader.",
       .infer = infer_norm_linears},
  };
  return ops;
}

Val linear(Graph& g, Val x, Val w, Val bias) {
  return g.add("linear", bias ? std::vector{x, w, bias} : std::vector{x, w})[0];
}

std::vector<Val> linears(Graph& g, Val x, std::span<const Val> w) {
  std::vector<Val> in{x};
  in.insert(in.end(), w.begin(), w.end());
  return g.add("linears", std::move(in));
}

Val linears_grad_x(Graph& g, std::span<const Val> dy, std::span<const Val> w) {
  std::vector<Val> in(dy.begin(), dy.end());
  in.insert(in.end(), w.begin(), w.end());
  return g.add("linears_grad_x", std::move(in))[0];
}

Val linear_grad_w(Graph& g, Val dy, Val x, Val into, Val keep) {
  if (!into) return g.add("linear_grad_w", {dy, x})[0];
  g.add("linear_grad_w", {dy, x, into, keep});
  return {};
}

Val column_sum(Graph& g, Val dy, Val into, Val keep) {
  if (!into) return g.add("column_sum", {dy})[0];
  g.add("column_sum", {dy, into, keep});
  return {};
}

GatedLinear gated_linear(Graph& g, Val x, Val w_gate, Val w_up, bool keep_parts) {
  const auto out = g.add("gated_linear", {x, w_gate, w_up}, {{"keep_parts", int64_t{keep_parts}}});
  return keep_parts ? GatedLinear{out[0], out[1], out[2]} : GatedLinear{out[0], {}, {}};
}

std::vector<Val> norm_linears(Graph& g, Val x, Val gain, double eps, std::span<const Val> w) {
  std::vector<Val> in{x, gain};
  in.insert(in.end(), w.begin(), w.end());
  return g.add("norm_linears", std::move(in), {{"eps", eps}});
}

}  // namespace propane
