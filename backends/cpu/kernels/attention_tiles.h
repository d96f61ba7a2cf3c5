// Small dense products on tiles that fit the cache, for the attention kernels (*.simd.cpp files only).
//
// A tile is row-major with a row length (ld) that is a multiple of the vector length and never of a large power of
// two bytes, so that its rows spread over the cache's sets. Every element of a product is one chain of multiply-adds
// over k in ascending order: its bits depend on its own row and column only, not on the blocking.
#pragma once

#include "backends/cpu/kernels/transpose.h"
#include "backends/cpu/kernels/vector_math.h"

namespace propane::cpu::PROPANE_TARGET {

// The register tile: kRows × kCols vectors of sums, plus a row of B, fill the registers.
constexpr int kRows = 6;
#if defined(PROPANE_TARGET_avx512) || defined(PROPANE_TARGET_neon)
constexpr int kCols = 4;  // 32 registers
#else
constexpr int kCols = 2;  // 16
#endif

constexpr int64_t round_up(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

// Row length of a tile with `n` columns: whole vectors and an odd number of cache lines.
constexpr int64_t tile_ld(int64_t n) {
  const int64_t lines = round_up(n, 16) / 16;
  return (lines | 1) * 16;
}

// C[M, N·kLanes] = A·B or, with `add`, += A·B. A(i, p) is a[i·a_row + p·a_k].
template <int M, int N>
void product_block(const float* a, int64_t a_row, int64_t a_k, const float* b, int64_t ldb, int64_t k, float* c,
                   int64_t ldc, bool add) {
  Vec sums[M][N];
#pragma GCC unroll 8
  for (int i = 0; i < M; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) sums[i][j] = add ? load(c + i * ldc + j * kLanes) : Vec{};
  for (int64_t p = 0; p < k; ++p) {
    Vec row[N];
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) row[j] = load(b + p * ldb + j * kLanes);
#pragma GCC unroll 8
    for (int i = 0; i < M; ++i) {
      const Vec x = broadcast(a[i * a_row + p * a_k]);
#pragma GCC unroll 8
      for (int j = 0; j < N; ++j) sums[i][j] = fma(x, row[j], sums[i][j]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < M; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) store(c + i * ldc + j * kLanes, sums[i][j]);
}

using ProductBlock = void (*)(const float*, int64_t, int64_t, const float*, int64_t, int64_t, float*, int64_t, bool);

template <int... M>
PROPANE_INLINE ProductBlock choose_block(int m, int n, std::integer_sequence<int, M...>) {
  static constexpr ProductBlock kBlocks[][kRows] = {
    {product_block<M + 1, 1>...},
    {product_block<M + 1, 2>...},
#if defined(PROPANE_TARGET_avx512) || defined(PROPANE_TARGET_neon)
    {product_block<M + 1, 3>...},
    {product_block<M + 1, 4>...}
#endif
  };
  return kBlocks[n - 1][m - 1];
}

// A strip of at most kRows rows: C[m, n] = A[m, k]·B[k, n], or += with `add`; n is a multiple of kLanes.
PROPANE_INLINE void strip_product(int m, int64_t n, int64_t k, const float* a, int64_t a_row, int64_t a_k,
                                  const float* b, int64_t ldb, float* c, int64_t ldc, bool add) {
  for (int64_t j = 0; j < n; j += kCols * kLanes) {
    const int64_t left = (n - j) / kLanes;
    const int cols = left < kCols ? static_cast<int>(left) : kCols;
    choose_block(m, cols, std::make_integer_sequence<int, kRows>())(a, a_row, a_k, b + j, ldb, k, c + j, ldc, add);
  }
}

// Asks for rows of `n` floats, `stride` apart, to be brought into the cache.
PROPANE_INLINE void prefetch_rows(const float* from, int64_t stride, int64_t rows, int64_t n) {
  for (int64_t i = 0; i < rows; ++i, from += stride)
    for (int64_t c = 0; c < n; c += 16) __builtin_prefetch(from + c, 0, 2);
}

// Copies `rows` rows of `n` floats, `stride` apart, to a tile; columns up to a whole vector become zero.
PROPANE_INLINE void copy_tile(const float* from, int64_t stride, int64_t rows, int64_t n, float* to, int64_t ld) {
  const int64_t whole = n / kLanes * kLanes;
  for (int64_t i = 0; i < rows; ++i, from += stride, to += ld) {
    for (int64_t c = 0; c < whole; c += kLanes) store(to + c, load(from + c));
    if (whole < n) store(to + whole, load_part(from + whole, static_cast<int>(n - whole)));
  }
}

// Transposes `rows` rows of `n` floats, `stride` apart, to a tile of n rows; columns beyond `rows` up to a whole
// vector become zero.
PROPANE_INLINE void transpose_tile(const float* from, int64_t stride, int64_t rows, int64_t n, float* to, int64_t ld) {
  for (int64_t r = 0; r < rows; r += kLanes) {
    for (int64_t c = 0; c < n; c += kLanes) {
      const int width = n - c < kLanes ? static_cast<int>(n - c) : kLanes;
      Vec v[kLanes];
      if (width == kLanes && rows - r >= kLanes) {
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; ++i) v[i] = load(from + (r + i) * stride + c);
      } else {
        for (int i = 0; i < kLanes; ++i) v[i] = r + i < rows ? load_part(from + (r + i) * stride + c, width) : Vec{};
      }
      transpose(v);
      for (int i = 0; i < width; ++i) store(to + (c + i) * ld + r, v[i]);
    }
  }
}

}  // namespace propane::cpu::PROPANE_TARGET
