// Open-addressing tables for the tokenizer's two hot look-ups: a number by a pair of token ids, a number by bytes.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace propane {

inline uint64_t mix_hash(uint64_t a, uint64_t b) {
  const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// A hash of bytes in the manner of wyhash: 16 bytes a multiplication.
inline uint64_t hash_bytes(const char* data, size_t size) {
  constexpr uint64_t k0 = 0xa0761d6478bd642full, k1 = 0xe7037ed1a0b428dbull;
  const auto read8 = [](const char* p) {
    uint64_t v;
    std::memcpy(&v, p, 8);
    return v;
  };
  const auto read4 = [](const char* p) {
    uint32_t v;
    std::memcpy(&v, p, 4);
    return uint64_t{v};
  };
  uint64_t seed = k0 ^ size;
  size_t left = size;
  for (; left > 16; left -= 16, data += 16) seed = mix_hash(read8(data) ^ k1, read8(data + 8) ^ seed);
  uint64_t a = 0, b = 0;
  if (left >= 8) {
    a = read8(data);
    b = read8(data + left - 8);
  } else if (left >= 4) {
    a = read4(data);
    b = read4(data + left - 4);
  } else if (left > 0) {
    const auto byte = [&](size_t i) { return uint64_t{static_cast<unsigned char>(data[i])}; };
    a = byte(0) << 16 | byte(left / 2) << 8 | byte(left - 1);
  }
  return mix_hash(a ^ k1, b ^ seed);
}

inline uint64_t pair_key(uint32_t left, uint32_t right) { return uint64_t{left} << 32 | right; }

// Value by a 64-bit key that is never ~0. Grows at half full.
template <typename Value>
class KeyTable {
 public:
  explicit KeyTable(size_t expected = 0) {
    size_t slots = 16;
    while (slots < expected * 2) slots *= 2;
    slots_.resize(slots);
  }

  const Value* find(uint64_t key) const {
    for (size_t i = index(key);; i = (i + 1) & (slots_.size() - 1)) {
      if (slots_[i].key == key) return &slots_[i].value;
      if (slots_[i].key == kFree) return nullptr;
    }
  }

  // The value of the key, made by default when the key is new.
  Value& operator[](uint64_t key) {
    if ((size_ + 1) * 2 > slots_.size()) grow();
    Slot& slot = place(key);
    if (slot.key == kFree) {
      slot.key = key;
      ++size_;
    }
    return slot.value;
  }

  size_t size() const { return size_; }

 private:
  static constexpr uint64_t kFree = ~uint64_t{0};
  struct Slot {
    uint64_t key = kFree;
    Value value{};
  };

  size_t index(uint64_t key) const { return mix_hash(key, 0x9e3779b97f4a7c15ull) & (slots_.size() - 1); }
  Slot& place(uint64_t key) {
    size_t i = index(key);
    while (slots_[i].key != key && slots_[i].key != kFree) i = (i + 1) & (slots_.size() - 1);
    return slots_[i];
  }
  void grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old)
      if (slot.key != kFree) place(slot.key) = slot;
  }

  std::vector<Slot> slots_;
  size_t size_ = 0;
};

// A number by a string of bytes; the bytes of all keys lie in one arena. Grows at half full.
template <typename Value>
class BytesTable {
 public:
  BytesTable() : slots_(16, kFree) {}

  const Value* find(std::string_view bytes) const {
    const uint32_t entry = slots_[place(bytes, hash_bytes(bytes.data(), bytes.size()))];
    return entry == kFree ? nullptr : &entries_[entry].value;
  }

  // The value of the bytes, made by default when they are new.
  Value& operator[](std::string_view bytes) {
    const uint64_t hash = hash_bytes(bytes.data(), bytes.size());
    size_t at = place(bytes, hash);
    if (slots_[at] == kFree) {
      if ((entries_.size() + 1) * 2 > slots_.size()) {
        grow();
        at = place(bytes, hash);
      }
      slots_[at] = static_cast<uint32_t>(entries_.size());
      entries_.push_back({hash, arena_.size(), bytes.size(), Value{}});
      arena_ += bytes;
    }
    return entries_[slots_[at]].value;
  }

  size_t size() const { return entries_.size(); }

  // visit(bytes, value) for every key in the order of insertion.
  template <typename Visit>
  void for_each(Visit&& visit) const {
    for (const Entry& entry : entries_) visit(key(entry), entry.value);
  }

 private:
  static constexpr uint32_t kFree = std::numeric_limits<uint32_t>::max();
  struct Entry {
    uint64_t hash;
    uint64_t offset;
    uint64_t size;
    Value value;
  };

  std::string_view key(const Entry& entry) const { return {arena_.data() + entry.offset, entry.size}; }
  size_t place(std::string_view bytes, uint64_t hash) const {
    size_t i = hash & (slots_.size() - 1);
    while (slots_[i] != kFree && !(entries_[slots_[i]].hash == hash && key(entries_[slots_[i]]) == bytes))
      i = (i + 1) & (slots_.size() - 1);
    return i;
  }
  void grow() {
    slots_.assign(slots_.size() * 2, kFree);
    for (size_t e = 0; e < entries_.size(); ++e) {
      size_t i = entries_[e].hash & (slots_.size() - 1);
      while (slots_[i] != kFree) i = (i + 1) & (slots_.size() - 1);
      slots_[i] = static_cast<uint32_t>(e);
    }
  }

  std::vector<uint32_t> slots_;  // indices of entries
  std::vector<Entry> entries_;
  std::string arena_;
};

}  // namespace propane
