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

PROPANE_INLINE int columns_left(int64_t from, int64_t end) {
  return end - from >= kLanes ? kLanes : end > from ? static_cast<int>(end - from) : 0;
}

// kLanes columns of a panel from column j on, `valid` of them the source's.
void transpose_columns(const PanelCopy& copy, const float* from, float* to, int valid, int columns) {
  const int64_t stride = copy.stride;
  const int width = copy.width;
  for (int64_t p = 0; p < copy.depth; p += kLanes, from += kLanes, to += kLanes * width) {
    const int rows = columns_left(p, copy.depth);
    Vec square[kLanes];
    if (valid == kLanes && rows == kLanes) {
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) square[i] = load(from + i * stride);
    } else {
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) square[i] = i < valid ? load_part(from + i * stride, rows) : Vec{};
    }
    transpose(square);
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

}  // namespace

// Row by row through all panels: the source's rows are read along, whatever their stride does to the cache's sets.
void copy_panels(const PanelCopy& copy) {
  constexpr int64_t kAhead = 6;  // rows
  for (int64_t p = 0; p < copy.depth; ++p) {
    const float* from = copy.from + p * copy.stride;
    const float* const ahead = from + (p + kAhead < copy.depth ? kAhead * copy.stride : 0);
    float* to = copy.to + p * copy.width;
    for (int64_t column = 0; column < copy.columns; column += copy.width, to += copy.panel_stride)
      for (int j = 0; j < copy.width; j += kLanes) {
        __builtin_prefetch(ahead + column + j);
        store_columns(to + j, load_part(from + column + j, columns_left(column + j, copy.columns)),
                      columns_left(j, copy.width), copy.width);
      }
  }
}

void transpose_panels(const PanelCopy& copy) {
  float* to = copy.to;
  for (int64_t column = 0; column < copy.columns; column += copy.width, to += copy.panel_stride) {
    const int64_t end = column + copy.width < copy.columns ? column + copy.width : copy.columns;
    for (int j = 0; j < copy.width; j += kLanes)
      transpose_columns(copy, copy.from + (column + j) * copy.stride, to + j, columns_left(column + j, end),
                        columns_left(j, copy.width));
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
