#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"

namespace propane {

void fuse_gated_linear(Graph& graph, const Takes& takes) {
  const Pattern p(graph);
  Edits edits(graph.nodes().size());
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const Node& node = graph.nodes()[i];
    if (node.op->name != "swiglu") continue;
    const Val gate = node.inputs[0], up = node.inputs[1];
    const int a = p.made_by(gate, "linear"), b = p.made_by(up, "linear");
    if (a < 0 || b < 0 || a == b) continue;
    const auto &in_a = p.node(a).inputs, &in_b = p.node(b).inputs;
    if (in_a.size() != 2 || in_b.size() != 2 || !(in_a[0] == in_b[0])) continue;
    const bool keep = p.uses(gate) > 1 || p.uses(up) > 1;
    std::vector<Val> out{node.outputs[0]};
    if (keep) out.insert(out.end(), {gate, up});
    Node fused =
        replacement("gated_linear", {in_a[0], in_a[1], in_b[1]}, std::move(out), node, {{"keep_parts", int64_t{keep}}});
    // It stands where the swiglu stood, so whoever else reads the parts must come later.
    bool early_reader = false;
    for (Val part : {gate, up})
      for (int reader : p.readers(part)) early_reader = early_reader || reader < static_cast<int>(i);
    if (early_reader || !takes(graph, fused)) continue;
    edits.drop(a);
    edits.drop(b);
    edits.drop(static_cast<int>(i));
    edits.insert(static_cast<int>(i), std::move(fused));
  }
  edits.apply(graph);
}

}  // namespace propane
