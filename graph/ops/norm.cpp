#include "graph/op.h"
#include "graph/ops.h"

namespace propane {

namespace {

std::vector<Type> infer_rms_norm(const OpCall& call) {
  call.arity(1, 2);
  const int64_t dim = call.last_axis(0);
  if (call.has(1)) call.expect_shape(1, {dim});
  return {call.type(0)};
}

std::vector<Val> grad_rms_norm(GradientCall& call) {
  return call.graph.add("rms_norm_grad", {call.in(0), call.in(1), call.d(0)}, call.node.attrs);
}

std::vector<Type> infer_rms_norm_grad(const OpCall& call) {
  call.arity(1, 3);
  call.same_shape(0, 2);
  if (!call.has(1)) return {call.type(0)};
  call.expect_shape(1, {call.last_axis(0)});
  return {call.type(0), call.type(1)};
}

std::vector<Type> infer_layer_norm(const OpCall& call) {
  call.arity(2, 3);
  call.expect_shape(1, {call.last_axis(0)});
  if (call.has(2)) call.expect_shape(2, {call.last_axis(0)});
  return {call.type(0)};
}

std::vector<Val> grad_layer_norm(GradientCall& call) {
  auto d = call.graph.add("layer_norm_grad", {call.in(0), call.in(1), call.d(0)}, call.node.attrs);
  if (!call.in(2)) d.pop_back();
  return d;
}

std::vector<Type> infer_layer_norm_grad(const OpCall& call) {
  call.arity(3, 3);
  call.same_shape(0, 2);
  call.expect_shape(1, {call.last_axis(0)});
  return {call.type(0), call.type(1), call.type(1)};
}

}  // namespace

std::span<const OpDef> norm_ops() {
  static const OpDef ops[] = {
      {.name = "rms_norm",
       .doc = "x / sqrt(mean(x²) + eps) · gain over the last axis: x [..., dim], gain [dim] (optional) -> [..., dim]; "
              "attribute eps. Zhang & Sennrich 2019.",
       .infer = infer_rms_norm,
       .gradient = grad_rms_norm,
       .may_share = {{0, 0}}},
      {.name = "rms_norm_grad",
       .doc = "x, gain (optional), dy -> dx, and dgain when there is a gain. With r = 1/sqrt(mean(x²) + eps) and u = "
              "dy·gain: dx = r·(u − x·r²·mean(u·x)).",
       .infer = infer_rms_norm_grad,
       .may_share = {{0, 2}}},
      {.name = "layer_norm",
       .doc = "(x − mean) / sqrt(var + eps) · gain + bias over the last axis: x [..., dim], gain [dim], bias [dim] "
              "(optional); attribute eps. Ba et al. 2016.",
       .infer = infer_layer_norm,
       .gradient = grad_layer_norm,
       .may_share = {{0, 0}}},
      {.name = "layer_norm_grad",
       .doc = "x, gain, dy -> dx, dgain, dbias.",
       .infer = infer_layer_norm_grad,
       .may_share = {{0, 2}}},
  };
  return ops;
}

Val rms_norm(Graph& g, Val x, Val gain, double eps) {
  return g.add("rms_norm", gain ? std::vector{x, gain} : std::vector{x}, {{"eps", eps}})[0];
}

Val layer_norm(Graph& g, Val x, Val gain, Val bias, double eps) {
  return g.add("layer_norm", bias ? std::vector{x, gain, bias} : std::vector{x, gain}, {{"eps", eps}})[0];
}

}  // namespace propane
