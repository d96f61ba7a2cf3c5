// A model, a training step or a decode step as a list of coarse ops over typed values.
//
// The list's order is the order of execution. A value is written once, by the node that makes it; *state* (parameters,
// moments, gradients, KV caches) outlives a run and is updated in place by ops that say so (OpDef::writes): such an op
// takes its turn among the readers by its place in the list.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/dtype.h"
#include "base/shape.h"

namespace propane {

struct OpDef;

// A value of a graph; Val{} stands for an optional input left out.
struct Val {
  int id = -1;
  explicit operator bool() const { return id >= 0; }
  bool operator==(const Val&) const = default;
};

struct Type {
  DType dtype = DType::f32;
  Shape shape;
  // Throws Error for a block type whose rows are no whole blocks.
  size_t bytes() const {
    return is_block(dtype) ? static_cast<size_t>(shape.rows()) * row_bytes(dtype, shape.dim(-1))
                           : static_cast<size_t>(shape.count()) * dtype_size(dtype);
  }
  std::string str() const;  // "f32[2, 3]"
  bool operator==(const Type&) const = default;
};

enum class Role : uint8_t {
  input,     // varies per run; lives in device memory, set before the run
  state,     // outlives runs and plans, known by its name
  computed,  // made by a node, gone after the run
};

struct Value {
  Type type;
  Role role = Role::computed;
  std::string name;  // unique for inputs and state; may be empty for computed values
};

// The constants of a node: never anything that varies per run.
class Attrs {
 public:
  using Item = std::variant<int64_t, double, std::string>;
  Attrs() = default;
  Attrs(std::initializer_list<std::pair<const std::string, Item>> items) : items_(items) {}

  bool has(const std::string& name) const { return items_.count(name) != 0; }
  int64_t integer(const std::string& name) const;  // throws Error when absent
  int64_t integer(const std::string& name, int64_t absent) const;
  double real(const std::string& name) const;
  double real(const std::string& name, double absent) const;
  const std::string& text(const std::string& name) const;
  void set(const std::string& name, Item item) { items_[name] = std::move(item); }
  const std::map<std::string, Item>& items() const { return items_; }
  std::string str() const;  // "{eps=1e-05, window=129}"
  bool operator==(const Attrs&) const = default;

 private:
  std::map<std::string, Item> items_;
};

struct Node {
  const OpDef* op = nullptr;
  Attrs attrs;
  std::vector<Val> inputs;
  std::vector<Val> outputs;
  std::string scope;   // "layers.3", "layers.3/grad": segments are cut, and layers recomputed, along scopes
  std::string device;  // filled by the placement pass; empty before
};

class Graph {
 public:
  // A per-run input. Throws Error when the name is taken with another type; returns the same value for the same name.
  Val input(const std::string& name, Type type);
  // State of this name; the same rules.
  Val state(const std::string& name, Type type);
  // Appends a node; types of outputs come from the op's shape rule, which throws Error on wrong operands.
  std::vector<Val> add(std::string_view op, std::vector<Val> inputs, Attrs attrs = {});
  // Makes a value readable after a run under this name, and keeps what it needs alive.
  void output(const std::string& name, Val value);

  const Value& value(Val v) const { return values_.at(static_cast<size_t>(v.id)); }
  const Type& type(Val v) const { return value(v).type; }
  const Shape& shape(Val v) const { return value(v).type.shape; }
  bool is_state(Val v) const { return value(v).role == Role::state; }
  Val find(const std::string& name) const;  // an input or state by name; Val{} when there is none

  size_t value_count() const { return values_.size(); }
  Val new_value(Type type, Role role = Role::computed, std::string name = {});  // for passes

  // Passes rewrite the list in place; values that nobody mentions any more do no harm.
  std::vector<Node>& nodes() { return nodes_; }
  const std::vector<Node>& nodes() const { return nodes_; }
  std::vector<std::pair<std::string, Val>>& outputs() { return outputs_; }
  const std::vector<std::pair<std::string, Val>>& outputs() const { return outputs_; }

  // The node that makes each value, -1 for inputs and state; indexed by Val::id.
  std::vector<int> producers() const;
  // How many nodes and graph outputs read each value.
  std::vector<int> use_counts() const;

  // One line a node, for people and golden tests.
  std::string str() const;

  // The scope that add() gives to nodes.
  void set_scope(std::string scope) { scope_ = std::move(scope); }
  const std::string& scope() const { return scope_; }

 private:
  Val named(const std::string& name, Type type, Role role);

  std::vector<Value> values_;
  std::vector<Node> nodes_;
  std::vector<std::pair<std::string, Val>> outputs_;
  std::map<std::string, Val> by_name_;
  std::string scope_;
};

}  // namespace propane
