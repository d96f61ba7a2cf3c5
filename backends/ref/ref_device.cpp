#include "backends/ref/ref_device.h"

#include <algorithm>
#include <unordered_map>

#include "backends/ref/kernels.h"
#include "backends/ref/storage.h"
#include "base/error.h"
#include "graph/op.h"

namespace propane {

namespace ref {

const RefOp* find_ref_op(std::string_view name) {
  static const std::unordered_map<std::string_view, const RefOp*> by_name = [] {
    std::unordered_map<std::string_view, const RefOp*> map;
    for (auto family : {linear_ops(), elementwise_ops(), norm_ops(), embedding_ops(), attention_ops(), expert_ops(),
                        loss_ops(), optimizer_ops(), state_ops(), collective_ops()})
      for (const RefOp& op : family) map.emplace(op.name, &op);
    return map;
  }();
  const auto found = by_name.find(name);
  return found == by_name.end() ? nullptr : found->second;
}

}  // namespace ref

namespace {

using ref::Kernel;
using ref::Tensor;

// A step of a segment as a small graph of doubles, every value of it a register: operands are loaded, the nodes run one
// after the other, results are stored. A plain op is one node; a fused op is its expansion.
struct Compiled {
  struct Operand {
    int slot;
    DType dtype;  // in memory
    Val value;
  };
  Graph graph;
  std::vector<Kernel> kernels;  // one a node
  std::vector<Operand> loads, stores;

  size_t register_count() const {
    size_t n = 0;
    for (size_t i = 0; i < graph.value_count(); ++i)
      n += static_cast<size_t>(graph.shape({static_cast<int>(i)}).count());
    return n;
  }
};

Compiled compile_step(const Segment& segment, const Segment::Step& step) {
  const ref::RefOp* op = ref::find_ref_op(step.op->name);
  if (!op) fail("the reference device has no op '{}'", step.op->name);
  Compiled out;
  Node node{step.op, step.attrs, {}, {}, {}, {}};
  for (int slot : step.inputs) {
    if (slot < 0) {
      node.inputs.push_back({});
      continue;
    }
    Type type = segment.slots[static_cast<size_t>(slot)].type;
    const DType stored = type.dtype;
    if (is_float(stored) || is_block(stored)) type.dtype = DType::f64;
    node.inputs.push_back(out.graph.new_value(type, Role::input));
    out.loads.push_back({slot, stored, node.inputs.back()});
  }
  node.outputs = op->kernel ? out.graph.add(step.op->name, node.inputs, step.attrs)
                            : op->expansion(out.graph, step.attrs, node.inputs);
  for (const Node& plain : out.graph.nodes()) out.kernels.push_back(ref::find_ref_op(plain.op->name)->kernel);

  for (size_t i = 0; i < step.outputs.size(); ++i) {
    const int slot = step.outputs[i];
    if (slot >= 0) out.stores.push_back({slot, segment.slots[static_cast<size_t>(slot)].type.dtype, node.outputs[i]});
  }
  for (size_t i = 0; i < step.inputs.size(); ++i)
    if (step.inputs[i] >= 0 && writes_input(node, static_cast<int>(i)))
      out.stores.push_back(
          {step.inputs[i], segment.slots[static_cast<size_t>(step.inputs[i])].type.dtype, node.inputs[i]});
  return out;
}

class RefExecutable : public Executable {
 public:
  explicit RefExecutable(const Segment& segment) {
    for (const Segment::Step& step : segment.steps) {
      if (step.op->is_view) continue;  // its output is its input's memory
      steps.push_back(compile_step(segment, step));
      scratch_bytes = std::max(scratch_bytes, steps.back().register_count() * sizeof(double));
    }
  }
  std::vector<Compiled> steps;
};

// A compiled step with its memory: the registers of every step are the same scratch.
class BoundStep {
 public:
  BoundStep(const Compiled& step, std::span<const Span> slots, double* scratch) {
    std::vector<Tensor> registers;
    for (size_t i = 0; i < step.graph.value_count(); ++i) {
      registers.push_back({step.graph.shape({static_cast<int>(i)}), scratch});
      scratch += registers.back().count();
    }
    auto tensor = [&](Val v) { return v ? registers[static_cast<size_t>(v.id)] : Tensor{}; };
    for (const auto& [slot, dtype, value] : step.loads)
      loads_.push_back({slots[static_cast<size_t>(slot)].host(), dtype, tensor(value)});
    for (const auto& [slot, dtype, value] : step.stores)
      stores_.push_back({slots[static_cast<size_t>(slot)].host(), dtype, tensor(value)});
    for (size_t i = 0; i < step.kernels.size(); ++i) {
      const Node& node = step.graph.nodes()[i];
      Call call{step.kernels[i], &node.attrs, {}, {}};
      for (Val v : node.inputs) call.inputs.push_back(tensor(v));
      for (Val v : node.outputs) call.outputs.push_back(tensor(v));
      calls_.push_back(std::move(call));
    }
  }

  void run(Communicator& ranks) const {
    for (const auto& [memory, dtype, tensor] : loads_) ref::load(dtype, memory, tensor.data, tensor.count());
    for (const Call& call : calls_) call.kernel({*call.attrs, call.inputs, call.outputs, ranks});
    for (const auto& [memory, dtype, tensor] : stores_) ref::store(dtype, tensor.data, memory, tensor.count());
  }

 private:
  struct Transfer {
    std::byte* memory;
    DType dtype;
    Tensor tensor;
  };
  struct Call {
    Kernel kernel;
    const Attrs* attrs;
    std::vector<Tensor> inputs, outputs;
  };
  std::vector<Transfer> loads_, stores_;
  std::vector<Call> calls_;
};

class RefRequest : public Request {
 public:
  RefRequest(std::shared_ptr<Executable> executable, std::span<const Span> slots, Span scratch)
      : executable_(std::move(executable)) {
    for (const Compiled& step : static_cast<RefExecutable&>(*executable_).steps)
      steps_.emplace_back(step, slots, reinterpret_cast<double*>(scratch.host()));
  }
  void run(Communicator& ranks) const {
    for (const BoundStep& step : steps_) step.run(ranks);
  }

 private:
  std::shared_ptr<Executable> executable_;  // owns the attributes
  std::vector<BoundStep> steps_;
};

class RefDevice : public HostDevice {
 public:
  explicit RefDevice(std::shared_ptr<Communicator> ranks) : ranks_(ranks ? std::move(ranks) : alone()) {
    info_.name = "ref";
  }

  const DeviceInfo& info() const override { return info_; }

  bool takes(const Graph& graph, const Node& node) const override {
    if (!node.op->is_view && !ref::find_ref_op(node.op->name)) return false;
    auto stored = [&](Val v) { return !v || ref::is_stored(graph.type(v).dtype); };
    return std::all_of(node.inputs.begin(), node.inputs.end(), stored) &&
           std::all_of(node.outputs.begin(), node.outputs.end(), stored);
  }

  std::unique_ptr<Request> bind(std::shared_ptr<Executable> executable, std::span<const Span> slots,
                                Span scratch) override {
    return std::make_unique<RefRequest>(std::move(executable), slots, scratch);
  }
  void submit(Request& request) override { static_cast<RefRequest&>(request).run(*ranks_); }

 protected:
  std::shared_ptr<Executable> compile(const Segment& segment) override {
    return std::make_shared<RefExecutable>(segment);
  }

 private:
  DeviceInfo info_;
  std::shared_ptr<Communicator> ranks_;
};

}  // namespace

std::shared_ptr<Device> make_ref_device(std::shared_ptr<Communicator> ranks) {
  return std::make_shared<RefDevice>(std::move(ranks));
}

}  // namespace propane
