// A value of a GGUF file's metadata: a scalar, a string, or an array of one type, arrays included.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace propane {

// The format's own numbers.
enum class GgufType : uint32_t {
  u8 = 0,
  i8 = 1,
  u16 = 2,
  i16 = 3,
  u32 = 4,
  i32 = 5,
  f32 = 6,
  boolean = 7,
  string = 8,
  array = 9,
  u64 = 10,
  i64 = 11,
  f64 = 12,
};

inline constexpr uint32_t kGgufTypes = 13;

// "u8", "string", ...
std::string_view gguf_type_name(GgufType type);

// Bytes of a value of this type, or of the smallest one: an empty string or array.
size_t gguf_least_bytes(GgufType type);

// A view of a value in a file, valid as long as its GgufFile; its bytes have been checked. Asking for another kind of
// value than it holds throws Error with the file, the key, what was expected and what is there.
class GgufValue {
 public:
  // `bytes` hold the value and nothing else; `file` and `key` are what errors call it.
  GgufValue(GgufType type, std::span<const std::byte> bytes, const std::string* file, std::string_view key)
      : type_(type), bytes_(bytes), file_(file), key_(key) {}

  GgufType type() const { return type_; }
  std::string_view key() const { return key_; }
  std::span<const std::byte> bytes() const { return bytes_; }  // as in the file

  bool boolean() const;
  std::string_view string() const;  // any bytes; UTF-8 by the format's rule, which not every writer keeps

  // A number of any type that holds this one's value: integers must fit T, floats are only given as floats.
  // T: int32_t, uint32_t, int64_t, uint64_t, float or double.
  template <typename T>
  T number() const;

  // Of an array.
  GgufType element_type() const;
  uint64_t size() const;
  std::vector<bool> booleans() const;
  std::vector<std::string_view> strings() const;
  std::vector<GgufValue> arrays() const;
  template <typename T>
  std::vector<T> numbers() const;  // as number<T>, each

 private:
  // The elements' bytes, if this is an array of `element` (named in an error's sentence as `what`).
  std::span<const std::byte> elements(bool right_type, const char* what) const;
  std::string description() const;  // "a string", "an array of 3 u8"
  [[noreturn]] void refuse(const char* expected) const;

  GgufType type_;
  std::span<const std::byte> bytes_;
  const std::string* file_;
  std::string_view key_;
};

}  // namespace propane
