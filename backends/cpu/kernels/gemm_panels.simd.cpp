// Operands into panels, and the mirror image of a symmetric result.
#include "backends/cpu/kernels/gemm_tile.h"
#include "backends/cpu/kernels/transpose.h"

namespace propane::cpu::PROPANE_TARGET {

namespace {

// A row of a panel narrower than a vector may be stored as a whole one: what it spills is the start of the next row,
// stored later, or slack. A wider panel's last vector may not, since the next row's start may be there already.
PROPANE_INLINE void store_columns(float* to, Vec v, int columns, int width) {
  if (columns == kLanes || width <= kLanes) store(to, v);
  else store_part(to, v, columns);
}

PROPANE_INLINE int columns_left(int from, int end) {
  return end - from < kLanes ? (end > from ? end - from : 0) : kLanes;
}

}  // namespace

void copy_panel(const PanelCopy& panel) {
  for (int64_t p = 0; p < panel.depth; ++p) {
    const float* from = panel.from + p * panel.stride;
    float* to = panel.to + p * panel.width;
    for (int j = 0; j < panel.width; j += kLanes)
      store_columns(to + j, load_part(from + j, columns_left(j, panel.valid)), columns_left(j, panel.width),
                    panel.width);
  }
}

void transpose_panel(const PanelCopy& panel) {
  const int64_t stride = panel.stride;
  const int width = panel.width;
  for (int64_t p = 0; p < panel.depth; p += kLanes) {
    const int rows = panel.depth - p < kLanes ? static_cast<int>(panel.depth - p) : kLanes;
    for (int j = 0; j < width; j += kLanes) {
      const float* from = panel.from + j * stride + p;
      const int valid = columns_left(j, panel.valid);
      Vec square[kLanes];
      if (valid == kLanes && rows == kLanes) {
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; ++i) square[i] = load(from + i * stride);
      } else {
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; ++i) square[i] = i < valid ? load_part(from + i * stride, rows) : Vec{};
      }
      transpose(square);
      float* to = panel.to + p * width + j;
      const int columns = columns_left(j, width);
      if (rows == kLanes) {
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; ++i) store_columns(to + i * width, square[i], columns, width);
      } else {
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; ++i)
          if (i < rows) store_columns(to + i * width, square[i], columns, width);
      }
    }
  }
}

void mirror(float* c, int64_t ldc, int64_t begin, int64_t end) {
  int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes) {
    int64_t j = 0;
    for (; j + kLanes <= i; j += kLanes) {
      Vec square[kLanes];
#pragma GCC unroll 16
      for (int r = 0; r < kLanes; ++r) square[r] = load(c + (j + r) * ldc + i);
      transpose(square);
#pragma GCC unroll 16
      for (int r = 0; r < kLanes; ++r) store(c + (i + r) * ldc + j, square[r]);
    }
    for (int64_t r = i; r < i + kLanes; ++r)
      for (int64_t s = j; s < r; ++s) c[r * ldc + s] = c[s * ldc + r];
  }
  for (; i < end; ++i)
    for (int64_t s = 0; s < i; ++s) c[i * ldc + s] = c[s * ldc + i];
}

}  // namespace propane::cpu::PROPANE_TARGET
