// What the passes that replace patterns share.
#pragma once

#include <string_view>
#include <vector>

#include "graph/op.h"

namespace propane {

// A graph's nodes with who makes and who reads each value; valid until the list of nodes changes.
class Pattern {
 public:
  explicit Pattern(const Graph& graph) : graph_(graph), producer_(graph.producers()), uses_(graph.use_counts()) {
    readers_.resize(graph.value_count());
    for (size_t i = 0; i < graph.nodes().size(); ++i)
      for (Val v : graph.nodes()[i].inputs)
        if (v) readers_[static_cast<size_t>(v.id)].push_back(static_cast<int>(i));
  }

  // The node that makes v, if it is of this op; −1 otherwise.
  int made_by(Val v, std::string_view op) const {
    if (!v) return -1;
    const int i = producer_[static_cast<size_t>(v.id)];
    return i >= 0 && graph_.nodes()[static_cast<size_t>(i)].op->name == op ? i : -1;
  }
  // The nodes that read v, in order; a node that reads it twice stands twice.
  const std::vector<int>& readers(Val v) const { return readers_[static_cast<size_t>(v.id)]; }
  // Reads by nodes and graph outputs.
  int uses(Val v) const { return uses_[static_cast<size_t>(v.id)]; }
  const Node& node(int i) const { return graph_.nodes()[static_cast<size_t>(i)]; }

 private:
  const Graph& graph_;
  std::vector<int> producer_, uses_;
  std::vector<std::vector<int>> readers_;
};

// A node whose outputs exist already: a replacement for the nodes that made them.
inline Node replacement(std::string_view op, std::vector<Val> inputs, std::vector<Val> outputs, const Node& like,
                        Attrs attrs = {}) {
  return {&find_op(op), std::move(attrs), std::move(inputs), std::move(outputs), like.scope, like.device};
}

// Applies edits to the list: nodes marked dropped go, and new ones come in front of a place.
class Edits {
 public:
  explicit Edits(size_t node_count) : dropped_(node_count, false), before_(node_count + 1) {}
  void drop(int i) { dropped_[static_cast<size_t>(i)] = true; }
  bool is_dropped(int i) const { return dropped_[static_cast<size_t>(i)]; }
  void insert(int before, Node node) { before_[static_cast<size_t>(before)].push_back(std::move(node)); }
  void apply(Graph& graph) {
    std::vector<Node> list;
    auto& nodes = graph.nodes();
    for (size_t i = 0; i <= nodes.size(); ++i) {
      for (Node& node : before_[i]) list.push_back(std::move(node));
      if (i < nodes.size() && !dropped_[i]) list.push_back(std::move(nodes[i]));
    }
    nodes = std::move(list);
  }

 private:
  std::vector<bool> dropped_;
  std::vector<std::vector<Node>> before_;
};

}  // namespace propane
