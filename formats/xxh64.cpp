#include "formats/xxh64.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace propane {

namespace {

constexpr uint64_t kPrime1 = 0x9E3779B185EBCA87ull;
constexpr uint64_t kPrime2 = 0xC2B2AE3D27D4EB4Full;
constexpr uint64_t kPrime3 = 0x165667B19E3779F9ull;
constexpr uint64_t kPrime4 = 0x85EBCA77C2B2AE63ull;
constexpr uint64_t kPrime5 = 0x27D4EB2F165667C5ull;

// The hash reads little-endian words; so are all machines that Propane runs on.
static_assert(std::endian::native == std::endian::little);

template <typename Word>
Word load(const unsigned char* at) {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

uint64_t round(uint64_t lane, uint64_t word) { return std::rotl(lane + word * kPrime2, 31) * kPrime1; }

uint64_t merge(uint64_t hash, uint64_t lane) { return (hash ^ round(0, lane)) * kPrime1 + kPrime4; }

}  // namespace

Xxh64::Xxh64(uint64_t seed) : lanes_{seed + kPrime1 + kPrime2, seed + kPrime2, seed, seed - kPrime1}, seed_(seed) {}

void Xxh64::update(const void* data, size_t bytes) {
  const auto* at = static_cast<const unsigned char*>(data);
  const auto stripe = [this](const unsigned char* from) {
    for (size_t i = 0; i < 4; ++i) lanes_[i] = round(lanes_[i], load<uint64_t>(from + 8 * i));
  };
  if (const size_t held = total_ % 32; held != 0 && bytes > 0) {
    const size_t taken = std::min(bytes, 32 - held);
    std::memcpy(pending_.data() + held, at, taken);
    at += taken;
    bytes -= taken;
    total_ += taken;
    if (total_ % 32 != 0) return;
    stripe(pending_.data());
  }
  total_ += bytes;
  for (; bytes >= 32; at += 32, bytes -= 32) stripe(at);
  if (bytes > 0) std::memcpy(pending_.data(), at, bytes);
}

uint64_t Xxh64::digest() const {
  uint64_t hash = seed_ + kPrime5;
  if (total_ >= 32) {
    hash = std::rotl(lanes_[0], 1) + std::rotl(lanes_[1], 7) + std::rotl(lanes_[2], 12) + std::rotl(lanes_[3], 18);
    for (uint64_t lane : lanes_) hash = merge(hash, lane);
  }
  hash += total_;
  const unsigned char* at = pending_.data();
  size_t left = total_ % 32;
  for (; left >= 8; at += 8, left -= 8) hash = std::rotl(hash ^ round(0, load<uint64_t>(at)), 27) * kPrime1 + kPrime4;
  for (; left >= 4; at += 4, left -= 4) {
    hash = std::rotl(hash ^ (load<uint32_t>(at) * kPrime1), 23) * kPrime2 + kPrime3;
  }
  for (; left > 0; ++at, --left) hash = std::rotl(hash ^ (*at * kPrime5), 11) * kPrime1;
  hash = (hash ^ (hash >> 33)) * kPrime2;
  hash = (hash ^ (hash >> 29)) * kPrime3;
  return hash ^ (hash >> 32);
}

}  // namespace propane
