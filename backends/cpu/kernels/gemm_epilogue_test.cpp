// What the products do with their results: scales, bias, activations, residuals, several weights at once, swiglu.
#include <gtest/gtest.h>

#include "backends/cpu/kernels/every_target.h"
#include "backends/cpu/kernels/gemm.h"
#include "backends/cpu/kernels/gemm_test_data.h"
#include "base/error.h"

namespace propane::cpu {
namespace {

class GemmEpilogueTest : public EveryTarget {};
PROPANE_EVERY_TARGET(GemmEpilogueTest);

double activate(Activation activation, double x) {
  switch (activation) {
    case Activation::none: return x;
    case Activation::relu: return std::max(x, 0.0);
    case Activation::relu2: return std::max(x, 0.0) * std::max(x, 0.0);
    case Activation::gelu_tanh: return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Activation::silu: return x / (1 + std::exp(-x));
  }
  return x;
}

// The rounding of the product and a few ulp of the epilogue's own.
double epilogue_bound(int64_t k) { return 2 * product_bound(k) + 8 * 0x1p-24; }

TEST_P(GemmEpilogueTest, EveryCombinationMatchesDouble) {
  constexpr int64_t m = 37, n = 75, k = 450;
  const Operand a(m, k, false, 0, 1), b(k, n, true, 0, 2);
  const std::vector<float> bias = random_floats(n, 3), row_scale = random_floats(m, 4);
  const Operand residual(m, n, false, 2, 5);
  const std::vector<double> product = reference_product(a.values, b.values, m, n, k);
  for (int threads : {1, 3}) {
    ThreadPool pool(threads);
    for (Activation activation :
         {Activation::none, Activation::relu, Activation::relu2, Activation::gelu_tanh, Activation::silu})
      for (int used = 0; used < 16; ++used) {
        Result c(m, n, 3), pre(m, n, 1);
        Gemm g{.m = m, .n = n, .k = k, .a = a.matrix, .b = b.matrix, .c = c.data(), .ldc = c.stride};
        Epilogue& e = g.epilogue;
        e.scale = 0.05f;
        e.activation = activation;
        if (used & 1) e.row_scale = row_scale.data();
        if (used & 2) e.bias = bias.data();
        if (used & 4)
          e.residual = residual.matrix.data, e.ld_residual = residual.matrix.stride, e.residual_scale = 1.5f;
        if (used & 8) e.pre_activation = pre.data(), e.ld_pre_activation = pre.stride;
        run_gemm(g, pool);

        std::vector<double> before(m * n), after(m * n);
        for (int64_t i = 0; i < m; ++i)
          for (int64_t j = 0; j < n; ++j) {
            double x = product[i * n + j] * e.scale;
            if (e.row_scale) x *= row_scale[i];
            if (e.bias) x += bias[j];
            before[i * n + j] = x;
            x = activate(activation, x);
            if (e.residual) x += 1.5 * residual.values[i * n + j];
            after[i * n + j] = x;
          }
        EXPECT_LE(relative_error(c.dense(), after), epilogue_bound(k)) << static_cast<int>(activation) << ' ' << used;
        if (e.pre_activation) {
          EXPECT_LE(relative_error(pre.dense(), before), epilogue_bound(k));
        }
      }
  }
}

TEST_P(GemmEpilogueTest, AnAccumulatedResultIsFinishedAsAWhole) {
  constexpr int64_t m = 20, n = 40, k = 30;
  const Operand a(m, k, false, 0, 1), b(k, n, false, 0, 2);
  const std::vector<float> before = random_floats(m * n, 3);
  ThreadPool pool(2);
  Result c(m, n);
  c.fill(before);
  Gemm g{.m = m, .n = n, .k = k, .a = a.matrix, .b = b.matrix, .c = c.data(), .ldc = n, .accumulate = true};
  g.epilogue.activation = Activation::relu2;
  run_gemm(g, pool);
  std::vector<double> ref = reference_product(a.values, b.values, m, n, k, before);
  for (double& x : ref) x = activate(Activation::relu2, x);
  EXPECT_LE(relative_error(c.dense(), ref), epilogue_bound(k));
}

void run_linears(const Linears& l, ThreadPool& pool) {
  ScratchMemory scratch(linears_scratch_bytes(l, pool.size()));
  linears(l, scratch.span(), pool);
}

// q, k and v of different widths, one of them packed, one with a bias.
TEST_P(GemmEpilogueTest, SeveralWeightsGiveTheBitsOfOneByOne) {
  constexpr int64_t m = 61, k = 410;
  constexpr int64_t widths[] = {96, 33, 47};
  const Operand x(m, k, false, 0, 1);
  const Operand q(k, widths[0], true, 0, 2), key(k, widths[1], false, 1, 3), v(k, widths[2], true, 0, 4);
  const std::vector<float> bias = random_floats(widths[2], 5);
  for (int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    ScratchMemory packed(packed_weight_bytes(widths[0], k));
    auto* panels = reinterpret_cast<float*>(packed.span().data());
    pack_weight(q.matrix.data, q.matrix.stride, widths[0], k, panels, pool);
    Result together[] = {{m, widths[0]}, {m, widths[1], 4}, {m, widths[2]}};
    Result apart[] = {{m, widths[0]}, {m, widths[1], 4}, {m, widths[2]}};
    const Matrix weights[] = {q.matrix, key.matrix, v.matrix};
    LinearOutput outputs[3];
    for (int i = 0; i < 3; ++i) {
      LinearOutput& o = outputs[i];
      o = {.n = widths[i], .b = weights[i], .c = apart[i].data(), .ldc = apart[i].stride};
      if (i == 2) o.epilogue.bias = bias.data();
      run_gemm({.m = m, .n = o.n, .k = k, .a = x.matrix, .b = o.b, .c = o.c, .ldc = o.ldc, .epilogue = o.epilogue},
               pool);
      o.c = together[i].data();
    }
    outputs[0].packed_b = panels;
    run_linears({.m = m, .k = k, .a = x.matrix, .outputs = outputs}, pool);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(together[i].dense(), apart[i].dense()) << i << ", " << threads << " threads";
  }
}

TEST_P(GemmEpilogueTest, SwigluJoinsGateAndUpWhetherOrNotTheyAreKept) {
  constexpr int64_t m = 45, n = 83, k = 900;
  const Operand x(m, k, false, 0, 1), gate(k, n, true, 0, 2), up(k, n, true, 0, 3);
  const auto g = reference_product(x.values, gate.values, m, n, k), u = reference_product(x.values, up.values, m, n, k);
  std::vector<double> ref(g.size());
  for (size_t i = 0; i < ref.size(); ++i) ref[i] = activate(Activation::silu, g[i]) * u[i];

  std::vector<float> first;
  for (int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (int kept = 0; kept < 4; ++kept) {
      Result gates(m, n, 1), ups(m, n), h(m, n, 2);
      LinearOutput outputs[] = {{.n = n, .b = gate.matrix, .c = kept & 1 ? gates.data() : nullptr, .ldc = gates.stride},
                                {.n = n, .b = up.matrix, .c = kept & 2 ? ups.data() : nullptr, .ldc = ups.stride}};
      run_linears({.m = m, .k = k, .a = x.matrix, .outputs = outputs, .swiglu = h.data(), .ld_swiglu = h.stride}, pool);
      if (first.empty()) first = h.dense();
      EXPECT_EQ(h.dense(), first) << "kept " << kept << ", " << threads << " threads";
      if (kept & 1) {
        EXPECT_LE(relative_error(gates.dense(), g), product_bound(k));
      }
      if (kept & 2) {
        EXPECT_LE(relative_error(ups.dense(), u), product_bound(k));
      }
    }
  }
  EXPECT_LE(relative_error(first, ref), epilogue_bound(k));
}

// A plan sizes its scratch before any memory has an address.
TEST_P(GemmEpilogueTest, ScratchForTheSizesSufficesForEveryUse) {
  ThreadPool pool(3);
  for (int64_t k : {64, 5000}) {
    constexpr int64_t m = 19, n = 70;
    const Operand x(m, k, false, 0, 1), gate(k, n, true, 0, 2), up(k, n, true, 0, 3);
    const LinearOutput sizes[] = {{.n = n}, {.n = n}};
    ScratchMemory scratch(linears_scratch_bytes({.m = m, .k = k, .outputs = sizes}, pool.size()));
    for (bool kept : {false, true}) {
      Result gates(m, n), ups(m, n), h(m, n);
      const LinearOutput outputs[] = {{.n = n, .b = gate.matrix, .c = kept ? gates.data() : nullptr, .ldc = n},
                                      {.n = n, .b = up.matrix, .c = kept ? ups.data() : nullptr, .ldc = n}};
      EXPECT_NO_THROW(linears({.m = m, .k = k, .a = x.matrix, .outputs = outputs, .swiglu = h.data(), .ld_swiglu = n},
                              scratch.span(), pool));
    }
  }
}

TEST_P(GemmEpilogueTest, SwigluNeedsTwoOutputsOfEqualWidth) {
  ThreadPool pool(1);
  Result h(2, 3);
  const LinearOutput outputs[] = {{.n = 3}, {.n = 4}};
  EXPECT_THROW(run_linears({.m = 2, .k = 2, .outputs = outputs, .swiglu = h.data(), .ld_swiglu = 3}, pool), Error);
}

}  // namespace
}  // namespace propane::cpu
