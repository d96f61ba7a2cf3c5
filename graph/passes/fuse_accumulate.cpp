#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"

namespace propane {

namespace {

// Where the op can write its gradient itself: the place of `into` among its inputs and which output it replaces.
struct Target {
  const char* op;
  size_t into;
  size_t output;
};
constexpr Target kTargets[] = {
    {"linear_grad_w", 2, 0}, {"embedding_grad", 2, 0}, {"column_sum", 1, 0}, {"head_loss_train", 4, 2}};

bool reads_between(const Pattern& p, Val state, int after, int before) {
  for (int reader : p.readers(state))
    if (reader > after && reader < before) return true;
  return false;
}

}  // namespace

void fuse_accumulate(Graph& graph, const Takes& takes) {
  bool changed = true;
  while (changed) {
    changed = false;
    const Pattern p(graph);
    for (int i = 0; i < static_cast<int>(graph.nodes().size()) && !changed; ++i) {
      const Node& node = p.node(i);
      if (node.op->name != "accumulate" || p.uses(node.inputs[1]) != 1) continue;
      for (const Target& target : kTargets) {
        const int maker = p.made_by(node.inputs[1], target.op);
        if (maker < 0) continue;
        Node fused = p.node(maker);
        const bool free = fused.inputs.size() <= target.into && target.output < fused.outputs.size() &&
                          fused.outputs[target.output] == node.inputs[1];
        if (!free || reads_between(p, node.inputs[0], maker, i)) continue;
        fused.outputs.erase(fused.outputs.begin() + static_cast<ptrdiff_t>(target.output));
        fused.inputs.push_back(node.inputs[0]);
        if (node.inputs.size() > 2) fused.inputs.push_back(node.inputs[2]);
        if (!takes(graph, fused)) continue;
        graph.nodes()[static_cast<size_t>(maker)] = std::move(fused);
        graph.nodes().erase(graph.nodes().begin() + i);
        changed = true;
        break;
      }
    }
  }
}

void fuse(Graph& graph, const Takes& takes) {
  remove_dead_code(graph);
  fuse_head_loss(graph, takes);
  fuse_gated_linear(graph, takes);
  pack_linears(graph, takes);
  fuse_norm_linear(graph, takes);
  fuse_accumulate(graph, takes);
  remove_dead_code(graph);
}

}  // namespace propane
