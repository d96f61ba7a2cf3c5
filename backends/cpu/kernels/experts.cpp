#include "backends/cpu/kernels/experts.h"

#include <algorithm>

#include "backends/cpu/kernels/experts_kernels.h"
#include "backends/cpu/kernels/select.h"
#include "base/error.h"
#include "base/threads.h"

namespace propane::cpu {

PROPANE_DISPATCH(ExpertKernels, expert_kernels)

namespace {

constexpr int64_t kGrain = 4096;  // elements a thread takes at least

int64_t grain(int64_t work) { return std::max<int64_t>(1, kGrain / std::max<int64_t>(1, work)); }

}  // namespace

void expert_linear(const ExpertLinear& args) {
  for (int64_t i = 0; i < args.choices; ++i)
    if (args.ids[i] < 0 || args.ids[i] >= args.experts)
      fail("expert_linear: index {} lies outside [0, {})", args.ids[i], args.experts);
  threads().parallel_for(args.choices * args.out, 8 * grain(args.in),
                         [&](int64_t begin, int64_t end) { expert_kernels().linear(args, begin, end); });
}

void expert_sum(int64_t tokens, int64_t k, int64_t dim, const float* y, const float* weights, float* z) {
  threads().parallel_for(tokens, grain(k * dim),
                         [&](int64_t begin, int64_t end) { expert_kernels().sum(begin, end, k, dim, y, weights, z); });
}

void clamped_swiglu(int64_t count, float alpha, float limit, const float* gate, const float* up, float* h) {
  threads().parallel_for(count, kGrain, [&](int64_t begin, int64_t end) {
    expert_kernels().clamped_swiglu(alpha, limit, begin, end, gate, up, h);
  });
}

}  // namespace propane::cpu
