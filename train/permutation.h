// A pseudo-random order of 0..count-1 in which any place can be asked for by itself: no table, nothing to save.
// A Feistel network over the next power of four, walked until the value falls below `count` (Black and Rogaway,
// "Ciphers with arbitrary finite domains", CT-RSA 2002), with Philox as the round function.
#pragma once

#include <bit>
#include <cstdint>

#include "base/random.h"

namespace propane::train {

class Permutation {
 public:
  // The same seed and stream give the same order; `count` is positive.
  Permutation(uint64_t count, uint64_t seed, uint64_t stream)
      : count_(count), half_bits_((std::bit_width(count - 1) + 1) / 2), random_(seed, stream) {}

  // The element at a place in [0, count).
  uint64_t operator()(uint64_t place) const {
    do {
      place = encrypt(place);
    } while (place >= count_);
    return place;
  }

  uint64_t count() const { return count_; }

 private:
  uint64_t encrypt(uint64_t value) const {
    constexpr uint64_t kRounds = 4;
    const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
    uint64_t left = value >> half_bits_, right = value & mask;
    for (uint64_t round = 0; round < kRounds; ++round) {
      const uint64_t mixed = left ^ (random_.words(round << 32 | right)[0] & mask);
      left = right;
      right = mixed;
    }
    return left << half_bits_ | right;
  }

  uint64_t count_;
  int half_bits_;  // at most 32
  Random random_;
};

}  // namespace propane::train
