#include "backends/cpu/kernels/adamw.h"

#include <algorithm>
#include <cmath>

#include "backends/cpu/kernels/adamw_kernels.h"
#include "backends/cpu/kernels/select.h"
#include "base/random.h"
#include "base/threads.h"

namespace propane::cpu {

PROPANE_DISPATCH(AdamWKernels, adamw_kernels)

namespace {

constexpr int64_t kBlock = 16384;  // elements; a block lies within one tensor
constexpr int64_t kParts = 256;    // of a sum over all blocks

int64_t blocks_of(int64_t count) { return (count + kBlock - 1) / kBlock; }

template <typename Tensor>
int64_t total_blocks(std::span<const Tensor> tensors) {
  int64_t total = 0;
  for (const Tensor& t : tensors) total += blocks_of(t.count);
  return total;
}

// body(tensor, begin, end) for the blocks [first, last) of all tensors in order.
template <typename Tensor, typename Body>
void for_blocks(std::span<const Tensor> tensors, int64_t first, int64_t last, Body&& body) {
  int64_t before = 0;  // blocks of the tensors passed
  for (const Tensor& t : tensors) {
    const int64_t count = blocks_of(t.count);
    for (int64_t block = std::max(first, before); block < std::min(last, before + count); ++block)
      body(t, (block - before) * kBlock, std::min(t.count, (block - before + 1) * kBlock));
    before += count;
    if (before >= last) return;
  }
}

}  // namespace

void adamw(std::span<const AdamWTensor> tensors, const AdamWStep& step) {
  if (step.skip) return;
  const double steps = static_cast<double>(step.step);
  const AdamWFactors factors{
      .first_rate = static_cast<float>(1 - step.beta1),
      .second_rate = static_cast<float>(1 - step.beta2),
      .decay = static_cast<float>(step.lr * step.weight_decay),
      .step_size = static_cast<float>(step.lr / (1 - std::pow(step.beta1, steps))),
      .root_factor = static_cast<float>(1 / std::sqrt(1 - std::pow(step.beta2, steps))),
      .eps = static_cast<float>(step.eps),
      .grad_scale = static_cast<float>(step.grad_scale),
      .stochastic = step.stochastic_rounding,
  };
  threads().parallel_for(total_blocks(tensors), 1, [&](int64_t first, int64_t last) {
    for_blocks(tensors, first, last, [&](const AdamWTensor& t, int64_t begin, int64_t end) {
      const uint32_t key = Random(step.seed, t.stream).words(static_cast<uint64_t>(step.step))[0];
      adamw_kernels().update(t, factors, key, begin, end);
    });
  });
}

double sum_squares(std::span<const FloatSpan> tensors) {
  const int64_t blocks = total_blocks(tensors), parts = std::clamp<int64_t>(blocks, 1, kParts);
  double sums[kParts] = {};
  threads().parallel_for(parts, 1, [&](int64_t first, int64_t last) {
    for (int64_t p = first; p < last; ++p)
      for_blocks(tensors, blocks * p / parts, blocks * (p + 1) / parts,
                 [&](const FloatSpan& t, int64_t begin, int64_t end) {
                   sums[p] += adamw_kernels().sum_squares(t.data, begin, end);
                 });
  });
  double total = 0;
  for (double sum : sums) total += sum;
  return total;
}

}  // namespace propane::cpu
