#include <algorithm>
#include <cmath>
#include <numeric>

#include "backends/ref/kernels.h"

namespace propane::ref {

namespace {

void run_choose(const Operands& o) {
  const Tensor scores = o.in(0), weights = o.out(0), ids = o.out(1);
  const int64_t k = weights.last();
  std::vector<int64_t> order(static_cast<size_t>(scores.last()));
  for (int64_t r = 0; r < scores.rows(); ++r) {
    const double* s = scores.row(r);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return s[a] > s[b]; });
    const auto counted = o.attrs.integer("normalize") != 0 ? order.begin() + k : order.end();
    double sum = 0.0;
    for (auto e = order.begin(); e != counted; ++e) sum += std::exp(s[*e] - s[order[0]]);
    for (int64_t j = 0; j < k; ++j) {
      const int64_t e = order[static_cast<size_t>(j)];
      ids.row(r)[j] = static_cast<double>(e);
      weights.row(r)[j] = std::exp(s[e] - s[order[0]]) / sum;
    }
  }
}

void run_expert_linear(const Operands& o) {
  const Tensor x = o.in(0), w = o.in(1), ids = o.in(2), bias = o.in(3), y = o.out(0);
  const int64_t experts = w.shape[0], out = w.shape[1], in = w.shape[2];
  const int64_t shared = ids.count() / x.rows();  // choices that read one row of x
  for (int64_t i = 0; i < ids.count(); ++i) {
    const int64_t e = ids.index(i, experts, "expert_linear");
    for (int64_t r = 0; r < out; ++r) {
      double sum = bias ? bias[e * out + r] : 0.0;
      for (int64_t c = 0; c < in; ++c) sum += w.row(e * out + r)[c] * x.row(i / shared)[c];
      y.row(i)[r] = sum;
    }
  }
}

void run_expert_sum(const Operands& o) {
  const Tensor y = o.in(0), weights = o.in(1), z = o.out(0);
  const int64_t k = weights.last();
  for (int64_t r = 0; r < z.rows(); ++r)
    for (int64_t c = 0; c < z.last(); ++c) {
      z.row(r)[c] = 0.0;
      for (int64_t j = 0; j < k; ++j) z.row(r)[c] += weights.row(r)[j] * y.row(r * k + j)[c];
    }
}

void run_clamped_swiglu(const Operands& o) {
  const Tensor gate = o.in(0), up = o.in(1), h = o.out(0);
  const double alpha = o.attrs.real("alpha"), limit = o.attrs.real("limit");
  for (int64_t i = 0; i < h.count(); ++i) {
    const double g = std::min(gate[i], limit), u = std::clamp(up[i], -limit, limit);
    h[i] = (u + 1.0) * g / (1.0 + std::exp(-alpha * g));
  }
}

}  // namespace

std::span<const RefOp> expert_ops() {
  static constexpr RefOp kOps[] = {
      {.name = "choose_experts", .kernel = run_choose},
      {.name = "expert_linear", .kernel = run_expert_linear},
      {.name = "expert_sum", .kernel = run_expert_sum},
      {.name = "clamped_swiglu", .kernel = run_clamped_swiglu},
  };
  return kOps;
}

}  // namespace propane::ref
