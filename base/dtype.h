// Element types of tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace propane {

enum class DType : uint8_t { f64, f32, bf16, f16, i64, i32, u16, u8 };

// Bytes of one element.
constexpr size_t dtype_size(DType type) {
  switch (type) {
    case DType::f64:
    case DType::i64: return 8;
    case DType::f32:
    case DType::i32: return 4;
    case DType::bf16:
    case DType::f16:
    case DType::u16: return 2;
    case DType::u8: return 1;
  }
  return 0;
}

constexpr bool is_float(DType type) { return type <= DType::f16; }

// "f32", "bf16", ...
std::string_view dtype_name(DType type);

// The reverse of dtype_name; throws Error on an unknown name.
DType dtype_from_name(std::string_view name);

}  // namespace propane
