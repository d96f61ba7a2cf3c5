#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"

namespace propane {

void fuse_norm_linear(Graph& graph, const Takes& takes) {
  const Pattern p(graph);
  Edits edits(graph.nodes().size());
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const Node& node = graph.nodes()[i];
    const bool plain = node.op->name == "linears" || (node.op->name == "linear" && node.inputs.size() == 2);
    if (!plain) continue;
    const Val x = node.inputs[0];
    const int norm = p.made_by(x, "rms_norm");
    if (norm < 0 || p.uses(x) != 1 || p.node(norm).scope != node.scope) continue;
    const Node& made = p.node(norm);
    std::vector<Val> in{made.inputs[0], made.inputs.size() > 1 ? made.inputs[1] : Val{}};
    in.insert(in.end(), node.inputs.begin() + 1, node.inputs.end());
    Node fused = replacement("norm_linears", std::move(in), node.outputs, node, made.attrs);
    if (!takes(graph, fused)) continue;
    edits.drop(norm);
    edits.drop(static_cast<int>(i));
    edits.insert(static_cast<int>(i), std::move(fused));
  }
  edits.apply(graph);
}

}  // namespace propane
