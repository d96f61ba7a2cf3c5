// Tensors in memory as doubles: every element type is read exactly, and rounded once when it is written.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/dtype.h"

namespace propane::ref {

// Whether load knows the type: every float, quantized blocks (which store does not write), and i32 for indices.
bool is_stored(DType type);

// to[i] = from[i] for `count` elements; exact, but that quantized blocks stand for the floats of quant/dequantize.h.
// Throws Error for a type that is_stored refuses.
void load(DType type, const std::byte* from, double* to, int64_t count);

// to[i] = from[i] rounded to nearest even, straight from double: never through a second type.
void store(DType type, const double* from, std::byte* to, int64_t count);

}  // namespace propane::ref
