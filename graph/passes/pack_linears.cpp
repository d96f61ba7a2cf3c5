#include <map>

#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"

namespace propane {

namespace {

// linear nodes of one scope that read the same input, biases apart, become one linears where the first stood. Weights
// are state or inputs, so they are at hand there.
void pack_forward(Graph& graph, const Takes& takes) {
  const auto producer = graph.producers();
  std::map<std::pair<std::string, int>, std::vector<int>> groups;
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const Node& node = graph.nodes()[i];
    const bool plain = node.op->name == "linear" && node.inputs.size() == 2;
    if (plain && producer[static_cast<size_t>(node.inputs[1].id)] < 0)
      groups[{node.scope, node.inputs[0].id}].push_back(static_cast<int>(i));
  }
  Edits edits(graph.nodes().size());
  for (const auto& [key, members] : groups) {
    if (members.size() < 2) continue;
    const Node& first = graph.nodes()[static_cast<size_t>(members[0])];
    std::vector<Val> in{first.inputs[0]}, out;
    for (int i : members) {
      in.push_back(graph.nodes()[static_cast<size_t>(i)].inputs[1]);
      out.push_back(graph.nodes()[static_cast<size_t>(i)].outputs[0]);
    }
    Node packed = replacement("linears", std::move(in), std::move(out), first);
    if (!takes(graph, packed)) continue;
    edits.insert(members[0], std::move(packed));
    for (int i : members) edits.drop(i);
  }
  edits.apply(graph);
}

// The leaves of a tree of plain adds whose inner sums nobody else reads.
void flatten(const Pattern& p, Val v, std::vector<Val>& leaves, std::vector<int>& adds) {
  const int i = p.made_by(v, "add");
  const bool inner = i >= 0 && p.node(i).attrs.real("alpha", 1.0) == 1.0 && (adds.empty() || p.uses(v) == 1);
  if (!inner) return leaves.push_back(v);
  adds.push_back(i);
  flatten(p, p.node(i).inputs[0], leaves, adds);
  flatten(p, p.node(i).inputs[1], leaves, adds);
}

// The sum of several linears' input gradients becomes one product that adds up in place; other terms are added to it.
void pack_backward(Graph& graph, const Takes& takes) {
  const Pattern p(graph);
  Edits edits(graph.nodes().size());
  for (int i = static_cast<int>(graph.nodes().size()); i-- > 0;) {
    if (p.node(i).op->name != "add" || edits.is_dropped(i)) continue;
    std::vector<Val> leaves;
    std::vector<int> adds;
    flatten(p, p.node(i).outputs[0], leaves, adds);
    std::vector<Val> dy, w, others;
    std::vector<int> products;
    for (Val leaf : leaves) {
      const int made = p.made_by(leaf, "linears_grad_x");
      if (made < 0 || p.uses(leaf) != 1 || edits.is_dropped(made)) {
        others.push_back(leaf);
        continue;
      }
      const auto& in = p.node(made).inputs;
      dy.insert(dy.end(), in.begin(), in.begin() + static_cast<ptrdiff_t>(in.size() / 2));
      w.insert(w.end(), in.begin() + static_cast<ptrdiff_t>(in.size() / 2), in.end());
      products.push_back(made);
    }
    if (products.size() < 2) continue;
    const Node& root = p.node(i);
    const Type type = graph.type(root.outputs[0]);
    std::vector<Val> in = dy;
    in.insert(in.end(), w.begin(), w.end());
    Val sum = others.empty() ? root.outputs[0] : graph.new_value(type);
    Node packed = replacement("linears_grad_x", std::move(in), {sum}, p.node(products[0]));
    if (!takes(graph, packed)) continue;
    for (int product : products) edits.drop(product);
    for (int inner : adds) edits.drop(inner);
    edits.insert(i, std::move(packed));
    for (size_t k = 0; k < others.size(); ++k) {
      const Val next = k + 1 == others.size() ? root.outputs[0] : graph.new_value(type);
      edits.insert(i, replacement("add", {sum, others[k]}, {next}, root));
      sum = next;
    }
  }
  edits.apply(graph);
}

}  // namespace

void pack_linears(Graph& graph, const Takes& takes) {
  pack_forward(graph, takes);
  pack_backward(graph, takes);
}

}  // namespace propane
