#include "formats/gguf_value.h"

#include <array>
#include <cstring>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "formats/gguf_cursor.h"

namespace propane {

namespace {

struct TypeFacts {
  std::string_view name;
  size_t least_bytes;
};

constexpr std::array<TypeFacts, kGgufTypes> kTypeFacts = {{
    {"u8", 1},
    {"i8", 1},
    {"u16", 2},
    {"i16", 2},
    {"u32", 4},
    {"i32", 4},
    {"f32", 4},
    {"boolean", 1},
    {"string", 8},
    {"array", 12},
    {"u64", 8},
    {"i64", 8},
    {"f64", 8},
}};

constexpr size_t kArrayHeader = 12;  // element type and count

template <typename T>
T load(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

// Stores `value` in `out` if T can hold it.
template <typename T, typename Stored>
bool convert(Stored value, T& out) {
  if constexpr (std::is_floating_point_v<Stored> && std::is_integral_v<T>) {
    return false;
  } else {
    if constexpr (std::is_integral_v<Stored> && std::is_integral_v<T>) {
      if (!std::in_range<T>(value)) return false;
    }
    out = static_cast<T>(value);
    return true;
  }
}

// The same for a number of a type known at run time; false too for what is no number.
template <typename T>
bool convert(GgufType type, const std::byte* bytes, T& out) {
  switch (type) {
    case GgufType::u8: return convert(load<uint8_t>(bytes), out);
    case GgufType::i8: return convert(load<int8_t>(bytes), out);
    case GgufType::u16: return convert(load<uint16_t>(bytes), out);
    case GgufType::i16: return convert(load<int16_t>(bytes), out);
    case GgufType::u32: return convert(load<uint32_t>(bytes), out);
    case GgufType::i32: return convert(load<int32_t>(bytes), out);
    case GgufType::u64: return convert(load<uint64_t>(bytes), out);
    case GgufType::i64: return convert(load<int64_t>(bytes), out);
    case GgufType::f32: return convert(load<float>(bytes), out);
    case GgufType::f64: return convert(load<double>(bytes), out);
    case GgufType::boolean:
    case GgufType::string:
    case GgufType::array: return false;
  }
  return false;
}

template <typename T>
constexpr const char* kNumberName = "a number";
template <>
constexpr const char* kNumberName<int32_t> = "an integer of 32 bits";
template <>
constexpr const char* kNumberName<uint32_t> = "a non-negative integer of 32 bits";
template <>
constexpr const char* kNumberName<int64_t> = "an integer of 64 bits";
template <>
constexpr const char* kNumberName<uint64_t> = "a non-negative integer of 64 bits";

std::string number_text(GgufType type, const std::byte* bytes) {
  if (uint64_t natural; convert(type, bytes, natural)) return std::to_string(natural);
  if (int64_t integer; convert(type, bytes, integer)) return std::to_string(integer);
  if (double real; convert(type, bytes, real)) return fmt::format("{}", real);
  return "";
}

}  // namespace

std::string_view gguf_type_name(GgufType type) { return kTypeFacts[static_cast<size_t>(type)].name; }

size_t gguf_least_bytes(GgufType type) { return kTypeFacts[static_cast<size_t>(type)].least_bytes; }

std::string GgufValue::description() const {
  if (type_ == GgufType::array) return fmt::format("an array of {} {}", size(), gguf_type_name(element_type()));
  const std::string number = number_text(type_, bytes_.data());
  return fmt::format("a value of type {}{}{}", gguf_type_name(type_), number.empty() ? "" : ", ", number);
}

void GgufValue::refuse(const char* expected) const {
  fail("{}: key \"{}\": expected {}, found {}", *file_, shown(key_), expected, description());
}

bool GgufValue::boolean() const {
  if (type_ != GgufType::boolean) refuse("a boolean");
  return bytes_[0] != std::byte{0};
}

std::string_view GgufValue::string() const {
  if (type_ != GgufType::string) refuse("a string");
  return {reinterpret_cast<const char*>(bytes_.data()) + sizeof(uint64_t), bytes_.size() - sizeof(uint64_t)};
}

template <typename T>
T GgufValue::number() const {
  T value;
  if (!convert(type_, bytes_.data(), value)) refuse(kNumberName<T>);
  return value;
}

GgufType GgufValue::element_type() const {
  if (type_ != GgufType::array) refuse("an array");
  return static_cast<GgufType>(load<uint32_t>(bytes_.data()));
}

uint64_t GgufValue::size() const {
  if (type_ != GgufType::array) refuse("an array");
  return load<uint64_t>(bytes_.data() + sizeof(uint32_t));
}

std::span<const std::byte> GgufValue::elements(bool right_type, const char* what) const {
  if (!right_type) refuse(what);
  return bytes_.subspan(kArrayHeader);
}

std::vector<bool> GgufValue::booleans() const {
  const bool right = type_ == GgufType::array && element_type() == GgufType::boolean;
  std::vector<bool> out;
  for (std::byte byte : elements(right, "an array of booleans")) out.push_back(byte != std::byte{0});
  return out;
}

std::vector<std::string_view> GgufValue::strings() const {
  const bool right = type_ == GgufType::array && element_type() == GgufType::string;
  GgufCursor cursor(elements(right, "an array of strings"), *file_);
  std::vector<std::string_view> out;
  out.reserve(size());
  for (uint64_t i = 0; i < size(); ++i) out.push_back(cursor.string(key_));
  return out;
}

std::vector<GgufValue> GgufValue::arrays() const {
  const bool right = type_ == GgufType::array && element_type() == GgufType::array;
  GgufCursor cursor(elements(right, "an array of arrays"), *file_);
  std::vector<GgufValue> out;
  for (uint64_t i = 0; i < size(); ++i) out.push_back(cursor.value(GgufType::array, key_));
  return out;
}

template <typename T>
std::vector<T> GgufValue::numbers() const {
  if (type_ != GgufType::array) refuse("an array of numbers");
  const GgufType type = element_type();
  const size_t step = gguf_least_bytes(type);
  const bool right = type != GgufType::boolean && type != GgufType::string && type != GgufType::array;
  const std::byte* at = elements(right, "an array of numbers").data();
  std::vector<T> out(size());
  for (size_t i = 0; i < out.size(); ++i, at += step) {
    if (!convert(type, at, out[i])) {
      fail("{}: key \"{}\": expected {} as element {}, found {}", *file_, shown(key_), kNumberName<T>, i,
           number_text(type, at));
    }
  }
  return out;
}

template int32_t GgufValue::number() const;
template uint32_t GgufValue::number() const;
template int64_t GgufValue::number() const;
template uint64_t GgufValue::number() const;
template float GgufValue::number() const;
template double GgufValue::number() const;
template std::vector<int32_t> GgufValue::numbers() const;
template std::vector<uint32_t> GgufValue::numbers() const;
template std::vector<int64_t> GgufValue::numbers() const;
template std::vector<uint64_t> GgufValue::numbers() const;
template std::vector<float> GgufValue::numbers() const;
template std::vector<double> GgufValue::numbers() const;

}  // namespace propane
