// Counter-based random numbers: value i of stream s never depends on what else was drawn.
// Philox 4x32-10 of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string_view>

namespace propane {

class Random {
 public:
  // `seed` is the run's; `stream` separates users of the same seed (see stream_id).
  Random(uint64_t seed, uint64_t stream) : seed_(seed), stream_(stream) {}

  // Four independent 32-bit words at a position; any position may be asked for, in any order.
  std::array<uint32_t, 4> words(uint64_t position) const {
    std::array<uint32_t, 4> c = {static_cast<uint32_t>(position), static_cast<uint32_t>(position >> 32),
                                 static_cast<uint32_t>(stream_), static_cast<uint32_t>(stream_ >> 32)};
    uint32_t k0 = static_cast<uint32_t>(seed_), k1 = static_cast<uint32_t>(seed_ >> 32);
    for (int round = 0; round < 10; ++round) {
      const uint64_t p0 = 0xD2511F53ull * c[0], p1 = 0xCD9E8D57ull * c[2];
      c = {static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k0, static_cast<uint32_t>(p1),
           static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k1, static_cast<uint32_t>(p0)};
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    return c;
  }

  // Uniform in [0, 1) with 53 bits.
  double uniform(uint64_t position) const {
    const auto w = words(position);
    return static_cast<double>(((static_cast<uint64_t>(w[0]) << 32) | w[1]) >> 11) * 0x1p-53;
  }

  // Standard normal (Box–Muller, one value a position).
  double normal(uint64_t position) const {
    const auto w = words(position);
    const double u1 = (static_cast<double>(((static_cast<uint64_t>(w[0]) << 32) | w[1]) >> 11) + 0.5) * 0x1p-53;
    const double u2 = static_cast<double>(((static_cast<uint64_t>(w[2]) << 32) | w[3]) >> 11) * 0x1p-53;
    return std::sqrt(-2.0 * std::log(u1)) * std::cos(2.0 * std::numbers::pi * u2);
  }

 private:
  uint64_t seed_;
  uint64_t stream_;
};

// A stream number for a name (a tensor's, "data", "sample"): FNV-1a of 64 bits.
constexpr uint64_t stream_id(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325ull;
  for (char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return hash;
}

}  // namespace propane
