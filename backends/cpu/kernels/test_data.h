// For tests of kernels: random inputs, poisoned outputs, aligned scratch memory, and the error measure of the project.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include "base/random.h"

namespace propane::cpu {

// Standard normal values; `seed` separates tensors.
inline std::vector<float> random_floats(int64_t count, uint64_t seed) {
  std::vector<float> values(static_cast<size_t>(count));
  const Random random(seed, stream_id("kernel tests"));
  for (int64_t i = 0; i < count; ++i) values[i] = static_cast<float>(random.normal(static_cast<uint64_t>(i)));
  return values;
}

// An output that no kernel may leave as it is, nor read: NaN throughout.
inline std::vector<float> poison(int64_t count) {
  return std::vector<float>(static_cast<size_t>(count), std::numeric_limits<float>::quiet_NaN());
}

inline std::vector<double> to_double(std::span<const float> values) { return {values.begin(), values.end()}; }

// ‖out − ref‖ / ‖ref‖ over the finite elements of ref; infinite if an element that is not finite differs, if out has a
// NaN or the sizes differ. For ref = 0, ‖out‖.
inline double relative_error(std::span<const float> out, std::span<const double> ref) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (out.size() != ref.size()) return kInfinity;
  double difference = 0, norm = 0;
  for (size_t i = 0; i < out.size(); ++i) {
    if (!std::isfinite(ref[i])) {
      if (static_cast<double>(out[i]) != ref[i]) return kInfinity;
      continue;
    }
    if (!std::isfinite(out[i])) return kInfinity;
    difference += (out[i] - ref[i]) * (out[i] - ref[i]);
    norm += ref[i] * ref[i];
  }
  return norm > 0 ? std::sqrt(difference / norm) : std::sqrt(difference);
}

// Memory aligned to a cache line, filled with NaN so that a kernel that trusts its contents fails; of exactly the size
// asked for (rounded up to 64 bytes), so that a sanitizer sees what lies beyond.
class ScratchMemory {
 public:
  explicit ScratchMemory(size_t bytes) : size_(bytes), data_(std::aligned_alloc(64, (bytes + 63) / 64 * 64)) {
    std::memset(data_, 0xff, bytes);
  }
  ~ScratchMemory() { std::free(data_); }
  ScratchMemory(const ScratchMemory&) = delete;
  ScratchMemory& operator=(const ScratchMemory&) = delete;
  std::span<std::byte> span() { return {static_cast<std::byte*>(data_), size_}; }

 private:
  size_t size_;
  void* data_;
};

}  // namespace propane::cpu
