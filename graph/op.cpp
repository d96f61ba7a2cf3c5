#include "graph/op.h"

#include <string>
#include <unordered_map>

#include "base/error.h"

namespace propane {

const Type& OpCall::type(int i) const {
  if (!has(i)) fail("{}: input {} is missing", node.op->name, i);
  return graph.type(node.inputs[static_cast<size_t>(i)]);
}

int64_t OpCall::last_axis(int i) const {
  if (shape(i).rank() == 0) fail("{}: input {} must have at least one axis, found {}", node.op->name, i, type(i).str());
  return shape(i).dim(-1);
}

void OpCall::arity(int least, int most) const {
  const int n = static_cast<int>(node.inputs.size());
  if (n < least || n > most) fail("{}: expected {} to {} inputs, found {}", node.op->name, least, most, n);
  for (int i = 0; i < least; ++i) type(i);
}

void OpCall::require(bool condition, std::string_view what) const {
  if (condition) return;
  std::string found;
  for (Val v : node.inputs) found += (found.empty() ? "" : ", ") + (v ? graph.type(v).str() : std::string("-"));
  fail("{}: {}; found {} {}", node.op->name, what, found, node.attrs.str());
}

void OpCall::same_shape(int a, int b) const {
  if (!(shape(a) == shape(b)))
    fail("{}: inputs {} and {} must have the same shape, found {} and {}", node.op->name, a, b, shape(a).str(),
         shape(b).str());
}

void OpCall::index_type(int i) const {
  if (type(i).dtype != DType::i32) fail("{}: input {} must be i32, found {}", node.op->name, i, type(i).str());
}

void OpCall::expect_shape(int i, const Shape& s) const {
  if (!(shape(i) == s)) fail("{}: input {} must have shape {}, found {}", node.op->name, i, s.str(), shape(i).str());
}

bool writes_state(const Node& node) {
  for (size_t i = 0; i < node.inputs.size(); ++i)
    if (node.inputs[i] && writes_input(node, static_cast<int>(i))) return true;
  return false;
}

std::span<const OpDef* const> all_ops() {
  static const std::vector<const OpDef*> ops = [] {
    std::vector<const OpDef*> list;
    for (auto family : {linear_ops(), elementwise_ops(), norm_ops(), embedding_ops(), attention_ops(), expert_ops(),
                        loss_ops(), optimizer_ops(), state_ops(), collective_ops()})
      for (const OpDef& op : family) list.push_back(&op);
    return list;
  }();
  return ops;
}

const OpDef& find_op(std::string_view name) {
  static const std::unordered_map<std::string_view, const OpDef*> by_name = [] {
    std::unordered_map<std::string_view, const OpDef*> map;
    for (const OpDef* op : all_ops()) map.emplace(op->name, op);
    return map;
  }();
  const auto found = by_name.find(name);
  if (found == by_name.end()) fail("there is no op named '{}'", name);
  return *found->second;
}

}  // namespace propane
