#include "graph/op.h"
#include "graph/ops.h"

namespace propane {

namespace {

std::vector<Type> infer_add(const OpCall& call) {
  call.arity(2, 2);
  call.same_shape(0, 1);
  return {call.type(0)};
}

std::vector<Val> grad_add(GradientCall& call) {
  const double alpha = call.node.attrs.real("alpha", 1.0);
  Val dy{};
  if (call.needs(1)) dy = alpha == 1.0 ? call.d(0) : scale(call.graph, call.d(0), alpha);
  return {call.d(0), dy};
}

std::vector<Type> infer_same(const OpCall& call) {
  call.arity(1, 1);
  return {call.type(0)};
}

std::vector<Val> grad_scale(GradientCall& call) {
  return {scale(call.graph, call.d(0), call.node.attrs.real("factor"))};
}

std::vector<Val> grad_multiply(GradientCall& call) {
  return {call.needs(0) ? multiply(call.graph, call.d(0), call.in(1)) : Val{},
          call.needs(1) ? multiply(call.graph, call.d(0), call.in(0)) : Val{}};
}

std::vector<Type> infer_multiply(const OpCall& call) {
  call.arity(2, 2);
  call.same_shape(0, 1);
  return {call.type(0)};
}

std::vector<Type> infer_mix(const OpCall& call) {
  call.arity(4, 4);
  call.same_shape(0, 2);
  call.expect_shape(1, {1});
  call.expect_shape(3, {1});
  return {call.type(0)};
}

std::vector<Val> grad_mix(GradientCall& call) {
  return call.graph.add("mix_grad", {call.in(0), call.in(1), call.in(2), call.in(3), call.d(0)});
}

std::vector<Type> infer_mix_grad(const OpCall& call) {
  call.arity(5, 5);
  call.same_shape(0, 4);
  const Type one{call.type(1).dtype, {1}};
  return {call.type(0), one, call.type(2), one};
}

std::vector<Val> grad_activation(GradientCall& call) {
  return call.graph.add("activation_grad", {call.in(0), call.d(0)}, call.node.attrs);
}

std::vector<Type> infer_swiglu_grad(const OpCall& call) {
  call.arity(3, 3);
  call.same_shape(0, 1);
  call.same_shape(0, 2);
  return {call.type(0), call.type(1)};
}

std::vector<Val> grad_swiglu(GradientCall& call) {
  return call.graph.add("swiglu_grad", {call.in(0), call.in(1), call.d(0)});
}

void check_value_gate(const OpCall& call, int ve, int gate) {
  const Shape& s = call.shape(ve);
  call.require(s.rank() >= 2, "values must be [..., heads, head_dim]");
  Shape heads(s.dims().first(static_cast<size_t>(s.rank()) - 1));
  call.expect_shape(gate, heads);
}

std::vector<Type> infer_value_gate(const OpCall& call) {
  call.arity(3, 3);
  call.same_shape(0, 1);
  check_value_gate(call, 1, 2);
  return {call.type(0)};
}

std::vector<Val> grad_value_gate(GradientCall& call) {
  const auto d = call.graph.add("value_gate_grad", {call.in(1), call.in(2), call.d(0)});
  return {call.d(0), d[0], d[1]};
}

std::vector<Type> infer_value_gate_grad(const OpCall& call) {
  call.arity(3, 3);
  call.same_shape(0, 2);
  check_value_gate(call, 0, 1);
  return {call.type(0), call.type(1)};
}

std::vector<Type> infer_slice(const OpCall& call) {
  call.arity(1, 1);
  const int64_t begin = call.node.attrs.integer("begin"), size = call.node.attrs.integer("size");
  call.require(begin >= 0 && size > 0 && begin + size <= call.last_axis(0), "the slice must lie inside the last axis");
  return {{call.type(0).dtype, call.shape(0).with_last(size)}};
}

std::vector<Val> grad_slice(GradientCall& call) {
  return call.graph.add("slice_grad", {call.d(0)},
                        {{"begin", call.node.attrs.integer("begin")}, {"full", call.graph.shape(call.in(0)).dim(-1)}});
}

std::vector<Type> infer_slice_grad(const OpCall& call) {
  call.arity(1, 1);
  const int64_t begin = call.node.attrs.integer("begin"), full = call.node.attrs.integer("full");
  call.require(begin >= 0 && begin + call.last_axis(0) <= full, "the slice must lie inside the full axis");
  return {{call.type(0).dtype, call.shape(0).with_last(full)}};
}

Shape shape_attr(const Attrs& attrs) {
  std::vector<int64_t> dims;
  for (int i = 0; i < attrs.integer("rank"); ++i) dims.push_back(attrs.integer("d" + std::to_string(i)));
  return Shape(std::span<const int64_t>(dims));
}

Attrs attrs_of(const Shape& shape) {
  Attrs attrs{{"rank", int64_t{shape.rank()}}};
  for (int i = 0; i < shape.rank(); ++i) attrs.set("d" + std::to_string(i), shape[i]);
  return attrs;
}

std::vector<Type> infer_reshape(const OpCall& call) {
  call.arity(1, 1);
  const Shape to = shape_attr(call.node.attrs);
  call.require(to.count() == call.shape(0).count(), "a reshape must keep the number of elements");
  return {{call.type(0).dtype, to}};
}

std::vector<Val> grad_reshape(GradientCall& call) {
  return {reshape(call.graph, call.d(0), call.graph.shape(call.in(0)))};
}

std::vector<Type> infer_cast(const OpCall& call) {
  call.arity(1, 1);
  return {{static_cast<DType>(call.node.attrs.integer("dtype")), call.shape(0)}};
}

std::vector<Val> grad_cast(GradientCall& call) {
  return {cast(call.graph, call.d(0), call.graph.type(call.in(0)).dtype)};
}

std::vector<Type> infer_activation(const OpCall& call) {
  call.arity(1, 1);
  const std::string& kind = call.node.attrs.text("kind");
  call.require(kind == "relu2" || kind == "gelu_tanh" || kind == "gelu" || kind == "silu" || kind == "sigmoid",
               "kind must be relu2, gelu_tanh, gelu, silu or sigmoid");
  return {call.type(0)};
}

}  // namespace

std::span<const OpDef> elementwise_ops() {
  static const OpDef ops[] = {
      {.name = "add",
       .doc = "x + alpha·y, same shapes; attribute alpha (1 when left out; Rustane's damped residual has "
              "1/sqrt(2·layers)).",
       .infer = infer_add,
       .gradient = grad_add,
       .may_share = {{0, 0}, {0, 1}}},
      {.name = "scale",
       .doc = "factor·x; attribute factor.",
       .infer = infer_same,
       .gradient = grad_scale,
       .may_share = {{0, 0}}},
      {.name = "multiply",
       .doc = "x ⊙ y, same shapes.",
       .infer = infer_multiply,
       .gradient = grad_multiply,
       .may_share = {{0, 0}, {0, 1}}},
      {.name = "mix",
       .doc = "a·x + b·y: x, y [...], a, b [1] parameters. autoresearch's resid_lambda·x + x0_lambda·x0.",
       .infer = infer_mix,
       .gradient = grad_mix},
      {.name = "mix_grad",
       .doc = "x, a, y, b, dz -> dx = a·dz, da = Σ x·dz, dy = b·dz, db = Σ y·dz.",
       .infer = infer_mix_grad},
      {.name = "activation",
       .doc =
           "Elementwise; attribute kind: relu2 = max(x, 0)², gelu_tanh = ½x(1 + tanh(√(2/π)(x + 0.044715x³))), gelu = "
           "½x(1 + erf(x/√2)) (Hendrycks & Gimpel 2016), silu = x·sigmoid(x), sigmoid = 1/(1 + e^−x).",
       .infer = infer_activation,
       .gradient = grad_activation,
       .may_share = {{0, 0}}},
      {.name = "activation_grad",
       .doc = "x, dy -> dx = dy · kind'(x).",
       .infer = infer_add,
       .may_share = {{0, 1}, {0, 0}}},
      {.name = "swiglu",
       .doc = "silu(gate) ⊙ up, same shapes (Shazeer 2020, \"GLU variants improve transformer\").",
       .infer = infer_add,
       .gradient = grad_swiglu,
       .may_share = {{0, 0}, {0, 1}}},
      {.name = "swiglu_grad", .doc = "gate, up, dh -> dgate, dup.", .infer = infer_swiglu_grad},
      {.name = "value_gate",
       .doc =
           "v + 2·sigmoid(gate)·ve: v, ve [..., heads, head_dim], gate [..., heads]. autoresearch's value embeddings.",
       .infer = infer_value_gate,
       .gradient = grad_value_gate,
       .may_share = {{0, 0}}},
      {.name = "value_gate_grad",
       .doc =
           "ve, gate, dout -> dve = 2·sigmoid(gate)·dout, dgate = Σ_head_dim 2·sigmoid'(gate)·ve·dout. (dv is dout.)",
       .infer = infer_value_gate_grad},
      {.name = "slice",
       .doc = "x[..., begin : begin + size]; attributes begin, size.",
       .infer = infer_slice,
       .gradient = grad_slice},
      {.name = "slice_grad",
       .doc = "dy [..., size] -> dx [..., full]: zero but for dy at begin; attributes begin, full.",
       .infer = infer_slice_grad},
      {.name = "reshape",
       .doc = "The same elements under another shape; a view, no work. Attributes rank, d0, d1, ...",
       .infer = infer_reshape,
       .gradient = grad_reshape,
       .is_view = true},
      {.name = "cast",
       .doc = "x as another element type, rounded to nearest even; attribute dtype. The gradient is cast back.",
       .infer = infer_cast,
       .gradient = grad_cast},
  };
  return ops;
}

Val add(Graph& g, Val x, Val y, double alpha) {
  return g.add("add", {x, y}, alpha == 1.0 ? Attrs{} : Attrs{{"alpha", alpha}})[0];
}
Val scale(Graph& g, Val x, double factor) { return g.add("scale", {x}, {{"factor", factor}})[0]; }
Val multiply(Graph& g, Val x, Val y) { return g.add("multiply", {x, y})[0]; }

Val mix(Graph& g, Val x, Val a, Val y, Val b) { return g.add("mix", {x, a, y, b})[0]; }
Val activation(Graph& g, Val x, const std::string& kind) { return g.add("activation", {x}, {{"kind", kind}})[0]; }
Val swiglu(Graph& g, Val gate, Val up) { return g.add("swiglu", {gate, up})[0]; }
Val value_gate(Graph& g, Val v, Val ve, Val gate) { return g.add("value_gate", {v, ve, gate})[0]; }
Val slice_last(Graph& g, Val x, int64_t begin, int64_t size) {
  return g.add("slice", {x}, {{"begin", begin}, {"size", size}})[0];
}
Val reshape(Graph& g, Val x, Shape shape) { return g.add("reshape", {x}, attrs_of(shape))[0]; }
Val cast(Graph& g, Val x, DType dtype) { return g.add("cast", {x}, {{"dtype", static_cast<int64_t>(dtype)}})[0]; }

}  // namespace propane
