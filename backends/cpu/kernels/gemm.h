// Single-precision matrix products: C[m, n] = A[m, k]·B[k, n], packed, blocked and threaded.
//
// Blocking and packing follow Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (ACM TOMS
// 2008), and BLIS. Every element of C is one chain of multiply-adds over k in ascending order, starting from C or from
// zero: its bits do not depend on the number of threads, on m, n, the blocks, or on what else is computed with it, so a
// row has the same bits in a batch of one and of a thousand, from a packed weight and from a plain one. They do depend
// on the target (kernels/select.h).
//
// Nothing here allocates: scratch is the caller's, of at least the bytes that the ..._scratch_bytes function says for
// the number of threads of the pool; that function looks at the sizes only (m, n, k), so pointers may still be unset.
// Errors: propane::Error if the scratch is too small. C must not overlap an input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "backends/cpu/kernels/epilogue.h"
#include "base/threads.h"

namespace propane::cpu {

// A row-major float32 matrix whose rows start `stride` elements apart; seen transposed if `transposed`: element (i, j)
// is data[j·stride + i].
struct Matrix {
  const float* data = nullptr;
  int64_t stride = 0;
  bool transposed = false;
};

using Scratch = std::span<std::byte>;

// C = epilogue(A·B), or epilogue(C + A·B) with `accumulate`. A linear layer y = x·wᵀ has b = {w, in, true}; its dx is
// dy·w and its dw is a = {dy, out, true}, b = {x, in}.
struct Gemm {
  int64_t m = 0, n = 0, k = 0;
  Matrix a = {};                    // [m, k]
  Matrix b = {};                    // [k, n]
  const float* packed_b = nullptr;  // instead of b: what pack_weight made of [n, k]
  float* c = nullptr;               // [m, n]; only written, unless `accumulate`
  int64_t ldc = 0;
  bool accumulate = false;
  // The caller knows C to be symmetric (a = X, b = Xᵀ, say; the epilogue too): half of it is computed, half copied.
  bool symmetric = false;
  Epilogue epilogue = {};
};

size_t gemm_scratch_bytes(const Gemm& gemm, int threads);
void gemm(const Gemm& gemm, Scratch scratch, ThreadPool& pool = threads());

// Products that do not depend on each other; as many at a time as there are threads, each on one of them.
size_t gemm_batch_scratch_bytes(std::span<const Gemm> batch, int threads);
void gemm_batch(std::span<const Gemm> batch, Scratch scratch, ThreadPool& pool = threads());

// Several products with the same A, which is read and packed once: q, k and v; gate and up.
struct LinearOutput {
  int64_t n = 0;
  Matrix b = {};  // [k, n]
  const float* packed_b = nullptr;
  float* c = nullptr;  // [m, n]
  int64_t ldc = 0;
  bool accumulate = false;
  Epilogue epilogue = {};
};

struct Linears {
  int64_t m = 0, k = 0;
  Matrix a = {};  // [m, k]
  std::span<const LinearOutput> outputs = {};
  // If set, outputs are the gate and the up projection, of equal n, and swiglu[m, n] = silu(gate) · up. Their own `c`
  // may then be null: their values are not kept.
  float* swiglu = nullptr;
  int64_t ld_swiglu = 0;
};

size_t linears_scratch_bytes(const Linears& linears, int threads);
void linears(const Linears& linears, Scratch scratch, ThreadPool& pool = threads());

// A weight [out, in] (rows `stride` apart) in the order in which the products read it: [out/w][in][w] for the target's
// panel width w, the last panel filled up with zeros. Decoding reads every byte of it once, in order. `packed` is
// aligned to 64 bytes; it is of the selected target and wrong for any other.
size_t packed_weight_bytes(int64_t out, int64_t in);
void pack_weight(const float* weight, int64_t stride, int64_t out, int64_t in, float* packed,
                 ThreadPool& pool = threads());

}  // namespace propane::cpu
