// Reads a GGUF header front to back and checks every length against the bytes that are left before it is used. Only the
// GGUF reader includes this.
#pragma once

#include <cstring>
#include <string>
#include <string_view>

#include "base/error.h"
#include "formats/gguf_value.h"

namespace propane {

// A name from a file as an error's sentence shows it.
inline std::string shown(std::string_view name) {
  constexpr size_t kMost = 80;
  return name.size() <= kMost ? std::string(name) : std::string(name.substr(0, kMost)) + "...";
}

class GgufCursor {
 public:
  GgufCursor(std::span<const std::byte> bytes, const std::string& file) : bytes_(bytes), file_(&file) {}

  size_t offset() const { return at_; }
  size_t left() const { return bytes_.size() - at_; }

  // `what` is what an error's sentence calls the thing that is read.
  template <typename T>
  T number(std::string_view what) {
    T value;
    std::memcpy(&value, take(sizeof value, what).data(), sizeof value);
    return value;
  }

  std::string_view string(std::string_view what) {
    const auto length = number<uint64_t>(what);
    const auto text = take(length, what);
    return {reinterpret_cast<const char*>(text.data()), text.size()};
  }

  // The bytes of a value, walked to its end.
  GgufValue value(GgufType type, std::string_view key) {
    const size_t begin = at_;
    skip(type, key, 0);
    return {type, bytes_.subspan(begin, at_ - begin), file_, key};
  }

  // A value type's number.
  GgufType type(std::string_view key) {
    const auto id = number<uint32_t>(key);
    if (id >= kGgufTypes)
      fail("{}: key \"{}\": expected a value type from 0 to {}, found {}", *file_, shown(key), kGgufTypes - 1, id);
    return static_cast<GgufType>(id);
  }

 private:
  static constexpr int kMaxDepth = 8;  // of arrays in arrays; no known file has any

  std::span<const std::byte> take(uint64_t bytes, std::string_view what) {
    if (bytes > left()) {
      fail("{}: \"{}\": expected {} bytes at offset {}, found {} left: the file is truncated or damaged", *file_,
           shown(what), bytes, at_, left());
    }
    at_ += bytes;
    return bytes_.subspan(at_ - bytes, bytes);
  }

  void skip(GgufType value_type, std::string_view key, int depth) {
    if (value_type == GgufType::string) {
      string(key);
    } else if (value_type == GgufType::array) {
      skip_array(key, depth + 1);
    } else {
      check_booleans(value_type, take(gguf_least_bytes(value_type), key), key);
    }
  }

  void skip_array(std::string_view key, int depth) {
    if (depth > kMaxDepth)
      fail("{}: key \"{}\": expected arrays at most {} deep, found more", *file_, shown(key), kMaxDepth);
    const GgufType element = type(key);
    const auto count = number<uint64_t>(key);
    if (count > left() / gguf_least_bytes(element)) {
      fail("{}: key \"{}\": expected an array within the {} bytes left, found {} elements of type {}", *file_,
           shown(key), left(), count, gguf_type_name(element));
    }
    if (element == GgufType::string || element == GgufType::array) {
      for (uint64_t i = 0; i < count; ++i) skip(element, key, depth);
    } else {
      check_booleans(element, take(count * gguf_least_bytes(element), key), key);
    }
  }

  void check_booleans(GgufType value_type, std::span<const std::byte> values, std::string_view key) const {
    if (value_type != GgufType::boolean) return;
    for (std::byte value : values) {
      if (value > std::byte{1}) {
        fail("{}: key \"{}\": expected 0 or 1 as a boolean, found {}", *file_, shown(key), static_cast<int>(value));
      }
    }
  }

  std::span<const std::byte> bytes_;
  const std::string* file_;
  size_t at_ = 0;
};

}  // namespace propane
