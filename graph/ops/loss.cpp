#include "graph/op.h"
#include "graph/ops.h"

namespace propane {

namespace {

const Type kScalar{DType::f64, {1}};

std::vector<Type> infer_softcap(const OpCall& call) {
  call.arity(1, 1);
  call.require(call.node.attrs.real("cap") > 0, "cap must be positive");
  return {call.type(0)};
}

std::vector<Val> grad_softcap(GradientCall& call) {
  return call.graph.add("softcap_grad", {call.out(0), call.d(0)}, call.node.attrs);
}

std::vector<Type> infer_two_alike(const OpCall& call) {
  call.arity(2, 2);
  call.same_shape(0, 1);
  return {call.type(0)};
}

void check_targets(const OpCall& call, int x, int targets) {
  call.index_type(targets);
  call.last_axis(x);
  call.require(call.shape(targets).count() == call.shape(x).rows(), "there must be one target a row");
}

std::vector<Type> infer_cross_entropy(const OpCall& call) {
  call.arity(2, 2);
  check_targets(call, 0, 1);
  return {{call.type(0).dtype, call.shape(1)}};
}

std::vector<Val> grad_cross_entropy(GradientCall& call) {
  return {call.graph.add("cross_entropy_grad", {call.in(0), call.in(1), call.d(0)})[0], {}};
}

std::vector<Type> infer_cross_entropy_grad(const OpCall& call) {
  call.arity(3, 3);
  check_targets(call, 0, 1);
  call.same_shape(1, 2);
  return {call.type(0)};
}

std::vector<Type> infer_masked_mean(const OpCall& call) {
  call.arity(2, 2);
  call.same_shape(0, 1);
  call.index_type(1);
  return {kScalar};
}

std::vector<Val> grad_masked_mean(GradientCall& call) {
  return {call.graph.add("masked_mean_grad", {call.in(1), call.d(0)},
                         {{"dtype", static_cast<int64_t>(call.graph.type(call.in(0)).dtype)}})[0],
          {}};
}

std::vector<Type> infer_masked_mean_grad(const OpCall& call) {
  call.arity(2, 2);
  call.index_type(0);
  call.expect_shape(1, {1});
  return {{static_cast<DType>(call.node.attrs.integer("dtype")), call.shape(0)}};
}

void check_head(const OpCall& call) {
  call.require(call.shape(1).rank() == 2 && call.last_axis(0) == call.shape(1)[1],
               "the input's last axis must equal the head weight's second");
  check_targets(call, 0, 2);
}

std::vector<Type> infer_head_loss(const OpCall& call) {
  call.arity(3, 3);
  check_head(call);
  return {{call.type(0).dtype, call.shape(2)}};
}

std::vector<Type> infer_head_loss_train(const OpCall& call) {
  call.arity(4, 6);
  check_head(call);
  call.same_shape(2, 3);
  const Type nats{call.type(0).dtype, call.shape(2)};
  if (!call.has(4)) return {nats, call.type(0), call.type(1)};
  call.same_shape(1, 4);
  if (call.has(5)) call.expect_shape(5, {1});
  return {nats, call.type(0)};
}

}  // namespace

std::span<const OpDef> loss_ops() {
  static const OpDef ops[] = {
      {.name = "softcap",
       .doc = "cap·tanh(x/cap); attribute cap. Gemma 2 and autoresearch (cap 15).",
       .infer = infer_softcap,
       .gradient = grad_softcap,
       .may_share = {{0, 0}}},
      {.name = "softcap_grad",
       .doc = "y = softcap(x), dy -> dx = dy·(1 − (y/cap)²).",
       .infer = infer_two_alike,
       .may_share = {{0, 0}, {0, 1}}},
      {.name = "cross_entropy",
       .doc = "logits [..., vocab], targets i32 [...] -> nats [...]: log Σ exp(logits) − logits[target]; 0 where the "
              "target "
              "is −1.",
       .infer = infer_cross_entropy,
       .gradient = grad_cross_entropy},
      {.name = "cross_entropy_grad",
       .doc = "logits, targets, dnats [...] -> dlogits = dnats·(softmax(logits) − onehot(target)); 0 where the target "
              "is −1.",
       .infer = infer_cross_entropy_grad,
       .may_share = {{0, 0}}},
      {.name = "masked_mean",
       .doc = "nats [...], targets i32 [...] -> f64 [1]: the mean of nats over targets >= 0 (0 when there are none).",
       .infer = infer_masked_mean,
       .gradient = grad_masked_mean},
      {.name = "masked_mean_grad",
       .doc =
           "targets [...], dloss f64 [1] -> dnats [...] = dloss / (number of targets >= 0), 0 where the target is −1; "
           "attribute dtype.",
       .infer = infer_masked_mean_grad},
      {.name = "head_loss",
       .doc = "cross_entropy(softcap(linear(x, w)), targets) without ever holding all logits: x [..., dim], w [vocab, "
              "dim], "
              "targets i32 [...] -> nats [...]; attribute cap (0: none). Made by the fuse_head_loss pass.",
       .infer = infer_head_loss},
      {.name = "head_loss_train",
       .doc = "head_loss together with its gradient, one block of rows at a time: x, w, targets, dnats [...] -> nats "
              "[...], "
              "dx [..., dim], and dw [vocab, dim], or with `into` (state) and `keep` (f64 [1]) into ← keep·into + dw. "
              "Attribute cap. Made by the fuse_head_loss pass where dnats does not depend on nats.",
       .infer = infer_head_loss_train,
       .writes = [](const Node& node, int input) { return input == 4 && node.inputs.size() > 4 && node.inputs[4]; },
       .may_share = {{1, 0}}},
  };
  return ops;
}

Val softcap(Graph& g, Val x, double cap) { return g.add("softcap", {x}, {{"cap", cap}})[0]; }
Val cross_entropy(Graph& g, Val logits, Val targets) { return g.add("cross_entropy", {logits, targets})[0]; }
Val masked_mean(Graph& g, Val nats, Val targets) { return g.add("masked_mean", {nats, targets})[0]; }

}  // namespace propane
