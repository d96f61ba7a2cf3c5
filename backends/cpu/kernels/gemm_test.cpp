#include "backends/cpu/kernels/gemm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/cpu/kernels/every_target.h"
#include "backends/cpu/kernels/gemm_test_data.h"
#include "base/error.h"

namespace propane::cpu {
namespace {

struct Size {
  int64_t m, n, k;
};
std::ostream& operator<<(std::ostream& out, const Size& s) { return out << s.m << " × " << s.n << ", k = " << s.k; }

// Whole tiles of every target, single rows and columns, and sizes that leave every kind of remainder.
constexpr Size kSizes[] = {{1, 1, 1},    {1, 64, 33},   {64, 1, 33},   {5, 7, 3},     {14, 32, 64},  {15, 33, 17},
                           {28, 64, 96}, {29, 65, 129}, {31, 47, 250}, {48, 50, 400}, {84, 96, 100}, {97, 131, 777}};

class GemmTest : public EveryTarget {};
PROPANE_EVERY_TARGET(GemmTest);

TEST_P(GemmTest, MatchesDoubleForEveryLayoutSizeAndThreadCount) {
  for (int threads : {1, 2, 3, 5}) {
    ThreadPool pool(threads);
    for (const Size& s : kSizes)
      for (int layout = 0; layout < 8; ++layout) {
        const bool a_transposed = layout & 1, b_transposed = layout & 2, accumulate = layout & 4;
        const int64_t pad = layout % 3;
        const Operand a(s.m, s.k, a_transposed, pad, 1), b(s.k, s.n, b_transposed, 2 * pad, 2);
        Result c(s.m, s.n, pad);
        const std::vector<float> before = random_floats(s.m * s.n, 3);
        if (accumulate) c.fill(before);
        Gemm g{.m = s.m, .n = s.n, .k = s.k, .a = a.matrix, .b = b.matrix, .c = c.data(), .ldc = c.stride};
        g.accumulate = accumulate;
        run_gemm(g, pool);
        const auto ref =
            reference_product(a.values, b.values, s.m, s.n, s.k, accumulate ? before : std::vector<float>{});
        EXPECT_LE(relative_error(c.dense(), ref), product_bound(s.k))
            << s << ", layout " << layout << ", " << threads << " threads";
      }
  }
}

// Large enough for B to be packed in several chunks of columns and of k.
TEST_P(GemmTest, MatchesDoubleWhenBIsPackedInChunks) {
  const Size s{5, 1100, 4500};
  const Operand a(s.m, s.k, false, 0, 1);
  ThreadPool pool(2);
  for (bool transposed : {false, true}) {
    const Operand b(s.k, s.n, transposed, 0, 2);
    Result c(s.m, s.n);
    run_gemm({.m = s.m, .n = s.n, .k = s.k, .a = a.matrix, .b = b.matrix, .c = c.data(), .ldc = c.stride}, pool);
    EXPECT_LE(relative_error(c.dense(), reference_product(a.values, b.values, s.m, s.n, s.k)), product_bound(s.k));
  }
}

TEST_P(GemmTest, BitsDoNotDependOnTheNumberOfThreads) {
  const Size s{117, 203, 901};
  const Operand a(s.m, s.k, true, 0, 1), b(s.k, s.n, false, 0, 2);
  std::vector<float> first;
  for (int threads : {1, 2, 3, 5, 8}) {
    ThreadPool pool(threads);
    Result c(s.m, s.n);
    run_gemm({.m = s.m, .n = s.n, .k = s.k, .a = a.matrix, .b = b.matrix, .c = c.data(), .ldc = c.stride}, pool);
    if (first.empty()) first = c.dense();
    EXPECT_EQ(c.dense(), first) << threads << " threads";
  }
}

// The chain of multiply-adds starts from C, so a sum over k may be cut anywhere.
TEST_P(GemmTest, AccumulatingTheHalvesOfKGivesTheSameBits) {
  const Size s{33, 70, 1000};
  const Operand a(s.m, s.k, false, 0, 1), b(s.k, s.n, true, 0, 2);
  ThreadPool pool(2);
  Result whole(s.m, s.n), halves(s.m, s.n);
  run_gemm({.m = s.m, .n = s.n, .k = s.k, .a = a.matrix, .b = b.matrix, .c = whole.data(), .ldc = s.n}, pool);
  Gemm g{.m = s.m, .n = s.n, .k = 421, .a = a.matrix, .b = b.matrix, .c = halves.data(), .ldc = s.n};
  run_gemm(g, pool);
  g.a.data += g.k, g.b.data += g.k;
  g.k = s.k - g.k;
  g.accumulate = true;
  run_gemm(g, pool);
  EXPECT_EQ(whole.dense(), halves.dense());
}

// Speculation and batching never change a text: a row's logits are the same alone, among up to eight and in a prefill,
// whatever the neighbours, the thread count, and whether the weight is packed.
TEST_P(GemmTest, ARowsBitsDoNotDependOnTheRowsBesideIt) {
  constexpr int64_t n = 205, k = 517;
  const Operand weight(k, n, true, 3, 2);
  ThreadPool one(1), three(3);
  ScratchMemory packed(packed_weight_bytes(n, k));
  auto* panels = reinterpret_cast<float*>(packed.span().data());
  pack_weight(weight.matrix.data, weight.matrix.stride, n, k, panels, three);

  const std::vector<float> row = random_floats(k, 5), bias = random_floats(n, 6);
  std::vector<float> alone;
  for (int64_t rows : {1, 2, 3, 4, 5, 6, 7, 8, 13, 40})
    for (bool use_packed : {false, true})
      for (ThreadPool* pool : {&one, &three}) {
        const int64_t at = rows * 5 / 7;  // anywhere among the others
        std::vector<float> x = random_floats(rows * k, 100 + static_cast<uint64_t>(rows));
        std::copy(row.begin(), row.end(), x.begin() + at * k);
        Result y(rows, n);
        Gemm g{.m = rows, .n = n, .k = k, .a = {x.data(), k}, .b = weight.matrix, .c = y.data(), .ldc = n};
        if (use_packed) g.b = {}, g.packed_b = panels;
        g.epilogue.bias = bias.data();
        g.epilogue.activation = Activation::gelu_tanh;
        run_gemm(g, *pool);
        const std::vector<float> all = y.dense();
        const std::vector<float> mine(all.begin() + at * n, all.begin() + (at + 1) * n);
        if (alone.empty()) alone = mine;
        EXPECT_EQ(mine, alone) << rows << " rows" << (use_packed ? ", packed" : "");
      }
}

TEST_P(GemmTest, APackedWeightMatchesDouble) {
  ThreadPool pool(2);
  for (const Size& s : kSizes) {
    const Operand a(s.m, s.k, false, 0, 1), b(s.k, s.n, true, 1, 2);
    ScratchMemory packed(packed_weight_bytes(s.n, s.k));
    auto* panels = reinterpret_cast<float*>(packed.span().data());
    pack_weight(b.matrix.data, b.matrix.stride, s.n, s.k, panels, pool);
    Result c(s.m, s.n, 3);
    run_gemm({.m = s.m, .n = s.n, .k = s.k, .a = a.matrix, .packed_b = panels, .c = c.data(), .ldc = c.stride}, pool);
    EXPECT_LE(relative_error(c.dense(), reference_product(a.values, b.values, s.m, s.n, s.k)), product_bound(s.k)) << s;
  }
}

TEST_P(GemmTest, ASymmetricProductIsThatOfTheWholeBitForBit) {
  for (int threads : {1, 3}) {
    ThreadPool pool(threads);
    for (int64_t n : {1, 13, 33, 100, 192, 230}) {
      const int64_t k = 2 * n + 1;
      const Operand x(n, k, false, 2, 1);
      const Matrix x_transposed{x.matrix.data, x.matrix.stride, true};
      Result whole(n, n), half(n, n, 5);
      Gemm g{.m = n, .n = n, .k = k, .a = x.matrix, .b = x_transposed, .c = whole.data(), .ldc = n};
      g.epilogue.scale = 0.5f;
      run_gemm(g, pool);
      g.c = half.data(), g.ldc = half.stride, g.symmetric = true;
      run_gemm(g, pool);
      EXPECT_EQ(half.dense(), whole.dense()) << n << ", " << threads << " threads";
    }
  }
}

TEST_P(GemmTest, ABatchIsItsProductsOneByOne) {
  constexpr int64_t n = 70, k = 55;
  for (int threads : {1, 2, 3}) {
    ThreadPool pool(threads);
    for (size_t count : {0, 1, 2, 7}) {
      const Operand a(n, k * 7, false, 0, 1), b(k * 7, n, false, 0, 2);
      Result batched(7 * n, n), single(7 * n, n);
      std::vector<Gemm> batch;
      for (size_t i = 0; i < count; ++i) {
        const int64_t size = n - static_cast<int64_t>(i);  // sizes may differ
        Gemm g{.m = size, .n = n, .k = k, .a = a.matrix, .b = b.matrix, .c = single.data(), .ldc = n};
        g.a.data += i * k, g.b.data += i * k * n, g.c += i * n * n;
        run_gemm(g, pool);
        g.c = batched.data() + i * n * n;
        batch.push_back(g);
      }
      ScratchMemory scratch(gemm_batch_scratch_bytes(batch, threads));
      gemm_batch(batch, scratch.span(), pool);
      for (size_t i = 0; i < batched.storage.size(); ++i)
        ASSERT_TRUE(batched.storage[i] == single.storage[i] ||
                    (std::isnan(batched.storage[i]) && std::isnan(single.storage[i])));
    }
  }
}

TEST_P(GemmTest, AnEmptySumIsZeroOrC) {
  ThreadPool pool(2);
  Result c(3, 5);
  Gemm g{.m = 3, .n = 5, .k = 0, .c = c.data(), .ldc = 5};
  run_gemm(g, pool);
  EXPECT_EQ(c.dense(), std::vector<float>(15, 0.0f));
  c.fill(std::vector<float>(15, 2.0f));
  g.accumulate = true;
  g.epilogue.scale = 3;
  run_gemm(g, pool);
  EXPECT_EQ(c.dense(), std::vector<float>(15, 6.0f));
}

TEST_P(GemmTest, NothingIsTouchedWhenAnOutputSizeIsZero) {
  ThreadPool pool(2);
  run_gemm({.m = 0, .n = 5, .k = 4}, pool);
  run_gemm({.m = 5, .n = 0, .k = 4}, pool);
}

TEST_P(GemmTest, TooLittleScratchIsAnErrorThatSaysHowMuchIsNeeded) {
  ThreadPool pool(2);
  const Operand a(64, 64, false, 0, 1);
  Result c(64, 64);
  const Gemm g{.m = 64, .n = 64, .k = 64, .a = a.matrix, .b = a.matrix, .c = c.data(), .ldc = 64};
  ScratchMemory scratch(1024);
  EXPECT_THAT([&] { gemm(g, scratch.span(), pool); }, testing::ThrowsMessage<Error>(testing::HasSubstr("scratch")));
}

TEST_P(GemmTest, ASymmetricProductMustBeSquare) {
  ThreadPool pool(1);
  EXPECT_THROW(run_gemm({.m = 3, .n = 4, .k = 5, .symmetric = true}, pool), Error);
}

// Not-a-numbers reach the result instead of being lost in a padded column or row.
TEST_P(GemmTest, ANanStaysInItsRow) {
  ThreadPool pool(2);
  Operand a(30, 40, false, 0, 1), b(40, 50, false, 0, 2);
  a.storage[17 * 40 + 3] = std::nanf("");
  Result c(30, 50);
  run_gemm({.m = 30, .n = 50, .k = 40, .a = a.matrix, .b = b.matrix, .c = c.data(), .ldc = 50}, pool);
  for (int64_t i = 0; i < 30 * 50; ++i) ASSERT_EQ(std::isnan(c.storage[i]), i / 50 == 17) << i;
}

}  // namespace
}  // namespace propane::cpu
