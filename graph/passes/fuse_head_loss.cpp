#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"

namespace propane {

namespace {

// The nodes of one head, forward and, when training, backward; −1 where there is none.
struct Head {
  int linear = -1, softcap = -1, loss = -1;
  int loss_grad = -1, softcap_grad = -1, grad_x = -1, grad_w = -1;
};

// Finds the head whose cross_entropy is node i; false where a value in the middle has another reader.
bool match(const Graph& graph, const Pattern& p, int i, Head& head) {
  head.loss = i;
  Val logits = p.node(i).inputs[0];
  const Val targets = p.node(i).inputs[1];
  for (int reader : p.readers(logits))
    if (p.node(reader).op->name == "cross_entropy_grad" && p.node(reader).inputs[1] == targets) head.loss_grad = reader;
  const bool training = head.loss_grad >= 0;
  Val d_logits = training ? p.node(head.loss_grad).outputs[0] : Val{};

  head.softcap = p.made_by(logits, "softcap");
  if (head.softcap >= 0) {
    if (training) {
      for (int reader : p.readers(d_logits))
        if (p.node(reader).op->name == "softcap_grad") head.softcap_grad = reader;
      if (head.softcap_grad < 0 || p.uses(d_logits) != 1) return false;
      d_logits = p.node(head.softcap_grad).outputs[0];
    }
    if (p.uses(logits) != (training ? 3 : 1)) return false;  // the loss, its gradient and softcap's
    logits = p.node(head.softcap).inputs[0];
    if (p.uses(logits) != 1) return false;
  } else if (p.uses(logits) != (training ? 2 : 1)) {
    return false;
  }
  head.linear = p.made_by(logits, "linear");
  if (head.linear < 0 || p.node(head.linear).inputs.size() != 2) return false;
  if (!training) return true;

  for (int reader : p.readers(d_logits)) {
    const Node& node = p.node(reader);
    if (node.op->name == "linears_grad_x" && node.inputs.size() == 2) head.grad_x = reader;
    if (node.op->name == "linear_grad_w" && node.inputs[0] == d_logits) head.grad_w = reader;
  }
  if (head.grad_x < 0 || head.grad_w < 0 || p.uses(d_logits) != 2) return false;
  // The gradient of the nats must be there before the nats are: it may come only from per-run inputs.
  const int seed = p.made_by(p.node(head.loss_grad).inputs[2], "masked_mean_grad");
  if (seed < 0) return false;
  for (Val v : p.node(seed).inputs)
    if (graph.value(v).role != Role::input) return false;
  return true;
}

}  // namespace

void fuse_head_loss(Graph& graph, const Takes& takes) {
  const Pattern p(graph);
  Edits edits(graph.nodes().size());
  for (int i = 0; i < static_cast<int>(graph.nodes().size()); ++i) {
    if (p.node(i).op->name != "cross_entropy") continue;
    Head head;
    if (!match(graph, p, i, head)) continue;
    const Node& linear = p.node(head.linear);
    const Node& loss = p.node(i);
    const double cap = head.softcap >= 0 ? p.node(head.softcap).attrs.real("cap") : 0.0;
    std::vector<Val> in{linear.inputs[0], linear.inputs[1], loss.inputs[1]}, out{loss.outputs[0]};
    if (head.loss_grad < 0) {
      Node fused = replacement("head_loss", std::move(in), std::move(out), loss, {{"cap", cap}});
      if (!takes(graph, fused)) continue;
      edits.insert(i, std::move(fused));
    } else {
      const Val d_nats = p.node(head.loss_grad).inputs[2];
      const Node& grad_w = p.node(head.grad_w);
      in.push_back(d_nats);
      out.push_back(p.node(head.grad_x).outputs[0]);
      if (grad_w.inputs.size() > 2) in.insert(in.end(), grad_w.inputs.begin() + 2, grad_w.inputs.end());
      else out.push_back(grad_w.outputs[0]);
      Node fused = replacement("head_loss_train", std::move(in), std::move(out), loss, {{"cap", cap}});
      if (!takes(graph, fused)) continue;
      const int seed = p.made_by(d_nats, "masked_mean_grad");
      if (seed > i) {
        edits.insert(i, p.node(seed));
        edits.drop(seed);
      }
      edits.insert(i, std::move(fused));
    }
    for (int node : {head.linear, head.softcap, head.loss, head.loss_grad, head.softcap_grad, head.grad_x, head.grad_w})
      if (node >= 0) edits.drop(node);
  }
  edits.apply(graph);
}

}  // namespace propane
