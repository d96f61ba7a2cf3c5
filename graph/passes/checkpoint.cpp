#include <map>
#include <set>

#include "graph/op.h"
#include "graph/passes/passes.h"

namespace propane {

namespace {

bool is_gradient_scope(const std::string& scope) { return scope.ends_with("/grad"); }

}  // namespace

void checkpoint_activations(Graph& graph, const std::function<bool(const Node&)>& recompute) {
  const auto producer = graph.producers();
  const std::vector<Node> nodes = graph.nodes();

  // What a chosen scope makes for other forward scopes, or for the outside, stays: it is the next scope's input.
  std::vector<bool> stays(graph.value_count(), false);
  for (const auto& [name, v] : graph.outputs()) stays[static_cast<size_t>(v.id)] = true;
  for (const Node& node : nodes)
    for (Val v : node.inputs) {
      if (!v || producer[static_cast<size_t>(v.id)] < 0) continue;
      const Node& maker = nodes[static_cast<size_t>(producer[static_cast<size_t>(v.id)])];
      if (!is_gradient_scope(node.scope) && maker.scope != node.scope) stays[static_cast<size_t>(v.id)] = true;
    }

  std::map<int, Val> again;  // the recomputed copy of a value
  std::vector<Node> list;
  // Emits the node that makes v, and what it needs, once more; ops that write state cannot be run twice.
  const std::function<Val(Val)> copy_of = [&](Val v) -> Val {
    if (!v) return v;
    const int i = producer[static_cast<size_t>(v.id)];
    if (i < 0 || stays[static_cast<size_t>(v.id)]) return v;
    const Node& maker = nodes[static_cast<size_t>(i)];
    if (is_gradient_scope(maker.scope) || !recompute(maker) || writes_state(maker)) return v;
    const auto found = again.find(v.id);
    if (found != again.end()) return found->second;
    Node clone = maker;
    clone.scope += "/grad";
    for (Val& input : clone.inputs) input = copy_of(input);
    for (Val& output : clone.outputs) {
      const Val fresh = graph.new_value(graph.type(output));
      again[output.id] = fresh;
      output = fresh;
    }
    list.push_back(std::move(clone));
    return again[v.id];
  };

  for (Node node : nodes) {
    if (is_gradient_scope(node.scope))
      for (Val& input : node.inputs) input = copy_of(input);
    list.push_back(std::move(node));
  }
  graph.nodes() = std::move(list);
}

}  // namespace propane
