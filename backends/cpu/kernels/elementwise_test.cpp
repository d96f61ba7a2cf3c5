#include "backends/cpu/kernels/elementwise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "backends/cpu/kernels/every_target.h"
#include "backends/cpu/kernels/test_data.h"
#include "base/threads.h"

namespace propane::cpu {
namespace {

class ElementwiseTest : public EveryTarget {};
PROPANE_EVERY_TARGET(ElementwiseTest);

const int64_t kCounts[] = {0, 1, 16, 31, 8192, 40003};

TEST_P(ElementwiseTest, SumsProductsAndCopiesMatchDouble) {
  for (int64_t count : kCounts) {
    const auto x = random_floats(count, 1), y = random_floats(count, 2);
    std::vector<double> sum, product, scaled;
    for (int64_t i = 0; i < count; ++i) {
      sum.push_back(x[i] - 0.5 * y[i]);
      product.push_back(double(x[i]) * y[i]);
      scaled.push_back(0.3f * double(x[i]));
    }
    auto out = poison(count);
    add(count, x.data(), -0.5f, y.data(), out.data());
    EXPECT_LT(relative_error(out, sum), 1e-7);
    multiply(count, x.data(), y.data(), out.data());
    EXPECT_LT(relative_error(out, product), 1e-7);
    scale(count, 0.3f, x.data(), out.data());
    EXPECT_LT(relative_error(out, scaled), 1e-7);
    fill(count, 2.5f, out.data());
    EXPECT_EQ(out, std::vector<float>(count, 2.5f));
  }
}

TEST_P(ElementwiseTest, AccumulateWithKeepZeroDoesNotReadItsTarget) {
  const auto value = random_floats(1003, 1);
  auto into = poison(1003);
  accumulate(1003, 0.0f, value.data(), into.data());
  EXPECT_EQ(into, value);
  accumulate(1003, 3.0f, value.data(), into.data());
  std::vector<double> want;
  for (float v : value) want.push_back(4.0 * v);
  EXPECT_LT(relative_error(into, want), 1e-7);
}

TEST_P(ElementwiseTest, MixAndItsGradientsMatchDouble) {
  for (int64_t count : kCounts) {
    SCOPED_TRACE(count);
    const auto x = random_floats(count, 1), y = random_floats(count, 2), d = random_floats(count, 3);
    const float a = 1.25f, b = -0.3f;
    std::vector<double> out_want, dx_want, dy_want, da_want = {1.0}, db_want = {2.0};
    for (int64_t i = 0; i < count; ++i) {
      out_want.push_back(double(a) * x[i] + double(b) * y[i]);
      dx_want.push_back(1.0 + double(a) * d[i]);
      dy_want.push_back(double(b) * d[i]);
      da_want[0] += double(d[i]) * x[i];
      db_want[0] += double(d[i]) * y[i];
    }
    auto out = poison(count), dy = poison(count);
    std::vector<float> dx(count, 1.0f), da = {1.0f}, db = {2.0f};
    mix(count, &a, x.data(), &b, y.data(), out.data());
    EXPECT_LT(relative_error(out, out_want), 2e-7);
    mix_grad({.count = count,
              .d = d.data(),
              .a = &a,
              .x = x.data(),
              .b = &b,
              .y = y.data(),
              .dx = dx.data(),
              .dy = dy.data(),
              .da = da.data(),
              .db = db.data(),
              .accumulate_dx = true,
              .accumulate_scalars = true});
    EXPECT_LT(relative_error(dx, dx_want), 2e-7);
    EXPECT_LT(relative_error(dy, dy_want), 2e-7);
    EXPECT_NEAR(da[0], da_want[0], 1e-6 * (1 + std::sqrt(count)));
    EXPECT_NEAR(db[0], db_want[0], 1e-6 * (1 + std::sqrt(count)));
  }
}

TEST_P(ElementwiseTest, ScalarGradientsDoNotDependOnTheNumberOfThreads) {
  const int64_t count = 100001;
  const auto x = random_floats(count, 1), d = random_floats(count, 2);
  const int before = threads().size();
  std::vector<float> results;
  for (int n : {1, 2, 3}) {
    set_thread_count(n);
    float da = NAN;
    mix_grad({.count = count, .d = d.data(), .x = x.data(), .da = &da});
    results.push_back(da);
  }
  set_thread_count(before);
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

TEST_P(ElementwiseTest, ValueGateAndItsGradientsMatchDouble) {
  for (int64_t dim : {1, 20, 128}) {
    const int64_t tokens = 37, heads = 3, row = heads * dim + 2;
    const auto v = random_floats(tokens * row, 1), ve = random_floats(tokens * heads * dim, 2);
    const auto gate = random_floats(tokens * heads, 3), d = random_floats(tokens * heads * dim, 4);
    auto out = poison(tokens * heads * dim), dve = poison(tokens * heads * dim), dgate = poison(tokens * heads);
    const Rows<const float> ve_rows{ve.data(), heads * dim, heads}, d_rows{d.data(), heads * dim, heads};
    value_gate({.tokens = tokens,
                .n_head = heads,
                .head_dim = dim,
                .v = {v.data(), row, heads},
                .ve = ve_rows,
                .gate = gate.data(),
                .out = {out.data(), heads * dim, heads}});
    value_gate_grad({.tokens = tokens,
                     .n_head = heads,
                     .head_dim = dim,
                     .d = d_rows,
                     .ve = ve_rows,
                     .gate = gate.data(),
                     .dve = {dve.data(), heads * dim, heads},
                     .dgate = dgate.data()});
    std::vector<double> out_want, dve_want, dgate_want;
    for (int64_t r = 0; r < tokens * heads; ++r) {
      const double s = 1 / (1 + std::exp(-double(gate[r])));
      double dot = 0;
      for (int64_t c = 0; c < dim; ++c) {
        out_want.push_back(v[r / heads * row + r % heads * dim + c] + 2 * s * ve[r * dim + c]);
        dve_want.push_back(2 * s * d[r * dim + c]);
        dot += double(d[r * dim + c]) * ve[r * dim + c];
      }
      dgate_want.push_back(2 * s * (1 - s) * dot);
    }
    EXPECT_LT(relative_error(out, out_want), 2e-7);
    EXPECT_LT(relative_error(dve, dve_want), 3e-7);
    EXPECT_LT(relative_error(dgate, dgate_want), 1e-6);
  }
}

TEST_P(ElementwiseTest, AColumnSliceIsCopiedOrAddedAndTheRestLeftAlone) {
  const int64_t rows = 700, from_row = 50, to_row = 33, dim = 21;
  const auto from = random_floats(rows * from_row, 1);
  auto to = poison(rows * to_row);
  const Rows<const float> slice{from.data() + 5, from_row};
  copy_rows(rows, dim, slice, {to.data() + 2, to_row});
  copy_rows(rows, dim, slice, {to.data() + 2, to_row}, true);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < to_row; ++c) {
      if (c >= 2 && c < 2 + dim) ASSERT_EQ(to[r * to_row + c], 2 * from[r * from_row + 5 + c - 2]);
      else ASSERT_TRUE(std::isnan(to[r * to_row + c]));
    }
}

TEST_P(ElementwiseTest, ColumnSumsMatchDouble) {
  for (int64_t columns : {1, 33, 300}) {
    const int64_t rows = 77;
    const auto x = random_floats(rows * (columns + 3), 1);
    auto out = poison(columns);
    std::vector<double> want(columns);
    for (int64_t i = 0; i < rows * columns; ++i) want[i % columns] += x[i / columns * (columns + 3) + i % columns];
    column_sum(rows, columns, {x.data(), columns + 3}, out.data());
    EXPECT_LT(relative_error(out, want), 1e-6);
    for (double& v : want) v *= 2;
    column_sum(rows, columns, {x.data(), columns + 3}, out.data(), true);
    EXPECT_LT(relative_error(out, want), 1e-6);
  }
}

}  // namespace
}  // namespace propane::cpu
