// How an op of the graph becomes a call of kernels: one compile function an op, in files named as graph/ops/'s.
#pragma once

#include <functional>
#include <span>
#include <string_view>

#include "base/threads.h"
#include "graph/communicator.h"
#include "graph/device.h"
#include "graph/op.h"

namespace propane::cpu {

// The memory of a request: one pointer a slot, and working memory.
struct Memory {
  std::byte* const* slots;
  std::span<std::byte> scratch;

  template <typename T>
  T* at(int slot) const {
    return slot < 0 ? nullptr : reinterpret_cast<T*>(slots[slot]);
  }
  float* f32(int slot) const { return at<float>(slot); }
  int32_t* i32(int slot) const { return at<int32_t>(slot); }
  double* f64(int slot) const { return at<double>(slot); }
};

// A step ready to run. It allocates nothing when it runs.
struct Compiled {
  std::function<void(const Memory&)> run;
  size_t scratch_bytes = 0;
};

// A step as its compile function sees it.
struct StepView {
  const Segment& segment;
  const Segment::Step& step;
  const std::vector<bool>& packed;  // by slot: the weight comes as Device::prepare has packed it
  Communicator& ranks;

  int in(int i) const { return i < static_cast<int>(step.inputs.size()) ? step.inputs[static_cast<size_t>(i)] : -1; }
  int out(int i) const { return i < static_cast<int>(step.outputs.size()) ? step.outputs[static_cast<size_t>(i)] : -1; }
  int inputs() const { return static_cast<int>(step.inputs.size()); }
  int outputs() const { return static_cast<int>(step.outputs.size()); }
  const Type& type(int slot) const { return segment.slots[static_cast<size_t>(slot)].type; }
  const Shape& shape(int slot) const { return type(slot).shape; }
  bool is_packed(int slot) const { return packed[static_cast<size_t>(slot)]; }
  int64_t integer(const char* name) const { return step.attrs.integer(name); }
  double real(const char* name) const { return step.attrs.real(name); }
};

struct OpEntry {
  std::string_view name;
  Compiled (*compile)(const StepView&);
};

std::span<const OpEntry> linear_entries();
std::span<const OpEntry> elementwise_entries();
std::span<const OpEntry> norm_entries();
std::span<const OpEntry> embedding_entries();
std::span<const OpEntry> attention_entries();
std::span<const OpEntry> expert_entries();
std::span<const OpEntry> loss_entries();
std::span<const OpEntry> optimizer_entries();
std::span<const OpEntry> state_entries();
std::span<const OpEntry> collective_entries();

// Which of an op's inputs are weight matrices that may come packed: [first, last).
std::pair<int, int> weight_inputs(std::string_view op, size_t inputs);

// Whether weights of this type are packed by kernels/quant_linear.h, and are of no use plain.
bool is_quantized(DType type);

}  // namespace propane::cpu
