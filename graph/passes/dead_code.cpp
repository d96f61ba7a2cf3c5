#include <algorithm>

#include "graph/op.h"
#include "graph/passes/passes.h"

namespace propane {

void remove_dead_code(Graph& graph) {
  std::vector<bool> read(graph.value_count(), false);
  for (const auto& [name, v] : graph.outputs()) read[static_cast<size_t>(v.id)] = true;
  auto& nodes = graph.nodes();
  std::vector<bool> live(nodes.size(), false);
  for (size_t i = nodes.size(); i-- > 0;) {
    live[i] = writes_state(nodes[i]);
    for (Val v : nodes[i].outputs) live[i] = live[i] || read[static_cast<size_t>(v.id)];
    if (!live[i]) continue;
    for (Val v : nodes[i].inputs)
      if (v) read[static_cast<size_t>(v.id)] = true;
  }
  size_t i = 0;
  std::erase_if(nodes, [&](const Node&) { return !live[i++]; });
}

}  // namespace propane
