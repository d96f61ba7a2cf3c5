#include "backends/cpu/cpu_device.h"

#include <unistd.h>

#include <unordered_map>

#include "backends/cpu/kernels/gemm.h"
#include "backends/cpu/kernels/quant_linear.h"
#include "backends/cpu/kernels/select.h"
#include "backends/cpu/ops/op.h"
#include "base/error.h"

namespace propane {

namespace {

using cpu::Compiled;
using cpu::Memory;

class CpuExecutable : public Executable {
 public:
  std::vector<Compiled> steps;
};

class CpuRequest : public Request {
 public:
  CpuRequest(std::shared_ptr<Executable> from, std::span<const Span> places, Span scratch_place)
      : executable(std::static_pointer_cast<CpuExecutable>(std::move(from))) {
    for (const Span& place : places) slots.push_back(place.host());
    if (executable->scratch_bytes > 0) scratch = {scratch_place.host(), executable->scratch_bytes};
  }
  std::shared_ptr<CpuExecutable> executable;
  std::vector<std::byte*> slots;
  std::span<std::byte> scratch;
};

const std::unordered_map<std::string_view, Compiled (*)(const cpu::StepView&)>& entries() {
  static const auto table = [] {
    std::unordered_map<std::string_view, Compiled (*)(const cpu::StepView&)> map;
    for (auto family : {cpu::linear_entries(), cpu::elementwise_entries(), cpu::norm_entries(),
                        cpu::embedding_entries(), cpu::attention_entries(), cpu::expert_entries(), cpu::loss_entries(),
                        cpu::optimizer_entries(), cpu::state_entries(), cpu::collective_entries()})
      for (const cpu::OpEntry& entry : family) map.emplace(entry.name, entry.compile);
    return map;
  }();
  return table;
}

// Tables and their moments may be bf16; hyper-parameters are f64; indices i32; weights of products, and tables, may be
// quantized; all else is float32.
bool takes_type(const Node& node, size_t input, DType dtype) {
  switch (dtype) {
    case DType::f32:
    case DType::i32:
    case DType::f64: return true;
    case DType::bf16:
      if (node.op->name == "adamw" || node.op->name == "cast") return true;
      [[fallthrough]];
    default: {
      if (!cpu::is_quantized(dtype)) return false;
      if (node.op->name == "embedding") return input == 0;
      const auto [first, last] = cpu::weight_inputs(node.op->name, node.inputs.size());
      return node.op->name != "head_loss" && static_cast<int>(input) >= first && static_cast<int>(input) < last;
    }
  }
}

// A call is either of plain weights or of quantized ones.
bool weights_are_of_one_kind(const Graph& graph, const Node& node) {
  const auto [first, last] = cpu::weight_inputs(node.op->name, node.inputs.size());
  for (int i = first; i < last; ++i)
    if (cpu::is_quantized(graph.type(node.inputs[static_cast<size_t>(i)]).dtype) !=
        cpu::is_quantized(graph.type(node.inputs[static_cast<size_t>(first)]).dtype))
      return false;
  return true;
}

// Ops whose f64 operands are scalars by contract.
bool takes_f64(const Graph& graph, Val v) { return graph.shape(v).count() <= 8; }

class CpuDevice : public HostDevice {
 public:
  explicit CpuDevice(std::shared_ptr<Communicator> ranks) : ranks_(ranks ? std::move(ranks) : alone()) {
    info_.name = "cpu";
    info_.memory_bytes = static_cast<int64_t>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGESIZE);
  }

  const DeviceInfo& info() const override { return info_; }

  bool takes(const Graph& graph, const Node& node) const override {
    if (!entries().count(node.op->name)) return false;
    const auto takes_value = [&](size_t input, Val v) {
      if (!v) return true;
      const DType dtype = graph.type(v).dtype;
      return takes_type(node, input, dtype) && (dtype != DType::f64 || takes_f64(graph, v));
    };
    for (size_t i = 0; i < node.inputs.size(); ++i)
      if (!takes_value(i, node.inputs[i])) return false;
    for (Val v : node.outputs)
      if (!takes_value(SIZE_MAX, v)) return false;
    return weights_are_of_one_kind(graph, node);
  }

  void prepare(const WeightLayout&, const Type& type, const void* source, Span destination) override {
    const int64_t out = type.shape[0], in = type.shape[1];
    if (cpu::is_quantized(type.dtype)) return cpu::pack_quant_weight(type.dtype, out, in, source, destination.host());
    cpu::pack_weight(static_cast<const float*>(source), in, out, in, reinterpret_cast<float*>(destination.host()));
  }

  std::unique_ptr<Request> bind(std::shared_ptr<Executable> executable, std::span<const Span> slots,
                                Span scratch) override {
    return std::make_unique<CpuRequest>(std::move(executable), slots, scratch);
  }

  void submit(Request& request) override {
    auto& r = static_cast<CpuRequest&>(request);
    const Memory memory{r.slots.data(), r.scratch};
    for (const Compiled& step : r.executable->steps) step.run(memory);
  }

 protected:
  std::shared_ptr<Executable> compile(const Segment& segment) override {
    auto executable = std::make_shared<CpuExecutable>();
    const std::vector<bool> packed = packed_weights(segment);
    executable->layouts.resize(segment.slots.size());
    for (size_t slot = 0; slot < segment.slots.size(); ++slot) {
      if (!packed[slot]) continue;
      const auto& [dtype, w] = segment.slots[slot].type;
      if (cpu::is_quantized(dtype)) executable->layouts[slot] = {"blocks", cpu::packed_quant_bytes(dtype, w[0], w[1])};
      else
        executable->layouts[slot] = {fmt::format("panels.{}", cpu::name(cpu::selected_target())),
                                     cpu::packed_weight_bytes(w[0], w[1])};
    }
    for (const Segment::Step& step : segment.steps) {
      if (step.op->is_view) continue;
      const auto found = entries().find(step.op->name);
      if (found == entries().end()) fail("cpu: the op '{}' is not known", step.op->name);
      executable->steps.push_back(found->second({segment, step, packed, *ranks_}));
      executable->scratch_bytes = std::max(executable->scratch_bytes, executable->steps.back().scratch_bytes);
    }
    return executable;
  }

 private:
  // Weights that this segment reads only as matrices of linear ops.
  static std::vector<bool> packed_weights(const Segment& segment) {
    std::vector<bool> packed(segment.slots.size());
    for (size_t slot = 0; slot < packed.size(); ++slot)
      packed[slot] =
          segment.slots[slot].weight &&
          (segment.slots[slot].type.dtype == DType::f32 || cpu::is_quantized(segment.slots[slot].type.dtype)) &&
          segment.slots[slot].type.shape.rank() == 2;
    for (const Segment::Step& step : segment.steps) {
      const auto [first, last] = cpu::weight_inputs(step.op->name, step.inputs.size());
      for (int i = 0; i < static_cast<int>(step.inputs.size()); ++i) {
        const int slot = step.inputs[static_cast<size_t>(i)];
        if (slot >= 0 && (i < first || i >= last)) packed[static_cast<size_t>(slot)] = false;
      }
    }
    return packed;
  }

  DeviceInfo info_;
  std::shared_ptr<Communicator> ranks_;
};

}  // namespace

std::shared_ptr<Device> make_cpu_device(std::shared_ptr<Communicator> ranks) {
  return std::make_shared<CpuDevice>(std::move(ranks));
}

}  // namespace propane
