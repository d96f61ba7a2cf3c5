// XXH64, the 64-bit hash of Yann Collet's xxHash (its specification, doc/xxhash_spec.md, v0.2): a checksum that runs
// at memory speed. `xxhsum -H64 FILE` prints the same number.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace propane {

class Xxh64 {
 public:
  explicit Xxh64(uint64_t seed = 0);

  // Takes the next bytes; the hash depends on the bytes alone, not on how they were divided.
  void update(const void* data, size_t bytes);

  // The hash of everything taken so far; more may follow.
  uint64_t digest() const;

 private:
  std::array<uint64_t, 4> lanes_;
  std::array<unsigned char, 32> pending_{};  // bytes of a stripe that is not full yet
  uint64_t total_ = 0;
  uint64_t seed_;
};

inline uint64_t xxh64(std::span<const std::byte> bytes, uint64_t seed = 0) {
  Xxh64 hash(seed);
  hash.update(bytes.data(), bytes.size());
  return hash.digest();
}

inline uint64_t xxh64(std::string_view text, uint64_t seed = 0) {
  return xxh64(std::as_bytes(std::span(text.data(), text.size())), seed);
}

}  // namespace propane
