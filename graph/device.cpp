#include "graph/device.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <new>

#include "base/error.h"
#include "graph/op.h"

namespace propane {

std::string Segment::key() const {
  std::string key;
  for (const Slot& slot : slots) key += slot.type.str() + (slot.weight ? "w;" : ";");
  for (const Step& step : steps) {
    key += fmt::format("{}{}(", step.op->name, step.attrs.str());
    for (int slot : step.inputs) key += fmt::format("{},", slot);
    key += ")->";
    for (int slot : step.outputs) key += fmt::format("{},", slot);
    key += '\n';
  }
  return key;
}

std::shared_ptr<Executable> Device::executable(const Segment& segment) {
  auto& known = compiled_[segment.key()];
  if (!known) {
    known = compile(segment);
    known->layouts.resize(segment.slots.size());
    ++compile_count_;
  }
  return known;
}

void Device::prepare(const WeightLayout& layout, const Type&, const void*, Span) {
  fail("{}: no weight layout is named '{}'", info().name, layout.name);
}

namespace {

class MappedBuffer : public Buffer {
 public:
  MappedBuffer(std::span<const std::byte> content, std::shared_ptr<const void> owner) : owner_(std::move(owner)) {
    bytes = content.size();
    host = const_cast<std::byte*>(content.data());
  }

  // Only whole pages; they come back from the file when touched.
  void evict() override {
    const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
    const uintptr_t begin = (reinterpret_cast<uintptr_t>(host) + page - 1) / page * page;
    const uintptr_t end = (reinterpret_cast<uintptr_t>(host) + bytes) / page * page;
    if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }

 private:
  std::shared_ptr<const void> owner_;
};

// Large buffers come straight from the system (zeroed lazily, and huge pages where it has them).
class HostBuffer : public Buffer {
 public:
  explicit HostBuffer(size_t size) {
    bytes = size;
    if (size >= kMapped) {
      host = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (host == MAP_FAILED) {
        host = nullptr;
        fail("out of memory: {} bytes could not be had", size);
      }
#ifdef MADV_HUGEPAGE
      ::madvise(host, size, MADV_HUGEPAGE);
#endif
    } else {
      host = ::operator new (size ? size : 1, std::align_val_t{64});
    }
  }
  ~HostBuffer() override {
    if (bytes >= kMapped) {
      if (host) ::munmap(host, bytes);
    } else {
      ::operator delete (host, std::align_val_t{64});
    }
  }

 private:
  static constexpr size_t kMapped = size_t{1} << 22;
};

}  // namespace

std::shared_ptr<Buffer> map_host(std::span<const std::byte> bytes, std::shared_ptr<const void> owner) {
  return std::make_shared<MappedBuffer>(bytes, std::move(owner));
}

std::shared_ptr<Buffer> allocate_host(size_t bytes) { return std::make_shared<HostBuffer>(bytes); }

std::shared_ptr<Buffer> HostDevice::allocate(size_t bytes) { return allocate_host(bytes); }
void HostDevice::upload(Span to, const void* from, size_t bytes) { std::memcpy(to.host(), from, bytes); }
void HostDevice::download(void* to, Span from, size_t bytes) { std::memcpy(to, from.host(), bytes); }

}  // namespace propane
