// What a reference op computes: each op is either a kernel, a plain loop over doubles that reads like the formula in
// the op's documentation, or an expansion, the plain ops that a fused op stands for.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "graph/communicator.h"
#include "graph/graph.h"

namespace propane::ref {

// An operand, row-major, in double whatever its type in memory. No data: an optional operand left out.
struct Tensor {
  Shape shape;
  double* data = nullptr;

  explicit operator bool() const { return data != nullptr; }
  double& operator[](int64_t i) const { return data[i]; }
  int64_t count() const { return shape.count(); }
  int64_t rows() const { return shape.rows(); }
  int64_t last() const { return shape.dim(-1); }
  double* row(int64_t r) const { return data + r * last(); }
  // Element of an i32 operand, checked to lie in [0, limit).
  int64_t index(int64_t i, int64_t limit, std::string_view op) const {
    const int64_t value = static_cast<int64_t>(data[i]);
    if (value < 0 || value >= limit) fail("{}: index {} lies outside [0, {})", op, value, limit);
    return value;
  }
};

// One call of a kernel. Operands never overlap: results reach memory after the kernel is done. State that the op
// updates is an input that the kernel writes.
struct Operands {
  const Attrs& attrs;
  std::span<const Tensor> inputs;
  std::span<const Tensor> outputs;
  Communicator& ranks;

  Tensor in(size_t i) const { return i < inputs.size() ? inputs[i] : Tensor{}; }
  Tensor out(size_t i) const { return outputs[i]; }
};

using Kernel = void (*)(const Operands&);
// Appends the plain ops to a graph of doubles and returns the fused op's outputs.
using Expansion = std::vector<Val> (*)(Graph&, const Attrs&, std::span<const Val> inputs);

struct RefOp {
  std::string_view name;
  Kernel kernel = nullptr;
  Expansion expansion = nullptr;
};

// The reference for an op, null when there is none.
const RefOp* find_ref_op(std::string_view name);

// One list a file, with the names of graph/ops/.
std::span<const RefOp> linear_ops();
std::span<const RefOp> elementwise_ops();
std::span<const RefOp> norm_ops();
std::span<const RefOp> embedding_ops();
std::span<const RefOp> attention_ops();
std::span<const RefOp> expert_ops();
std::span<const RefOp> loss_ops();
std::span<const RefOp> optimizer_ops();
std::span<const RefOp> state_ops();
std::span<const RefOp> collective_ops();

// into ← keep·into + value, the tail of every op with an optional `into`; with keep 0 the old content is not read.
inline void accumulate_into(const Tensor& into, const Tensor& keep, std::span<const double> value) {
  const double kept = keep ? keep[0] : 1.0;
  for (size_t i = 0; i < value.size(); ++i) into.data[i] = (kept == 0.0 ? 0.0 : kept * into.data[i]) + value[i];
}

}  // namespace propane::ref
