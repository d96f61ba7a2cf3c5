// Mixtures of experts, on kernels/experts.h.

#include "backends/cpu/kernels/experts.h"

#include <cmath>

#include "backends/cpu/ops/op.h"

namespace propane::cpu {

namespace {

// The k largest of a row in falling order, the first of equal ones, by insertion: k is small.
void choose(const float* scores, int64_t experts, int64_t k, bool normalize, float* weights, int32_t* ids) {
  int64_t found = 0;
  for (int64_t e = 0; e < experts; ++e) {
    int64_t at = found;
    while (at > 0 && scores[ids[at - 1]] < scores[e]) --at;
    if (at == k) continue;
    if (found < k) ++found;
    for (int64_t j = found - 1; j > at; --j) ids[j] = ids[j - 1];
    ids[at] = static_cast<int32_t>(e);
  }
  const float largest = scores[ids[0]];
  float sum = 0;
  for (int64_t e = 0; e < (normalize ? k : experts); ++e)
    sum += std::exp(scores[normalize ? ids[e] : static_cast<int32_t>(e)] - largest);
  for (int64_t j = 0; j < k; ++j) weights[j] = std::exp(scores[ids[j]] - largest) / sum;
}

Compiled compile_choose(const StepView& s) {
  const int scores = s.in(0), weights = s.out(0), ids = s.out(1);
  const int64_t rows = s.shape(scores).rows(), experts = s.shape(scores).dim(-1), k = s.integer("k");
  const bool normalize = s.integer("normalize") != 0;
  return {[=](const Memory& m) {
    for (int64_t r = 0; r < rows; ++r)
      choose(m.f32(scores) + r * experts, experts, k, normalize, m.f32(weights) + r * k, m.i32(ids) + r * k);
  }};
}

Compiled compile_expert_linear(const StepView& s) {
  const int x = s.in(0), w = s.in(1), ids = s.in(2), bias = s.in(3), y = s.out(0);
  ExpertLinear call;
  call.choices = s.shape(ids).count();
  call.experts = s.shape(w)[0], call.out = s.shape(w)[1], call.in = s.shape(w)[2];
  call.shared = call.choices / s.shape(x).rows();
  return {[=](const Memory& m) {
    ExpertLinear args = call;
    args.x = m.f32(x), args.w = m.f32(w), args.ids = m.i32(ids), args.bias = m.f32(bias), args.y = m.f32(y);
    expert_linear(args);
  }};
}

Compiled compile_expert_sum(const StepView& s) {
  const int y = s.in(0), weights = s.in(1), z = s.out(0);
  const int64_t tokens = s.shape(weights).rows(), k = s.shape(weights).dim(-1), dim = s.shape(y).dim(-1);
  return {[=](const Memory& m) { expert_sum(tokens, k, dim, m.f32(y), m.f32(weights), m.f32(z)); }};
}

Compiled compile_clamped_swiglu(const StepView& s) {
  const int gate = s.in(0), up = s.in(1), h = s.out(0);
  const int64_t n = s.shape(gate).count();
  const auto alpha = static_cast<float>(s.real("alpha")), limit = static_cast<float>(s.real("limit"));
  return {[=](const Memory& m) { clamped_swiglu(n, alpha, limit, m.f32(gate), m.f32(up), m.f32(h)); }};
}

}  // namespace

std::span<const OpEntry> expert_entries() {
  static const OpEntry entries[] = {{"choose_experts", compile_choose},
                                    {"expert_linear", compile_expert_linear},
                                    {"expert_sum", compile_expert_sum},
                                    {"clamped_swiglu", compile_clamped_swiglu}};
  return entries;
}

}  // namespace propane::cpu
