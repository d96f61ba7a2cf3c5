// For the tests of the matrix products: operands that end exactly where they must not be read beyond, with NaN between
// their rows, and the product in double precision.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "backends/cpu/kernels/gemm.h"
#include "backends/cpu/kernels/test_data.h"

namespace propane::cpu {

// A random [rows, cols] matrix, stored transposed if asked, whose rows are `pad` floats further apart than they need.
struct Operand {
  Operand(int64_t rows, int64_t cols, bool transposed, int64_t pad, uint64_t seed)
      : values(random_floats(rows * cols, seed)) {
    const int64_t stored_rows = transposed ? cols : rows, stored_cols = transposed ? rows : cols;
    const int64_t stride = stored_cols + pad;
    storage = poison(stored_rows ? (stored_rows - 1) * stride + stored_cols : 0);
    matrix = {storage.data(), stride, transposed};
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < cols; ++j) storage[transposed ? j * stride + i : i * stride + j] = values[i * cols + j];
  }
  Operand(const Operand&) = delete;

  std::vector<float> values;  // [rows, cols]
  std::vector<float> storage;
  Matrix matrix;
};

// A result [rows, cols], NaN before and between and behind its rows; `dense` checks that they are still there.
struct Result {
  Result(int64_t rows_, int64_t cols_, int64_t pad = 0)
      : rows(rows_), cols(cols_), stride(cols_ + pad), storage(poison(rows_ ? (rows_ - 1) * stride + cols_ : 0)) {}

  float* data() { return storage.data(); }
  void fill(const std::vector<float>& values) {
    for (int64_t i = 0; i < rows; ++i) std::copy_n(&values[i * cols], cols, &storage[i * stride]);
  }
  // The values without what lies between the rows; empty if a kernel wrote there.
  std::vector<float> dense() const {
    std::vector<float> values;
    for (int64_t i = 0; i < rows; ++i) {
      values.insert(values.end(), &storage[i * stride], &storage[i * stride] + cols);
      if (i + 1 == rows) break;
      for (int64_t j = cols; j < stride; ++j)
        if (!std::isnan(storage[i * stride + j])) return {};
    }
    return values;
  }

  int64_t rows, cols, stride;
  std::vector<float> storage;
};

// a[m, k]·b[k, n], and + c if not empty.
inline std::vector<double> reference_product(const std::vector<float>& a, const std::vector<float>& b, int64_t m,
                                             int64_t n, int64_t k, const std::vector<float>& c = {}) {
  std::vector<double> product(static_cast<size_t>(m * n));
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t p = 0; p < k; ++p)
      for (int64_t j = 0; j < n; ++j) product[i * n + j] += static_cast<double>(a[i * k + p]) * b[p * n + j];
    for (int64_t j = 0; j < n && !c.empty(); ++j) product[i * n + j] += c[i * n + j];
  }
  return product;
}

// The bound on ‖out − ref‖ / ‖ref‖ for sums of k products: each step of a chain rounds once, and the roundings of a
// random sum add up like a random walk.
inline double product_bound(int64_t k) { return 0x1p-24 * (2 + std::sqrt(static_cast<double>(k))); }

// Runs a product on a pool with exactly the scratch that it asks for.
inline void run_gemm(const Gemm& g, ThreadPool& pool) {
  ScratchMemory scratch(gemm_scratch_bytes(g, pool.size()));
  gemm(g, scratch.span(), pool);
}

}  // namespace propane::cpu
