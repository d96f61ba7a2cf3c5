#include "backends/cpu/kernels/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "backends/cpu/kernels/rope_kernels.h"
#include "backends/cpu/kernels/select.h"
#include "base/error.h"
#include "base/half.h"
#include "base/threads.h"

namespace propane::cpu {

PROPANE_DISPATCH(RopeKernels, rope_kernels)

namespace {

template <typename Body>
void for_tokens(const Rope& args, Body&& body) {
  if (args.rotary_dim % 2 != 0 || args.rotary_dim > args.head_dim)
    fail("rope: expected an even rotary_dim of at most head_dim {}, found {}", args.head_dim, args.rotary_dim);
  const int64_t grain = std::max<int64_t>(1, 4096 / std::max<int64_t>(1, args.n_head * args.head_dim));
  threads().parallel_for(args.tokens, grain, body);
}

// The angle that pair i of the head turns by from one position to the next.
double frequency(const RopeTable& table, int64_t i) {
  const double given = std::pow(table.theta, -2.0 * static_cast<double>(i) / static_cast<double>(table.rotary_dim));
  const double plain = table.factors ? given / table.factors[i] : given;
  if (table.scaling_factor == 0) return plain;
  const double turns = table.original_max_position * plain / (2 * std::numbers::pi);  // over the trained context
  if (turns > table.high_freq_factor) return plain;
  if (turns < table.low_freq_factor) return plain / table.scaling_factor;
  const double blend = (turns - table.low_freq_factor) / (table.high_freq_factor - table.low_freq_factor);
  return (1 - blend) * plain / table.scaling_factor + blend * plain;
}

}  // namespace

void rope(const Rope& args) {
  for_tokens(args, [&](int64_t begin, int64_t end) { rope_kernels().rope(args, begin, end); });
}

void rope_rms_norm(const Rope& args, float eps) {
  for_tokens(args, [&](int64_t begin, int64_t end) { rope_kernels().rope_rms_norm(args, eps, begin, end); });
}

void rope_rms_norm_grad(const Rope& args, float eps, Rows<const float> dy, Rows<float> dx) {
  for_tokens(args,
             [&](int64_t begin, int64_t end) { rope_kernels().rope_rms_norm_grad(args, eps, dy, dx, begin, end); });
}

void fill_rope_table(const RopeTable& table, float* cos, float* sin) {
  const auto round = [&](double x) {
    const float value = static_cast<float>(x);
    return table.round_to_bf16 ? bf16_to_float(float_to_bf16(value)) : value;
  };
  const int64_t half = table.rotary_dim / 2;
  for (int64_t i = 0; i < half; ++i) {
    const double step = frequency(table, i);
    for (int64_t p = 0; p < table.positions; ++p) {
      cos[p * half + i] = round(table.amplitude * std::cos(static_cast<double>(p) * step));
      sin[p * half + i] = round(table.amplitude * std::sin(static_cast<double>(p) * step));
    }
  }
}

}  // namespace propane::cpu
