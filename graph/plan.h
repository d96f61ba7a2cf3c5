// A graph on its devices, ready to run: segments compiled, memory laid out, requests bound. Running it allocates
// nothing.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "graph/device.h"
#include "graph/state.h"

namespace propane {

struct PlanOptions {
  std::vector<Device*> devices;  // by info().name; nodes without a device go to the first
  bool prepare_weights = false;  // let devices keep their own copies of state that the plan only reads (inference)
};

struct MemoryReport {
  size_t planned_bytes = 0;   // the arenas, scratch included
  size_t naive_bytes = 0;     // every intermediate value in memory of its own, scratch included
  size_t input_bytes = 0;     // per-run inputs
  size_t prepared_bytes = 0;  // weights in the devices' own layouts
};

class Plan {
 public:
  // State that is not there yet is made and zeroed. Throws Error when no device takes a node, or state would have to be
  // in two places.
  Plan(Graph graph, State& state, PlanOptions options);
  ~Plan();
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  // Sets a per-run input; it keeps its value until set again. Throws Error when the name is unknown or the size
  // differs.
  template <typename T>
  void set(const std::string& name, std::span<const T> values) {
    set_bytes(name, values.data(), values.size_bytes());
  }
  template <typename T>
  void set(const std::string& name, const std::vector<T>& values) {
    set_bytes(name, values.data(), values.size() * sizeof(T));
  }
  void set_scalar(const std::string& name, double value) { set_bytes(name, &value, sizeof value); }  // f64 [1]
  bool has_input(const std::string& name) const;

  // Re-prepares weights that changed since, runs every request, and returns when all devices are done.
  void run();

  // Reads an output of the last run.
  template <typename T>
  void read(const std::string& name, std::span<T> values) const {
    read_bytes(name, values.data(), values.size_bytes());
  }
  double read_scalar(const std::string& name) const;  // f64 [1]
  // An output in host memory, for devices that share it; valid until the next run. Throws Error otherwise.
  const void* host_output(const std::string& name) const;

  const Graph& graph() const { return graph_; }
  const MemoryReport& memory() const { return memory_; }
  int segment_count() const;
  // Every weight that some segment wants in a layout of its own: their plain forms may be released after the first run.
  std::vector<std::string> prepared_weights() const;

 private:
  struct Step;
  struct Compiled;
  struct Weight;

  void set_bytes(const std::string& name, const void* data, size_t bytes);
  void read_bytes(const std::string& name, void* data, size_t bytes) const;
  Device& device(const std::string& name) const;
  std::vector<Compiled> compile_segments();
  void assign_storage(std::vector<Compiled>& segments);
  void build_steps(std::vector<Compiled>& segments);
  Span place_of(Val v) const;
  Span slot_place(const Compiled& segment, size_t slot);

  Graph graph_;
  State& state_;
  PlanOptions options_;
  MemoryReport memory_;
  std::vector<Device*> value_device_;
  std::vector<int> root_;     // the value whose memory each value shares
  std::vector<Span> places_;  // by root
  std::map<Device*, std::shared_ptr<Buffer>> arenas_;
  std::vector<std::shared_ptr<Buffer>> input_buffers_;
  std::vector<std::unique_ptr<Step>> steps_;
  std::vector<Weight> weights_;
  std::vector<State::Tensor*> written_;
  std::vector<std::byte> staging_;  // for transfers between devices that the host cannot both reach
};

}  // namespace propane
