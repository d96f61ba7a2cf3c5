#include "backends/cpu/kernels/norm.h"

#include <algorithm>
#include <cstring>

#include "backends/cpu/kernels/norm_kernels.h"
#include "backends/cpu/kernels/select.h"
#include "base/error.h"
#include "base/threads.h"

namespace propane::cpu {

PROPANE_DISPATCH(NormKernels, norm_kernels)

namespace {

// Rows a thread takes at a time: about 16 KB.
int64_t grain(int64_t dim) { return std::max<int64_t>(1, 4096 / std::max<int64_t>(1, dim)); }

// The gradients of gain and bias are sums over rows. They are cut into parts by the number of rows alone, so that the
// number of threads changes no bit.
int64_t part_count(int64_t rows) { return std::clamp<int64_t>(rows / 16, 1, 64); }
int64_t part_stride(int64_t dim) { return (dim + 15) / 16 * 16; }

using GradRows = void (*)(const NormGrad&, int64_t, int64_t, float*, float*);

void norm_grad(const NormGrad& args, std::span<std::byte> scratch, GradRows grad_rows) {
  const NormKernels& kernels = norm_kernels();
  if (!args.dgain && !args.dbias) {
    threads().parallel_for(args.rows, grain(args.dim),
                           [&](int64_t begin, int64_t end) { grad_rows(args, begin, end, nullptr, nullptr); });
    return;
  }
  const size_t needed = norm_grad_scratch_bytes(args.rows, args.dim);
  if (scratch.size() < needed) fail("norm: expected {} bytes of scratch memory, found {}", needed, scratch.size());
  const int64_t parts = part_count(args.rows), stride = part_stride(args.dim);
  float* dgain = reinterpret_cast<float*>(scratch.data());
  float* dbias = dgain + parts * stride;
  threads().parallel_for(parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      float* gain_part = args.dgain ? dgain + p * stride : nullptr;
      float* bias_part = args.dbias ? dbias + p * stride : nullptr;
      for (float* part : {gain_part, bias_part})
        if (part) std::memset(part, 0, static_cast<size_t>(stride) * sizeof(float));
      grad_rows(args, args.rows * p / parts, args.rows * (p + 1) / parts, gain_part, bias_part);
    }
  });
  const bool add = args.accumulate_params;
  if (args.dgain) kernels.sum_parts(dgain, parts, stride, 0, args.dim, args.dgain, add);
  if (args.dbias) kernels.sum_parts(dbias, parts, stride, 0, args.dim, args.dbias, add);
}

}  // namespace

void rms_norm(const RmsNorm& args) {
  threads().parallel_for(args.rows, grain(args.dim),
                         [&](int64_t begin, int64_t end) { norm_kernels().rms_norm(args, begin, end); });
}

void layer_norm(const LayerNorm& args) {
  threads().parallel_for(args.rows, grain(args.dim),
                         [&](int64_t begin, int64_t end) { norm_kernels().layer_norm(args, begin, end); });
}

size_t norm_grad_scratch_bytes(int64_t rows, int64_t dim) {
  return static_cast<size_t>(2 * part_count(rows) * part_stride(dim)) * sizeof(float);
}

void rms_norm_grad(const NormGrad& args, std::span<std::byte> scratch) {
  norm_grad(args, scratch, norm_kernels().rms_norm_grad);
}

void layer_norm_grad(const NormGrad& args, std::span<std::byte> scratch) {
  norm_grad(args, scratch, norm_kernels().layer_norm_grad);
}

}  // namespace propane::cpu
