#include "base/dtype.h"

#include "base/error.h"

namespace propane {

namespace {
constexpr std::string_view kNames[] = {"f64", "f32", "bf16", "f16", "i64", "i32", "u16", "u8"};
}

std::string_view dtype_name(DType type) { return kNames[static_cast<int>(type)]; }

DType dtype_from_name(std::string_view name) {
  for (int i = 0; i < 8; ++i)
    if (kNames[i] == name) return static_cast<DType>(i);
  fail("unknown element type '{}'; expected one of f64, f32, bf16, f16, i64, i32, u16, u8", name);
}

}  // namespace propane
