#include "backends/cpu/kernels/activation.h"

#include <algorithm>

#include "backends/cpu/kernels/activation_kernels.h"
#include "backends/cpu/kernels/select.h"
#include "base/threads.h"

namespace propane::cpu {

PROPANE_DISPATCH(ActivationKernels, activation_kernels)

namespace {

constexpr int64_t kGrain = 4096;  // elements a thread takes at least

int64_t row_grain(int64_t dim) { return std::max<int64_t>(1, kGrain / std::max<int64_t>(1, dim)); }

}  // namespace

void unary(Unary f, int64_t count, const float* x, float* y) {
  threads().parallel_for(count, kGrain,
                         [&](int64_t begin, int64_t end) { activation_kernels().unary(f, begin, end, x, y); });
}

void unary_grad(Unary f, int64_t count, const float* x, const float* dy, float* dx) {
  threads().parallel_for(
      count, kGrain, [&](int64_t begin, int64_t end) { activation_kernels().unary_grad(f, begin, end, x, dy, dx); });
}

void softcap(int64_t count, float cap, const float* x, float* y) {
  threads().parallel_for(count, kGrain,
                         [&](int64_t begin, int64_t end) { activation_kernels().softcap(cap, begin, end, x, y); });
}

void softcap_grad(int64_t count, float cap, const float* x, const float* dy, float* dx) {
  threads().parallel_for(count, kGrain, [&](int64_t begin, int64_t end) {
    activation_kernels().softcap_grad(cap, begin, end, x, dy, dx);
  });
}

void swiglu(const Swiglu& args) {
  threads().parallel_for(args.rows, row_grain(args.dim),
                         [&](int64_t begin, int64_t end) { activation_kernels().swiglu(args, begin, end); });
}

void swiglu_grad(const SwigluGrad& args) {
  threads().parallel_for(args.rows, row_grain(args.dim),
                         [&](int64_t begin, int64_t end) { activation_kernels().swiglu_grad(args, begin, end); });
}

}  // namespace propane::cpu
