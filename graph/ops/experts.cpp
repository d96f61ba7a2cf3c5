// Mixtures of experts: which experts a token takes, their products, and the weighted sum. Inference only.
#include "graph/op.h"
#include "graph/ops.h"

namespace propane {

namespace {

std::vector<Type> infer_choose(const OpCall& call) {
  call.arity(1, 1);
  const int64_t experts = call.last_axis(0), k = call.node.attrs.integer("k");
  call.require(k > 0 && k <= experts, "k must be positive and at most the number of experts, the last axis");
  return {{call.type(0).dtype, call.shape(0).with_last(k)}, {DType::i32, call.shape(0).with_last(k)}};
}

Shape with_axis(const Shape& shape, int64_t last) {
  std::vector<int64_t> dims(shape.dims().begin(), shape.dims().end());
  dims.push_back(last);
  return Shape(std::span<const int64_t>(dims));
}

std::vector<Type> infer_expert_linear(const OpCall& call) {
  call.arity(3, 4);
  const Shape &x = call.shape(0), &w = call.shape(1), &ids = call.shape(2);
  call.index_type(2);
  call.require(w.rank() == 3, "the weight must be [experts, out, in]");
  call.require(call.last_axis(0) == w[2], "the input's last axis must equal the weight's");
  call.require(ids.rank() >= 1 && (x == with_axis(ids, w[2]) || x == ids.with_last(w[2])),
               "the input must be [..., in] or [..., k, in] for the choices [..., k]");
  if (call.has(3)) call.expect_shape(3, {w[0], w[1]});
  return {{call.type(0).dtype, with_axis(ids, w[1])}};
}

std::vector<Type> infer_expert_sum(const OpCall& call) {
  call.arity(2, 2);
  const Shape &y = call.shape(0), &weights = call.shape(1);
  call.require(y.rank() >= 2 && y == with_axis(weights, y.dim(-1)), "expected [..., k, dim] and weights [..., k]");
  return {{call.type(0).dtype, weights.with_last(y.dim(-1))}};
}

std::vector<Type> infer_clamped_swiglu(const OpCall& call) {
  call.arity(2, 2);
  call.same_shape(0, 1);
  return {call.type(0)};
}

}  // namespace

std::span<const OpDef> expert_ops() {
  static const OpDef ops[] = {
      {.name = "choose_experts",
       .doc = "A router's choice: scores [..., experts] -> weights [..., k], ids i32 [..., k]: the k largest scores, "
              "the largest first, of equal ones the first, and their softmax over all experts or, with attribute "
              "normalize 1, over the chosen ones (so they add up to 1). Attributes k, normalize. Inference only.",
       .infer = infer_choose},
      {.name = "expert_linear",
       .doc = "y[..., j, :] = w[ids[..., j]]·x + bias[ids[..., j]]: x [..., in], the same for all choices, or "
              "[..., k, in]; w [experts, out, in], ids i32 [..., k], bias [experts, out] (optional) -> [..., k, out]. "
              "Inference only.",
       .infer = infer_expert_linear},
      {.name = "expert_sum",
       .doc = "Σ_j weights[..., j]·y[..., j, :]: y [..., k, dim], weights [..., k] -> [..., dim]. Inference only.",
       .infer = infer_expert_sum},
      {.name = "clamped_swiglu",
       .doc = "gpt-oss's gate: (min(max(up, −limit), limit) + 1)·g·sigmoid(alpha·g) with g = min(gate, limit), same "
              "shapes. Attributes alpha, limit. Inference only.",
       .infer = infer_clamped_swiglu,
       .may_share = {{0, 0}, {0, 1}}},
  };
  return ops;
}

ExpertChoice choose_experts(Graph& g, Val scores, int64_t k, bool normalize) {
  const auto out = g.add("choose_experts", {scores}, {{"k", k}, {"normalize", int64_t{normalize}}});
  return {out[0], out[1]};
}

Val expert_linear(Graph& g, Val x, Val w, Val ids, Val bias) {
  std::vector<Val> inputs{x, w, ids};
  if (bias) inputs.push_back(bias);
  return g.add("expert_linear", std::move(inputs))[0];
}

Val expert_sum(Graph& g, Val y, Val weights) { return g.add("expert_sum", {y, weights})[0]; }

Val clamped_swiglu(Graph& g, Val gate, Val up, double alpha, double limit) {
  return g.add("clamped_swiglu", {gate, up}, {{"alpha", alpha}, {"limit", limit}})[0];
}

}  // namespace propane
