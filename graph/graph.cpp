#include "graph/graph.h"

#include "base/error.h"
#include "graph/op.h"

namespace propane {

std::string Type::str() const { return fmt::format("{}{}", dtype_name(dtype), shape.str()); }

namespace {

template <typename T>
const T& get_attr(const std::map<std::string, Attrs::Item>& items, const std::string& name) {
  const auto found = items.find(name);
  if (found == items.end()) fail("attribute '{}' is missing", name);
  const T* item = std::get_if<T>(&found->second);
  if (!item) fail("attribute '{}' has another type than the op expects", name);
  return *item;
}

}  // namespace

int64_t Attrs::integer(const std::string& name) const { return get_attr<int64_t>(items_, name); }
int64_t Attrs::integer(const std::string& name, int64_t absent) const { return has(name) ? integer(name) : absent; }
double Attrs::real(const std::string& name) const { return get_attr<double>(items_, name); }
double Attrs::real(const std::string& name, double absent) const { return has(name) ? real(name) : absent; }
const std::string& Attrs::text(const std::string& name) const { return get_attr<std::string>(items_, name); }

std::string Attrs::str() const {
  std::string out = "{";
  for (const auto& [name, item] : items_) {
    if (out.size() > 1) out += ", ";
    out += name + "=";
    std::visit([&](const auto& x) { out += fmt::format("{}", x); }, item);
  }
  return out + "}";
}

Val Graph::new_value(Type type, Role role, std::string name) {
  values_.push_back({std::move(type), role, std::move(name)});
  return {static_cast<int>(values_.size()) - 1};
}

Val Graph::named(const std::string& name, Type type, Role role) {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return by_name_[name] = new_value(std::move(type), role, name);
  const Value& known = value(found->second);
  if (known.role != role || !(known.type == type))
    fail("'{}' is already in the graph as {} with another type or role; asked for {}", name, known.type.str(),
         type.str());
  return found->second;
}

Val Graph::input(const std::string& name, Type type) { return named(name, std::move(type), Role::input); }
Val Graph::state(const std::string& name, Type type) { return named(name, std::move(type), Role::state); }

Val Graph::find(const std::string& name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? Val{} : found->second;
}

std::vector<Val> Graph::add(std::string_view op_name, std::vector<Val> inputs, Attrs attrs) {
  const OpDef& op = find_op(op_name);
  Node node{&op, std::move(attrs), std::move(inputs), {}, scope_, {}};
  for (Type& type : op.infer(OpCall{*this, node})) node.outputs.push_back(new_value(std::move(type)));
  nodes_.push_back(node);
  return node.outputs;
}

void Graph::output(const std::string& name, Val value) { outputs_.emplace_back(name, value); }

std::vector<int> Graph::producers() const {
  std::vector<int> producer(values_.size(), -1);
  for (size_t i = 0; i < nodes_.size(); ++i)
    for (Val v : nodes_[i].outputs) producer[static_cast<size_t>(v.id)] = static_cast<int>(i);
  return producer;
}

std::vector<int> Graph::use_counts() const {
  std::vector<int> uses(values_.size(), 0);
  for (const Node& node : nodes_)
    for (Val v : node.inputs)
      if (v) ++uses[static_cast<size_t>(v.id)];
  for (const auto& [name, v] : outputs_) ++uses[static_cast<size_t>(v.id)];
  return uses;
}

std::string Graph::str() const {
  auto label = [&](Val v) {
    if (!v) return std::string("-");
    const Value& known = value(v);
    return known.name.empty() ? fmt::format("%{}", v.id) : known.name;
  };
  std::string out;
  for (const Node& node : nodes_) {
    std::string line;
    for (Val v : node.outputs) line += fmt::format("{}{}: {}", line.empty() ? "" : ", ", label(v), type(v).str());
    line += fmt::format("{}{}(", line.empty() ? "" : " = ", node.op->name);
    for (size_t i = 0; i < node.inputs.size(); ++i) line += (i ? ", " : "") + label(node.inputs[i]);
    line += ")";
    if (!node.attrs.items().empty()) line += " " + node.attrs.str();
    if (!node.scope.empty()) line += "  # " + node.scope;
    out += line + "\n";
  }
  for (const auto& [name, v] : outputs_) out += fmt::format("output {} = {}\n", name, label(v));
  return out;
}

}  // namespace propane
