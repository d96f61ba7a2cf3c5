// The contract of a device: a compiler for graph segments and a queue for what it compiled.
//
//   takes(node)          which ops, types and shapes the device has
//   executable(segment)  compiles it, or returns what an equal segment compiled to
//   layout / prepare     a weight that a plan only reads, in the device's own order (repacked, staged or baked)
//   bind                 an executable with its buffers: a request that can be submitted again and again
//   submit, wait         run it; requests of one device run in the order of submission
//
// Nothing in submit or wait allocates. A device without unified memory copies in upload and download.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace propane {

struct DeviceInfo {
  std::string name;  // "cpu", "cuda:0", "ane:sim"
  bool simulated = false;
  std::string profile;  // of a simulated device, "M4"
  int64_t memory_bytes = 0;
};

// Nodes of one device and one scope over numbered slots: what a device compiles. Two layers of a model differ in their
// slots' buffers, not in their segment.
struct Segment {
  struct Slot {
    Type type;
    bool weight = false;  // state that nothing in the plan writes: may be prepared
  };
  struct Step {
    const OpDef* op;
    Attrs attrs;
    std::vector<int> inputs;  // slots; −1 for an optional input left out
    std::vector<int> outputs;
  };
  std::vector<Slot> slots;
  std::vector<Step> steps;

  // Equal keys mean equal structure: ops, attributes, types and which slot goes where.
  std::string key() const;
};

// How a device wants a weight: an empty name means as it is.
struct WeightLayout {
  std::string name;
  size_t bytes = 0;
};

class Executable {
 public:
  virtual ~Executable() = default;
  size_t scratch_bytes = 0;           // working memory that a request needs while it runs
  std::vector<WeightLayout> layouts;  // one a slot
};

class Request {
 public:
  virtual ~Request() = default;
};

// Memory of a device. `host` is null where the host cannot reach it.
class Buffer {
 public:
  virtual ~Buffer() = default;
  size_t bytes = 0;
  void* host = nullptr;

  // Nobody will read the content soon: memory that a file stands behind is given back to the system.
  virtual void evict() {}
};

// A place in a buffer.
struct Span {
  Buffer* buffer = nullptr;
  size_t offset = 0;
  std::byte* host() const { return static_cast<std::byte*>(buffer->host) + offset; }
};

class Device {
 public:
  virtual ~Device() = default;
  virtual const DeviceInfo& info() const = 0;

  // Whether the device can run this node (its graph gives the types).
  virtual bool takes(const Graph& graph, const Node& node) const = 0;

  // Compiles the segment, or hands out what a structurally equal one compiled to. Throws Error naming the op that
  // cannot be compiled.
  std::shared_ptr<Executable> executable(const Segment& segment);
  int compile_count() const { return compile_count_; }

  // Fills a prepared copy of a weight from host memory of its plain row-major form.
  virtual void prepare(const WeightLayout& layout, const Type& type, const void* source, Span destination);

  // Throws Error saying what was needed when there is no memory. The content is not defined.
  virtual std::shared_ptr<Buffer> allocate(size_t bytes) = 0;
  virtual void upload(Span to, const void* from, size_t bytes) = 0;
  virtual void download(void* to, Span from, size_t bytes) = 0;

  // One buffer place a slot, in the segment's order; `scratch` has the executable's scratch_bytes.
  virtual std::unique_ptr<Request> bind(std::shared_ptr<Executable> executable, std::span<const Span> slots,
                                        Span scratch) = 0;
  virtual void submit(Request& request) = 0;
  virtual void wait() = 0;  // for everything submitted

 protected:
  virtual std::shared_ptr<Executable> compile(const Segment& segment) = 0;

 private:
  std::map<std::string, std::shared_ptr<Executable>> compiled_;
  int compile_count_ = 0;
};

// Plain host memory, 64-byte aligned, for devices that compute on the host.
std::shared_ptr<Buffer> allocate_host(size_t bytes);

// Bytes of a mapped file as a buffer that is only read; `owner` keeps the mapping.
std::shared_ptr<Buffer> map_host(std::span<const std::byte> bytes, std::shared_ptr<const void> owner);

// What devices on the host share: memory is the host's and submit runs at once.
class HostDevice : public Device {
 public:
  std::shared_ptr<Buffer> allocate(size_t bytes) override;
  void upload(Span to, const void* from, size_t bytes) override;
  void download(void* to, Span from, size_t bytes) override;
  void wait() override {}
};

}  // namespace propane
