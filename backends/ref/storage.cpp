#include "backends/ref/storage.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "base/half.h"
#include "quant/dequantize.h"

namespace propane::ref {

namespace {

// The float on the way to a 16-bit type. Rounding to odd keeps "there was more below" in the last bit, so rounding the
// float to nearest even gives what rounding the double would have (Boldo & Melquiond 2008).
float round_to_odd(double x) {
  const float nearest = static_cast<float>(x);
  if (static_cast<double>(nearest) == x || std::isnan(x)) return nearest;
  uint32_t bits = std::bit_cast<uint32_t>(nearest);
  if (std::fabs(static_cast<double>(nearest)) > std::fabs(x)) --bits;
  return std::bit_cast<float>(bits | 1);
}

template <typename T, typename Convert>
void read(const std::byte* from, double* to, int64_t count, Convert convert) {
  const T* source = reinterpret_cast<const T*>(from);
  for (int64_t i = 0; i < count; ++i) to[i] = convert(source[i]);
}

template <typename T, typename Convert>
void write(const double* from, std::byte* to, int64_t count, Convert convert) {
  T* destination = reinterpret_cast<T*>(to);
  for (int64_t i = 0; i < count; ++i) destination[i] = convert(from[i]);
}

void load_blocks(DType type, const std::byte* from, double* to, int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  quant::dequantize(type, {from, row_bytes(type, count)}, values);
  std::copy(values.begin(), values.end(), to);
}

[[noreturn]] void refuse(DType type) {
  fail("the reference device computes with floats and i32, found {}", dtype_name(type));
}

}  // namespace

bool is_stored(DType type) { return is_float(type) || is_block(type) || type == DType::i32; }

void load(DType type, const std::byte* from, double* to, int64_t count) {
  switch (type) {
    case DType::f64: return read<double>(from, to, count, [](double x) { return x; });
    case DType::f32: return read<float>(from, to, count, [](float x) { return double{x}; });
    case DType::bf16: return read<uint16_t>(from, to, count, [](uint16_t x) { return double{bf16_to_float(x)}; });
    case DType::f16: return read<uint16_t>(from, to, count, [](uint16_t x) { return double{f16_to_float(x)}; });
    case DType::i32: return read<int32_t>(from, to, count, [](int32_t x) { return double{static_cast<double>(x)}; });
    default:
      if (is_block(type)) return load_blocks(type, from, to, count);
      refuse(type);
  }
}

void store(DType type, const double* from, std::byte* to, int64_t count) {
  switch (type) {
    case DType::f64: return write<double>(from, to, count, [](double x) { return x; });
    case DType::f32: return write<float>(from, to, count, [](double x) { return static_cast<float>(x); });
    case DType::bf16: return write<uint16_t>(from, to, count, [](double x) { return float_to_bf16(round_to_odd(x)); });
    case DType::f16: return write<uint16_t>(from, to, count, [](double x) { return float_to_f16(round_to_odd(x)); });
    case DType::i32: return write<int32_t>(from, to, count, [](double x) { return static_cast<int32_t>(x); });
    default: refuse(type);
  }
}

}  // namespace propane::ref
