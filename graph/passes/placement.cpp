#include <map>

#include "graph/op.h"
#include "graph/passes/passes.h"

namespace propane {

void place(Graph& graph, const std::function<std::string(const Graph&, const Node&)>& choose) {
  for (Node& node : graph.nodes()) node.device = choose(graph, node);

  // Where each value is. A view is wherever its source is; state goes to its writer.
  std::vector<std::string> home(graph.value_count());
  for (const Node& node : graph.nodes())
    for (size_t i = 0; i < node.inputs.size(); ++i)
      if (node.inputs[i] && writes_input(node, static_cast<int>(i)))
        home[static_cast<size_t>(node.inputs[i].id)] = node.device;

  std::map<std::pair<int, std::string>, Val> copies;  // of a value on another device
  std::vector<Node> list;
  for (Node node : graph.nodes()) {
    const std::vector<Val> before = node.inputs;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const Val v = before[i];
      if (!v) continue;
      std::string& at = home[static_cast<size_t>(v.id)];
      if (at.empty()) at = node.device;
      if (at == node.device) continue;
      if (writes_input(node, static_cast<int>(i))) continue;  // two writers on two devices: the plan refuses it by name
      Val& copy = copies[{v.id, node.device}];
      if (!copy) {
        copy = graph.new_value(graph.type(v));
        home.resize(graph.value_count());
        home[static_cast<size_t>(copy.id)] = node.device;
        list.push_back({&find_op("transfer"), {}, {v}, {copy}, node.scope, node.device});
      }
      node.inputs[i] = copy;
    }
    for (Val v : node.outputs) home[static_cast<size_t>(v.id)] = node.device;
    // A copy of state is old once the state is written.
    for (size_t i = 0; i < before.size(); ++i)
      if (before[i] && writes_input(node, static_cast<int>(i)))
        std::erase_if(copies, [&](const auto& item) { return item.first.first == before[i].id; });
    list.push_back(std::move(node));
  }
  graph.nodes() = std::move(list);
}

}  // namespace propane
