// What an op is: its name, its documentation, its shape rule, its gradient, and what it writes.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace propane {

// A node whose outputs are yet to be typed, as its shape rule sees it. Every check throws Error with a sentence that
// names the op, the operand and both shapes.
struct OpCall {
  const Graph& graph;
  const Node& node;

  bool has(int i) const { return i < static_cast<int>(node.inputs.size()) && node.inputs[static_cast<size_t>(i)]; }
  const Type& type(int i) const;  // throws when the input was left out
  const Shape& shape(int i) const { return type(i).shape; }
  int64_t last_axis(int i) const;  // throws when the input is a scalar of rank 0
  void arity(int least, int most) const;
  void require(bool condition, std::string_view what) const;  // "linear: the input's last axis ..., found f32[2, 3]"
  void same_shape(int a, int b) const;
  void index_type(int i) const;                    // i32
  void expect_shape(int i, const Shape& s) const;  // exactly s
};

// What a gradient rule sees: the node, the gradients of its outputs (Val{} where nothing depends on one), and which
// inputs need one.
struct GradientCall {
  Graph& graph;
  const Node& node;
  std::span<const Val> d_outputs;
  std::vector<bool> needed;

  Val in(int i) const { return i < static_cast<int>(node.inputs.size()) ? node.inputs[static_cast<size_t>(i)] : Val{}; }
  Val out(int i) const { return node.outputs[static_cast<size_t>(i)]; }
  Val d(int i) const { return d_outputs[static_cast<size_t>(i)]; }
  bool needs(int i) const { return i < static_cast<int>(needed.size()) && needed[static_cast<size_t>(i)]; }
};

using ShapeRule = std::vector<Type> (*)(const OpCall&);
// Returns one gradient an input, Val{} where there is none.
using GradientRule = std::vector<Val> (*)(GradientCall&);

struct OpDef {
  std::string_view name = {};
  std::string_view doc = {};  // shapes, units, source; docs/ops.md is made of these
  ShapeRule infer = nullptr;
  GradientRule gradient = nullptr;                   // none: the op cuts the flow of gradients
  bool (*writes)(const Node&, int input) = nullptr;  // whether this input is state that the op updates in place
  std::vector<std::pair<int, int>> may_share = {};   // {output, input}: may be the same memory
  bool is_view = false;                              // output 0 is input 0's memory under another shape
};

// Whether a node updates input i in place.
inline bool writes_input(const Node& node, int i) { return node.op->writes && node.op->writes(node, i); }
bool writes_state(const Node& node);

// Every op there is, in the order of ops.h. Throws Error on an unknown name.
const OpDef& find_op(std::string_view name);
std::span<const OpDef* const> all_ops();

// Each file of graph/ops/ hands in its ops.
std::span<const OpDef> linear_ops();
std::span<const OpDef> elementwise_ops();
std::span<const OpDef> norm_ops();
std::span<const OpDef> embedding_ops();
std::span<const OpDef> attention_ops();
std::span<const OpDef> expert_ops();
std::span<const OpDef> loss_ops();
std::span<const OpDef> optimizer_ops();
std::span<const OpDef> state_ops();
std::span<const OpDef> collective_ops();

}  // namespace propane
