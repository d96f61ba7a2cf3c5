// Running small graphs on a device, straight on graph/device.h: what the tests of every backend share.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backends/ref/storage.h"
#include "base/error.h"
#include "base/random.h"
#include "graph/autodiff.h"
#include "graph/device.h"
#include "graph/graph.h"
#include "graph/op.h"
#include "graph/ops.h"

namespace propane::op_testing {

// A tensor: its type in memory, and its elements as doubles (i32 included).
struct Values {
  Type type;
  std::vector<double> data;

  std::vector<std::byte> encode() const {
    std::vector<std::byte> bytes(type.bytes());
    ref::store(type.dtype, data.data(), bytes.data(), type.shape.count());
    return bytes;
  }
  static Values decode(const Type& type, const std::vector<std::byte>& bytes) {
    Values out{type, std::vector<double>(static_cast<size_t>(type.shape.count()))};
    ref::load(type.dtype, bytes.data(), out.data.data(), type.shape.count());
    return out;
  }
};
using Tensors = std::map<std::string, Values>;

struct RunOptions {
  bool share = false;            // an output takes the memory of a dead operand wherever OpDef::may_share allows
  bool prepare_weights = false;  // state that the graph only reads goes in the device's own layout
};

// A graph compiled as one segment on one device. Every value has memory of its own between two guard blocks, filled
// with NaN bits before each run, so that an element that is not written and a write out of bounds both show.
class GraphRunner {
 public:
  GraphRunner(Device& device, const Graph& graph, RunOptions options = {}) : device_(device), graph_(graph) {
    find_roots(options);
    Segment segment;
    std::map<int, int> slot_of;
    std::vector<Val> slot_values;
    auto slot = [&](Val v) {
      if (!v) return -1;
      const auto [found, fresh] = slot_of.emplace(v.id, static_cast<int>(segment.slots.size()));
      if (fresh) {
        const bool weight = options.prepare_weights && graph_.is_state(v) && !is_written(v);
        segment.slots.push_back({graph_.type(v), weight});
        slot_values.push_back(v);
      }
      return found->second;
    };
    for (const Node& node : graph_.nodes()) {
      if (!node.op->is_view && !device_.takes(graph_, node))
        fail("{} does not take the op '{}' {}", device_.info().name, node.op->name, node.attrs.str());
      Segment::Step step{node.op, node.attrs, {}, {}};
      for (Val v : node.inputs) step.inputs.push_back(slot(v));
      for (Val v : node.outputs) step.outputs.push_back(slot(v));
      segment.steps.push_back(std::move(step));
    }
    const auto executable = device_.executable(segment);
    std::vector<Span> spans;
    for (size_t i = 0; i < slot_values.size(); ++i) {
      const WeightLayout& layout = executable->layouts[i];
      spans.push_back(layout.name.empty() ? place(slot_values[i]) : prepared(slot_values[i], layout));
    }
    for (const auto& [name, v] : graph_.outputs()) place(v);  // an input may be an output that no node touches
    scratch_ = device_.allocate(std::max<size_t>(executable->scratch_bytes, 1));
    request_ = device_.bind(executable, spans, {scratch_.get(), 0});
  }

  // Sets every input and state of the graph and runs it; returns its outputs and, by their own names, the state it
  // wrote. Throws Error where a value is missing or a guard block was overwritten.
  Tensors run(const Tensors& values) {
    for (auto& [root, memory] : memories_) fill(memory);
    for (auto& [root, memory] : memories_) {
      const Value& value = graph_.value({root});
      if (value.role == Role::computed) continue;
      const auto found = values.find(value.name);
      if (found == values.end()) fail("no value was given for '{}'", value.name);
      upload(memory, found->second.encode());
    }
    for (auto& [id, weight] : weights_) {
      const auto bytes = values.at(graph_.value({id}).name).encode();
      device_.prepare(weight.layout, graph_.type({id}), bytes.data(), {weight.buffer.get(), 0});
    }
    device_.submit(*request_);
    device_.wait();
    for (auto& [root, memory] : memories_) check_guards(memory, root);

    Tensors out;
    for (const auto& [name, v] : graph_.outputs()) out[name] = read(v);
    for (const Node& node : graph_.nodes())
      for (size_t i = 0; i < node.inputs.size(); ++i)
        if (node.inputs[i] && writes_input(node, static_cast<int>(i)))
          out[graph_.value(node.inputs[i]).name] = read(node.inputs[i]);
    return out;
  }

 private:
  static constexpr size_t kGuard = 64;
  struct Memory {
    std::shared_ptr<Buffer> buffer;
    size_t bytes;
  };
  struct Prepared {
    std::shared_ptr<Buffer> buffer;
    WeightLayout layout;
  };

  bool is_written(Val v) const {
    for (const Node& node : graph_.nodes())
      for (size_t i = 0; i < node.inputs.size(); ++i)
        if (node.inputs[i] == v && writes_input(node, static_cast<int>(i))) return true;
    return false;
  }

  // Which values share memory: views always, others where they may and the operand dies.
  void find_roots(const RunOptions& options) {
    for (size_t i = 0; i < graph_.value_count(); ++i) root_.push_back(static_cast<int>(i));
    std::vector<int> last(root_.size(), -1);
    auto root = [&](Val v) -> int& { return root_[static_cast<size_t>(v.id)]; };
    auto last_use = [&](int r) -> int& { return last[static_cast<size_t>(r)]; };
    const int n = static_cast<int>(graph_.nodes().size());
    for (int i = 0; i < n; ++i) {
      const Node& node = graph_.nodes()[static_cast<size_t>(i)];
      if (node.op->is_view) root(node.outputs[0]) = root(node.inputs[0]);
      for (Val v : node.inputs)
        if (v) last_use(root(v)) = i;
    }
    for (const auto& [name, v] : graph_.outputs()) last_use(root(v)) = n;
    if (!options.share) return;
    for (int i = 0; i < n; ++i) {
      const Node& node = graph_.nodes()[static_cast<size_t>(i)];
      for (const auto& [output, input] : node.op->may_share) {
        if (static_cast<size_t>(output) >= node.outputs.size() || static_cast<size_t>(input) >= node.inputs.size())
          continue;
        const Val to = node.outputs[static_cast<size_t>(output)], from = node.inputs[static_cast<size_t>(input)];
        if (!from || root(to) != to.id || graph_.value({root(from)}).role == Role::state) continue;
        const auto readers =
            std::count_if(node.inputs.begin(), node.inputs.end(), [&](Val v) { return v && root(v) == root(from); });
        if (readers != 1 || last_use(root(from)) != i || graph_.type(from).bytes() != graph_.type(to).bytes()) continue;
        last_use(root(from)) = std::max(i, last_use(to.id));
        for (int& r : root_)
          if (r == to.id) r = root(from);
      }
    }
  }

  Span place(Val v) {
    const int r = root_[static_cast<size_t>(v.id)];
    auto& memory = memories_[r];
    if (!memory.buffer) {
      memory.bytes = graph_.type({r}).bytes();
      memory.buffer = device_.allocate(memory.bytes + 2 * kGuard);
    }
    return {memory.buffer.get(), kGuard};
  }
  Span prepared(Val v, const WeightLayout& layout) {
    auto& weight = weights_[v.id];
    weight = {device_.allocate(layout.bytes), layout};
    return {weight.buffer.get(), 0};
  }

  void fill(Memory& memory) {
    const std::vector<std::byte> ones(memory.bytes + 2 * kGuard, std::byte{0xff});
    device_.upload({memory.buffer.get(), 0}, ones.data(), ones.size());
  }
  void upload(Memory& memory, const std::vector<std::byte>& bytes) {
    if (bytes.size() != memory.bytes) fail("expected {} bytes, found {}", memory.bytes, bytes.size());
    device_.upload({memory.buffer.get(), kGuard}, bytes.data(), bytes.size());
  }
  void check_guards(const Memory& memory, int root) {
    std::vector<std::byte> bytes(memory.bytes + 2 * kGuard);
    device_.download(bytes.data(), {memory.buffer.get(), 0}, bytes.size());
    auto untouched = [](std::byte b) { return b == std::byte{0xff}; };
    if (!std::all_of(bytes.begin(), bytes.begin() + kGuard, untouched) ||
        !std::all_of(bytes.end() - kGuard, bytes.end(), untouched))
      fail("the memory around %{} {} was written", root, graph_.type({root}).str());
  }
  Values read(Val v) {
    const Type& type = graph_.type(v);
    std::vector<std::byte> bytes(type.bytes());
    device_.download(bytes.data(), place(v), bytes.size());
    return Values::decode(type, bytes);
  }

  Device& device_;
  Graph graph_;
  std::vector<int> root_;
  std::map<int, Memory> memories_;
  std::map<int, Prepared> weights_;
  std::shared_ptr<Buffer> scratch_;
  std::unique_ptr<Request> request_;
};

inline Tensors run_graph(Device& device, const Graph& graph, const Tensors& values, RunOptions options = {}) {
  return GraphRunner(device, graph, options).run(values);
}

// A graph under construction together with the values of its inputs and state; the same name and `stream` give the same
// values. Floats are of the builder's type unless said otherwise.
class CaseBuilder {
 public:
  explicit CaseBuilder(DType float_type, std::string stream_name = {})
      : dtype(float_type), stream_(std::move(stream_name)) {}

  Val input(const std::string& name, Shape shape, double deviation = 1.0) {
    return put(name, {dtype, shape}, Role::input, normal(name, shape, deviation));
  }
  Val weight(const std::string& name, Shape shape, double deviation = 1.0) {
    return state(name, {dtype, shape}, normal(name, shape, deviation));
  }
  Val state(const std::string& name, Type type, std::vector<double> data) {
    return put(name, std::move(type), Role::state, std::move(data));
  }
  Val given(const std::string& name, Type type, std::vector<double> data) {
    return put(name, std::move(type), Role::input, std::move(data));
  }
  Val index(const std::string& name, Shape shape, std::vector<double> data) {
    return given(name, {DType::i32, shape}, std::move(data));
  }
  // What varies per run and is never rounded: hyper-parameters, norms.
  Val scalars(const std::string& name, std::vector<double> data) {
    const auto n = static_cast<int64_t>(data.size());
    return given(name, {DType::f64, {n}}, std::move(data));
  }
  void output(const std::string& name, Val v) { graph.output(name, v); }

  std::vector<double> normal(const std::string& name, const Shape& shape, double deviation) const {
    const Random random(7, stream_id(stream_ + "/" + name));
    std::vector<double> data(static_cast<size_t>(shape.count()));
    for (size_t i = 0; i < data.size(); ++i) data[i] = deviation * random.normal(i);
    return data;
  }
  Tensors run(Device& device, RunOptions options = {}) const { return run_graph(device, graph, values, options); }

  Graph graph;
  Tensors values;  // as the types in memory hold them
  DType dtype;

 private:
  Val put(const std::string& name, Type type, Role role, std::vector<double> data) {
    const Values exact{type, std::move(data)};
    if (static_cast<int64_t>(exact.data.size()) != type.shape.count())
      fail("'{}' is {}, {} elements were given", name, type.str(), exact.data.size());
    values[name] = Values::decode(type, exact.encode());
    return role == Role::input ? graph.input(name, type) : graph.state(name, type);
  }

  std::string stream_;
};

// A small graph around one op.
struct OpCase {
  std::string name;  // "attention_window", a test's name
  std::function<void(CaseBuilder&)> build;

  CaseBuilder built(DType dtype) const {
    CaseBuilder b(dtype, name);
    build(b);
    return b;
  }
};
inline void PrintTo(const OpCase& op_case, std::ostream* out) { *out << op_case.name; }

// Whether gradients pass every node.
inline bool has_gradients(const Graph& graph) {
  return std::all_of(graph.nodes().begin(), graph.nodes().end(), [](const Node& n) {
    const bool inference_only = n.op->name == "attention" && (n.inputs.size() > 6 || n.attrs.has("softcap"));
    return n.op->gradient != nullptr && !inference_only;
  });
}

// Appends the gradient of every float input and state of the builder's type, as an output "grad_<name>", for seeds that
// are new inputs "d_<output>". An input that nothing depends on has no output.
inline void add_gradients(CaseBuilder& b) {
  std::vector<Seed> seeds;
  const auto outputs = b.graph.outputs();
  for (const auto& [name, v] : outputs) {
    const Type type = b.graph.type(v);
    if (is_float(type.dtype)) seeds.push_back({v, b.given("d_" + name, type, b.normal("d_" + name, type.shape, 1.0))});
  }
  std::vector<std::string> names;
  std::vector<Val> wanted;
  for (const auto& [name, value] : b.values) {
    const Val v = b.graph.find(name);
    if (value.type.dtype != b.dtype || name.starts_with("d_")) continue;
    names.push_back(name);
    wanted.push_back(v);
  }
  const auto parts = gradients(b.graph, seeds, wanted);
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (parts[i].empty()) continue;
    Val total = parts[i][0];
    for (size_t k = 1; k < parts[i].size(); ++k) total = add(b.graph, total, parts[i][k]);
    b.output("grad_" + names[i], total);
  }
}

// ‖a − b‖ / ‖b‖ (‖a‖ where b is zero); infinite where shapes differ or exactly one of two elements is finite or they
// are different infinities.
inline double relative_error(const Values& a, const Values& b) {
  if (!(a.type.shape == b.type.shape)) return std::numeric_limits<double>::infinity();
  double difference = 0.0, size = 0.0;
  for (size_t i = 0; i < b.data.size(); ++i) {
    if (a.data[i] == b.data[i] || (std::isnan(a.data[i]) && std::isnan(b.data[i]))) {
      size += std::isfinite(b.data[i]) ? b.data[i] * b.data[i] : 0.0;
      continue;
    }
    if (!std::isfinite(a.data[i]) || !std::isfinite(b.data[i])) return std::numeric_limits<double>::infinity();
    difference += (a.data[i] - b.data[i]) * (a.data[i] - b.data[i]);
    size += b.data[i] * b.data[i];
  }
  return difference == 0.0 ? 0.0 : std::sqrt(difference / (size == 0.0 ? 1.0 : size));
}

// Every tensor of `expected` is in `actual`, and within the error.
inline void expect_close(const Tensors& actual, const Tensors& expected, double tolerance) {
  for (const auto& [name, values] : expected) {
    ASSERT_TRUE(actual.count(name)) << name;
    EXPECT_LE(relative_error(actual.at(name), values), tolerance) << name;
  }
}

// Holds the gradients of the case, as autodiff makes them, to central differences of Σ d_output·output in double. The
// five-point stencil with this step is exact to about 1e-12 on functions of unit scale; `tolerance` is relative to the
// larger of 1 and the largest element of that gradient.
inline void expect_gradients_match(Device& device, const OpCase& op_case, double tolerance = 1e-8) {
  CaseBuilder with = op_case.built(DType::f64);
  const CaseBuilder forward = with;
  add_gradients(with);
  const Tensors analytic = with.run(device);
  GraphRunner runner(device, forward.graph);
  Tensors point = forward.values;
  auto loss = [&] {
    double sum = 0.0;
    for (const auto& [name, values] : runner.run(point)) {
      const auto seed = with.values.find("d_" + name);
      if (seed == with.values.end()) continue;
      for (size_t i = 0; i < values.data.size(); ++i) sum += seed->second.data[i] * values.data[i];
    }
    return sum;
  };
  int checked = 0;
  for (auto& [name, values] : point) {
    if (values.type.dtype != DType::f64) continue;
    const auto gradient = analytic.find("grad_" + name);
    double largest = 1.0;
    if (gradient != analytic.end())
      for (double g : gradient->second.data) largest = std::max(largest, std::fabs(g));
    for (size_t i = 0; i < values.data.size(); ++i) {
      constexpr double kStep = 1e-3;
      const double x = values.data[i];
      auto at = [&](double offset) {
        values.data[i] = x + offset * kStep;
        return loss();
      };
      const double numerical = (at(-2) - 8 * at(-1) + 8 * at(1) - at(2)) / (12 * kStep);
      values.data[i] = x;
      const double found = gradient == analytic.end() ? 0.0 : gradient->second.data[i];
      ASSERT_NEAR(found, numerical, tolerance * largest) << op_case.name << ": " << name << "[" << i << "]";
      ++checked;
    }
  }
  EXPECT_GT(checked, 0) << op_case.name << " has nothing to differentiate by";
}

}  // namespace propane::op_testing
