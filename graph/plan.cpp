#include "graph/plan.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "base/error.h"
#include "graph/op.h"
#include "graph/passes/passes.h"

namespace propane {

// Either a request of one device, or a copy from one device to another.
struct Plan::Step {
  Device* device = nullptr;
  std::unique_ptr<Request> request;
  Device* from_device = nullptr;
  Span from, to;
  size_t bytes = 0;
};

// Consecutive nodes of one device and scope, compiled.
struct Plan::Compiled {
  int begin, end;  // nodes [begin, end)
  Device* device;
  std::shared_ptr<Executable> executable;
  std::vector<Val> slot_values;
  Span scratch;
};

// A weight that a device wants in its own layout.
struct Plan::Weight {
  State::Tensor* tensor;
  State::Prepared* prepared;
  WeightLayout layout;
  std::string name;
  Device* device;
};

namespace {

size_t index(Val v) { return static_cast<size_t>(v.id); }

}  // namespace

Plan::Plan(Graph graph, State& state, PlanOptions options)
    : graph_(std::move(graph)), state_(state), options_(std::move(options)) {
  if (options_.devices.empty()) fail("a plan needs at least one device");
  for (Node& node : graph_.nodes())
    if (node.device.empty()) node.device = options_.devices[0]->info().name;
  std::vector<Compiled> segments = compile_segments();
  assign_storage(segments);
  build_steps(segments);
}

Plan::~Plan() = default;

Device& Plan::device(const std::string& name) const {
  for (Device* d : options_.devices)
    if (d->info().name == name) return *d;
  fail("the plan has no device named '{}'", name);
}

// Decides which values share memory and where each is: state in its tensor, inputs in buffers of their own, the rest in
// one arena a device, where a segment's working memory has its place from its first node to its last.
void Plan::assign_storage(std::vector<Compiled>& segments) {
  const auto& nodes = graph_.nodes();
  const int n = static_cast<int>(nodes.size());
  value_device_.assign(graph_.value_count(), nullptr);
  root_.resize(graph_.value_count());
  for (size_t i = 0; i < root_.size(); ++i) root_[i] = static_cast<int>(i);

  // Where values live. A transfer reads from wherever its operand is.
  for (const Node& node : nodes) {
    Device& d = device(node.device);
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const Val v = node.inputs[i];
      if (!v) continue;
      Device*& home = value_device_[index(v)];
      if (!home && node.op->name != "transfer") home = &d;
      if (writes_input(node, static_cast<int>(i)) && !graph_.is_state(v))
        fail("{}: input {} is updated in place and must be state", node.op->name, i);
    }
    for (Val v : node.outputs) value_device_[index(v)] = &d;
  }
  for (const Node& node : nodes)
    for (Val v : node.inputs) {
      if (!v) continue;
      if (!value_device_[index(v)]) value_device_[index(v)] = options_.devices[0];
      if (node.op->name != "transfer" && value_device_[index(v)]->info().name != node.device)
        fail("{} on {} reads a value that lives on {}: the graph must go through the placement pass first",
             node.op->name, node.device, value_device_[index(v)]->info().name);
    }

  for (const Node& node : nodes)
    if (node.op->is_view) root_[index(node.outputs[0])] = root_[index(node.inputs[0])];

  std::vector<int> first(root_.size(), n), last(root_.size(), -1);
  auto touch = [&](Val v, int when) {
    const size_t r = static_cast<size_t>(root_[index(v)]);
    first[r] = std::min(first[r], when);
    last[r] = std::max(last[r], when);
  };
  for (int i = 0; i < n; ++i) {
    for (Val v : nodes[static_cast<size_t>(i)].inputs)
      if (v) touch(v, i);
    for (Val v : nodes[static_cast<size_t>(i)].outputs) touch(v, i);
  }
  for (const auto& [name, v] : graph_.outputs()) touch(v, n);

  // An output takes over the memory of an input that dies at the node, where the op allows it.
  for (int i = 0; i < n; ++i) {
    const Node& node = nodes[static_cast<size_t>(i)];
    std::set<int> taken;
    for (const auto& [output, input] : node.op->may_share) {
      if (static_cast<size_t>(output) >= node.outputs.size() || static_cast<size_t>(input) >= node.inputs.size())
        continue;
      const Val from = node.inputs[static_cast<size_t>(input)], to = node.outputs[static_cast<size_t>(output)];
      if (!from || root_[index(to)] != to.id || taken.count(output)) continue;
      const int r = root_[index(from)];
      const auto same_root =
          std::count_if(node.inputs.begin(), node.inputs.end(), [&](Val v) { return v && root_[index(v)] == r; });
      const bool computed = graph_.value({r}).role == Role::computed;
      if (!computed || same_root != 1 || last[static_cast<size_t>(r)] != i ||
          graph_.type({r}).bytes() != graph_.type(to).bytes())
        continue;
      taken.insert(output);
      last[static_cast<size_t>(r)] = std::max(last[static_cast<size_t>(r)], last[index(to)]);
      for (int& other : root_)
        if (other == to.id) other = r;
    }
  }

  std::map<Device*, std::vector<std::pair<int, Lifetime>>> blocks;
  places_.resize(root_.size());
  std::set<int> seen;
  auto add_value = [&](Val v) {
    const int r = root_[index(v)];
    if (!seen.insert(r).second) return;
    const Value& value = graph_.value({r});
    Device* home = value_device_[static_cast<size_t>(r)];
    if (value.role == Role::state) {
      places_[static_cast<size_t>(r)] = {state_.get(value.name, value.type, *home).buffer.get(), 0};
    } else if (value.role == Role::input) {
      input_buffers_.push_back(home->allocate(value.type.bytes()));
      places_[static_cast<size_t>(r)] = {input_buffers_.back().get(), 0};
      memory_.input_bytes += value.type.bytes();
      if (input_buffers_.back()->host) std::memset(input_buffers_.back()->host, 0, value.type.bytes());
    } else {
      blocks[home].push_back({r, {value.type.bytes(), first[static_cast<size_t>(r)], last[static_cast<size_t>(r)]}});
    }
  };
  for (const Node& node : nodes) {
    for (Val v : node.inputs)
      if (v) add_value(v);
    for (Val v : node.outputs) {
      if (!node.op->is_view) memory_.naive_bytes += graph_.type(v).bytes();
      add_value(v);
    }
  }
  for (const auto& [name, v] : graph_.outputs())
    if (!seen.count(root_[index(v)])) fail("output '{}' is not made by any node", name);
  for (Device* home : options_.devices) {
    const auto& list = blocks[home];
    std::vector<Lifetime> lifetimes;
    for (const auto& [r, lifetime] : list) lifetimes.push_back(lifetime);
    size_t scratch_bytes = 0;
    for (const Compiled& segment : segments) {
      if (segment.device != home) continue;
      lifetimes.push_back({segment.executable->scratch_bytes, segment.begin, segment.end - 1});
      scratch_bytes = std::max(scratch_bytes, segment.executable->scratch_bytes);
    }
    const MemoryLayout layout = plan_memory(lifetimes);
    arenas_[home] = home->allocate(layout.bytes);
    memory_.planned_bytes += layout.bytes;
    memory_.naive_bytes += scratch_bytes;
    size_t block = 0;
    for (const auto& [r, lifetime] : list)
      places_[static_cast<size_t>(r)] = {arenas_[home].get(), layout.offsets[block++]};
    for (Compiled& segment : segments)
      if (segment.device == home) segment.scratch = {arenas_[home].get(), layout.offsets[block++]};
  }
}

Span Plan::place_of(Val v) const { return places_[static_cast<size_t>(root_[index(v)])]; }

// Cuts the nodes into segments of one device and scope and compiles them. A transfer is in none.
std::vector<Plan::Compiled> Plan::compile_segments() {
  const auto& nodes = graph_.nodes();
  std::set<int> written;
  for (const Node& node : nodes)
    for (size_t i = 0; i < node.inputs.size(); ++i)
      if (node.inputs[i] && writes_input(node, static_cast<int>(i))) written.insert(node.inputs[i].id);

  std::vector<Compiled> segments;
  for (size_t begin = 0; begin < nodes.size();) {
    const Node& head = nodes[begin];
    if (head.op->name == "transfer") {
      ++begin;
      continue;
    }
    size_t end = begin;
    while (end < nodes.size() && nodes[end].device == head.device && nodes[end].scope == head.scope &&
           nodes[end].op->name != "transfer")
      ++end;

    Compiled compiled{static_cast<int>(begin), static_cast<int>(end), &device(head.device), nullptr, {}, {}};
    Segment segment;
    std::map<int, int> slot_of;
    auto slot = [&](Val v) {
      if (!v) return -1;
      const auto [found, fresh] = slot_of.emplace(v.id, static_cast<int>(segment.slots.size()));
      if (fresh) {
        const bool weight = options_.prepare_weights && graph_.is_state(v) && !written.count(v.id);
        segment.slots.push_back({graph_.type(v), weight});
        compiled.slot_values.push_back(v);
      }
      return found->second;
    };
    for (size_t i = begin; i < end; ++i) {
      const Node& node = nodes[i];
      if (!node.op->is_view && !compiled.device->takes(graph_, node))
        fail("{} cannot run the op '{}' {} on {}", compiled.device->info().name, node.op->name, node.attrs.str(),
             node.inputs.empty() || !node.inputs[0] ? std::string("no input") : graph_.type(node.inputs[0]).str());
      Segment::Step item{node.op, node.attrs, {}, {}};
      for (Val v : node.inputs) item.inputs.push_back(slot(v));
      for (Val v : node.outputs) item.outputs.push_back(slot(v));
      segment.steps.push_back(std::move(item));
    }
    compiled.executable = compiled.device->executable(segment);
    segments.push_back(std::move(compiled));
    begin = end;
  }
  return segments;
}

// Where a slot's value is for this segment: a weight that its device wants in a layout of its own has a second place.
Span Plan::slot_place(const Compiled& segment, size_t slot) {
  const WeightLayout& layout = segment.executable->layouts[slot];
  const Val v = segment.slot_values[slot];
  if (layout.name.empty()) return place_of(v);
  const std::string& name = graph_.value(v).name;
  State::Tensor& tensor = state_.at(name);
  State::Prepared& prepared = tensor.prepared[layout.name];
  if (!prepared.buffer) prepared.buffer = segment.device->allocate(layout.bytes);
  const bool known =
      std::any_of(weights_.begin(), weights_.end(), [&](const Weight& w) { return w.prepared == &prepared; });
  if (!known) {
    weights_.push_back({&tensor, &prepared, layout, name, segment.device});
    memory_.prepared_bytes += layout.bytes;
  }
  return {prepared.buffer.get(), 0};
}

// Binds the segments, with the transfers between them.
void Plan::build_steps(std::vector<Compiled>& segments) {
  const auto& nodes = graph_.nodes();
  std::set<int> written;
  for (const Node& node : nodes)
    for (size_t i = 0; i < node.inputs.size(); ++i)
      if (node.inputs[i] && writes_input(node, static_cast<int>(i)) && written.insert(node.inputs[i].id).second)
        written_.push_back(state_.find(graph_.value(node.inputs[i]).name));

  size_t next = 0;
  for (size_t i = 0; i < nodes.size();) {
    auto step = std::make_unique<Step>();
    const Node& node = nodes[i];
    step->device = &device(node.device);
    if (node.op->name == "transfer") {
      step->from_device = value_device_[index(node.inputs[0])];
      step->from = place_of(node.inputs[0]);
      step->to = place_of(node.outputs[0]);
      step->bytes = graph_.type(node.inputs[0]).bytes();
      if (!step->from.buffer->host && !step->to.buffer->host) staging_.resize(std::max(staging_.size(), step->bytes));
      ++i;
    } else {
      Compiled& segment = segments[next++];
      std::vector<Span> slots;
      for (size_t s = 0; s < segment.slot_values.size(); ++s) slots.push_back(slot_place(segment, s));
      step->request = segment.device->bind(std::move(segment.executable), slots, segment.scratch);
      i = static_cast<size_t>(segment.end);
    }
    steps_.push_back(std::move(step));
  }
}

void Plan::run() {
  for (Weight& weight : weights_) {
    if (weight.prepared->version == weight.tensor->version) continue;
    if (!weight.tensor->buffer)
      fail("the plain form of weight '{}' has been given back and it cannot be prepared again", weight.name);
    Buffer& plain = *weight.tensor->buffer;
    if (plain.host) {
      weight.device->prepare(weight.layout, weight.tensor->type, plain.host, {weight.prepared->buffer.get(), 0});
      plain.evict();
    } else {
      std::vector<std::byte> copy(weight.tensor->type.bytes());
      weight.tensor->device->download(copy.data(), {&plain, 0}, copy.size());
      weight.device->prepare(weight.layout, weight.tensor->type, copy.data(), {weight.prepared->buffer.get(), 0});
    }
    weight.prepared->version = weight.tensor->version;
  }
  for (auto& step : steps_) {
    if (step->request) {
      step->device->submit(*step->request);
      continue;
    }
    step->from_device->wait();
    if (step->to.buffer->host) {
      step->from_device->download(step->to.host(), step->from, step->bytes);
    } else if (step->from.buffer->host) {
      step->device->upload(step->to, step->from.host(), step->bytes);
    } else {
      step->from_device->download(staging_.data(), step->from, step->bytes);
      step->device->upload(step->to, staging_.data(), step->bytes);
    }
  }
  for (Device* d : options_.devices) d->wait();
  for (State::Tensor* tensor : written_) ++tensor->version;
}

bool Plan::has_input(const std::string& name) const {
  const Val v = graph_.find(name);
  return v && graph_.value(v).role == Role::input && places_[index(v)].buffer;
}

void Plan::set_bytes(const std::string& name, const void* data, size_t bytes) {
  const Val v = graph_.find(name);
  if (!v || graph_.value(v).role != Role::input) fail("the plan has no per-run input named '{}'", name);
  if (bytes != graph_.type(v).bytes())
    fail("input '{}' is {}, {} bytes; {} were given", name, graph_.type(v).str(), graph_.type(v).bytes(), bytes);
  if (!places_[index(v)].buffer) return;  // no node reads it any more
  value_device_[index(v)]->upload(place_of(v), data, bytes);
}

void Plan::read_bytes(const std::string& name, void* data, size_t bytes) const {
  for (const auto& [known, v] : graph_.outputs()) {
    if (known != name) continue;
    if (bytes != graph_.type(v).bytes())
      fail("output '{}' is {}, {} bytes; {} were asked for", name, graph_.type(v).str(), graph_.type(v).bytes(), bytes);
    return value_device_[static_cast<size_t>(root_[index(v)])]->download(data, place_of(v), bytes);
  }
  fail("the plan has no output named '{}'", name);
}

double Plan::read_scalar(const std::string& name) const {
  double value = 0;
  read_bytes(name, &value, sizeof value);
  return value;
}

const void* Plan::host_output(const std::string& name) const {
  for (const auto& [known, v] : graph_.outputs()) {
    if (known != name) continue;
    const Span place = place_of(v);
    if (!place.buffer->host) fail("output '{}' is out of the host's reach", name);
    return place.host();
  }
  fail("the plan has no output named '{}'", name);
}

int Plan::segment_count() const {
  return static_cast<int>(
      std::count_if(steps_.begin(), steps_.end(), [](const auto& step) { return step->request != nullptr; }));
}

std::vector<std::string> Plan::prepared_weights() const {
  std::vector<std::string> names;
  for (const Weight& weight : weights_) names.push_back(weight.name);
  return names;
}

}  // namespace propane
