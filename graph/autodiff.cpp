#include "graph/autodiff.h"

#include "base/error.h"
#include "graph/op.h"
#include "graph/ops.h"

namespace propane {

std::vector<std::vector<Val>> gradients(Graph& graph, std::span<const Seed> seeds, std::span<const Val> wanted) {
  const size_t forward_count = graph.nodes().size();
  const std::string scope_before = graph.scope();

  // Which values depend on a wanted one: only through these does a gradient need to flow.
  std::vector<bool> depends(graph.value_count(), false);
  for (Val v : wanted) depends[static_cast<size_t>(v.id)] = true;
  for (const Node& node : graph.nodes()) {
    bool any = false;
    for (Val v : node.inputs) any = any || (v && depends[static_cast<size_t>(v.id)]);
    if (any)
      for (Val v : node.outputs) depends[static_cast<size_t>(v.id)] = true;
  }

  std::vector<std::vector<Val>> parts(graph.value_count());
  for (const Seed& seed : seeds) parts[static_cast<size_t>(seed.value.id)].push_back(seed.gradient);

  // The sum of what has arrived at a value.
  auto total = [&](Val v) {
    auto& list = parts[static_cast<size_t>(v.id)];
    if (list.empty()) return Val{};
    Val sum = list[0];
    for (size_t i = 1; i < list.size(); ++i) sum = add(graph, sum, list[i]);
    list = {sum};
    return sum;
  };

  for (size_t i = forward_count; i-- > 0;) {
    const Node node = graph.nodes()[i];  // a copy: adding nodes moves the list
    bool reached = false;
    for (Val v : node.outputs)
      reached = reached || (depends[static_cast<size_t>(v.id)] && !parts[static_cast<size_t>(v.id)].empty());
    if (!reached) continue;
    std::vector<bool> needed;
    bool any = false;
    for (Val v : node.inputs) {
      needed.push_back(v && depends[static_cast<size_t>(v.id)]);
      any = any || needed.back();
    }
    if (!any) continue;
    if (!node.op->gradient) fail("no gradient passes through the op '{}'", node.op->name);
    graph.set_scope(node.scope + "/grad");
    std::vector<Val> d_outputs;
    for (Val v : node.outputs) d_outputs.push_back(total(v));
    GradientCall call{graph, node, d_outputs, needed};
    const std::vector<Val> d_inputs = node.op->gradient(call);
    for (size_t k = 0; k < d_inputs.size(); ++k)
      if (d_inputs[k] && needed[k]) parts[static_cast<size_t>(node.inputs[k].id)].push_back(d_inputs[k]);
  }
  graph.set_scope(scope_before);

  std::vector<std::vector<Val>> result;
  for (Val v : wanted) result.push_back(parts[static_cast<size_t>(v.id)]);
  return result;
}

}  // namespace propane
