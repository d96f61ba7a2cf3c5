#include "backends/cpu/kernels/muon.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "backends/cpu/kernels/every_target.h"
#include "backends/cpu/kernels/test_data.h"
#include "base/error.h"
#include "base/threads.h"

namespace propane::cpu {
namespace {

class MuonTest : public EveryTarget {};
PROPANE_EVERY_TARGET(MuonTest);

using Values = std::vector<double>;

// a[m, k]·b[k, n].
Values product(const Values& a, const Values& b, int64_t m, int64_t n, int64_t k) {
  Values c(static_cast<size_t>(m * n));
  for (int64_t i = 0; i < m; ++i)
    for (int64_t p = 0; p < k; ++p)
      for (int64_t j = 0; j < n; ++j) c[i * n + j] += a[i * k + p] * b[p * n + j];
  return c;
}

Values transposed(const Values& a, int64_t rows, int64_t cols) {
  Values t(a.size());
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < cols; ++j) t[j * rows + i] = a[i * cols + j];
  return t;
}

double norm(const Values& a) {
  double squares = 0;
  for (double v : a) squares += v * v;
  return std::sqrt(squares);
}

// The step as muon.h has it, in plain loops.
struct Reference {
  Values param, momentum, second;

  void step(const std::vector<float>& grad, const MuonStep& s) {
    const int64_t rows = s.rows, cols = s.cols;
    Values u(grad.size());
    for (size_t i = 0; i < u.size(); ++i) {
      const double g = grad[i] * s.grad_scale;
      momentum[i] = s.momentum * momentum[i] + (1 - s.momentum) * g;
      u[i] = (1 - s.momentum) * g + s.momentum * momentum[i];
    }
    u = orthogonal(u, rows, cols);
    const bool by_row = rows >= cols;
    const int64_t length = by_row ? cols : rows;
    const double before = norm(u);
    for (size_t line = 0; line < second.size(); ++line) {
      const auto at = [&](int64_t i) -> double& {
        return by_row ? u[line * static_cast<size_t>(cols) + static_cast<size_t>(i)]
                      : u[static_cast<size_t>(i * cols) + line];
      };
      double squares = 0;
      for (int64_t i = 0; i < length; ++i) squares += at(i) * at(i);
      second[line] = s.beta2 * second[line] + (1 - s.beta2) * squares / static_cast<double>(length);
      for (int64_t i = 0; i < length; ++i) at(i) /= std::sqrt(std::max(second[line], 1e-10));
    }
    const double back = before / std::max(norm(u), 1e-10);
    for (size_t i = 0; i < u.size(); ++i) {
      const double along = u[i] * back, decay = along * param[i] >= 0 ? s.lr * s.weight_decay * param[i] : 0;
      param[i] -= s.lr * along + decay;
    }
  }

  static Values orthogonal(Values x, int64_t rows, int64_t cols) {
    const double size = norm(x) * 1.02 + 1e-6;
    for (double& v : x) v /= size;
    const double steps[][3] = {{8.156554524902461, -22.48329292557795, 15.878769915207462},
                               {4.042929935166739, -2.808917465908714, 0.5000178451051316},
                               {3.8916678022926607, -2.772484153217685, 0.5060648178503393},
                               {3.285753657755655, -2.3681294933425376, 0.46449024233003106},
                               {2.3465413258596377, -1.7097828382687081, 0.42323551169305323}};
    const bool tall = rows > cols;
    for (const auto& [a, b, c] : steps) {  // aX + bXXᵀX + c(XXᵀ)²X, on whichever side XXᵀ is smaller
      const Values xt = transposed(x, rows, cols);
      const Values gram = tall ? product(xt, x, cols, cols, rows) : product(x, xt, rows, rows, cols);
      const auto times_gram = [&, rows, cols](const Values& y) {
        return tall ? product(y, gram, rows, cols, cols) : product(gram, y, rows, cols, rows);
      };
      const Values cubic = times_gram(x), quintic = times_gram(cubic);
      for (size_t i = 0; i < x.size(); ++i) x[i] = a * x[i] + b * cubic[i] + c * quintic[i];
    }
    return x;
  }
};

// Some matrices with their state, and scratch of exactly the size that they need.
struct Matrices {
  Matrices(int64_t rows, int64_t cols, size_t count) : rows_(rows), cols_(cols) {
    for (size_t i = 0; i < count; ++i) {
      param.push_back(random_floats(rows * cols, 10 * i + 1));
      momentum.push_back(random_floats(rows * cols, 10 * i + 2));
      grad.push_back(random_floats(rows * cols, 10 * i + 3));
      second.emplace_back(static_cast<size_t>(std::max(rows, cols)), 0.01f);
    }
  }

  void step(const MuonStep& s) {
    ScratchMemory scratch(muon_scratch_bytes(rows_, cols_, param.size()));
    muon(list(), s, scratch.span());
  }

  std::vector<MuonMatrix> list() {
    std::vector<MuonMatrix> list;
    for (size_t i = 0; i < param.size(); ++i)
      list.push_back({param[i].data(), grad[i].data(), momentum[i].data(), second[i].data()});
    return list;
  }

  Reference reference(size_t i) const { return {to_double(param[i]), to_double(momentum[i]), to_double(second[i])}; }

  int64_t rows_, cols_;
  std::vector<std::vector<float>> param, momentum, grad, second;
};

MuonStep step_of(int64_t rows, int64_t cols) {
  return {.rows = rows, .cols = cols, .lr = 0.1, .momentum = 0.9, .beta2 = 0.8, .weight_decay = 0.3, .grad_scale = 0.5};
}

void expect_like(const Matrices& got, size_t i, const Reference& want, double bound) {
  EXPECT_LT(relative_error(got.param[i], want.param), bound);
  EXPECT_LT(relative_error(got.momentum[i], want.momentum), 1e-6);
  EXPECT_LT(relative_error(got.second[i], want.second), bound);
}

constexpr std::pair<int64_t, int64_t> kShapes[] = {{1, 1},    {1, 37},   {53, 1},   {2, 3},   {5, 5},
                                                   {67, 33},  {33, 67},  {48, 48},  {40, 50}, {50, 40},
                                                   {40, 700}, {700, 40}, {3, 20011}};

TEST_P(MuonTest, ThreeStepsMatchDouble) {
  for (const auto& [rows, cols] : kShapes) {
    SCOPED_TRACE(testing::Message() << rows << " x " << cols);
    Matrices got(rows, cols, 3);
    std::vector<Reference> want;
    for (size_t i = 0; i < 3; ++i) want.push_back(got.reference(i));
    for (uint64_t step = 0; step < 3; ++step) {
      MuonStep s = step_of(rows, cols);
      s.momentum = 0.85 + 0.05 * static_cast<double>(step);
      for (size_t i = 0; i < 3; ++i) {
        const auto fresh = random_floats(rows * cols, 1000 + 10 * step + i);
        std::copy(fresh.begin(), fresh.end(), got.grad[i].begin());
        want[i].step(got.grad[i], s);
      }
      got.step(s);
    }
    for (size_t i = 0; i < 3; ++i) expect_like(got, i, want[i], 1e-4);
  }
}

// A gradient of a few samples: eight singular values, each a tenth of the one before, and none beyond. The iteration
// multiplies what rounding leaves of the smallest; carried through on the Gram matrix alone, it would lose them.
TEST_P(MuonTest, SmallSingularValuesAreNotLost) {
  constexpr int64_t kRank = 8;
  for (const auto& [rows, cols] : {std::pair<int64_t, int64_t>{48, 48}, {36, 144}, {144, 36}}) {
    SCOPED_TRACE(testing::Message() << rows << " x " << cols);
    Matrices got(rows, cols, 1);
    std::fill(got.param[0].begin(), got.param[0].end(), 0.0f);  // all that is compared is the step
    std::fill(got.momentum[0].begin(), got.momentum[0].end(), 0.0f);
    Values left = to_double(random_floats(rows * kRank, 7));
    for (size_t i = 0; i < left.size(); ++i) left[i] *= std::pow(10.0, -static_cast<double>(i % kRank));
    const Values grad = product(left, to_double(random_floats(kRank * cols, 8)), rows, cols, kRank);
    std::copy(grad.begin(), grad.end(), got.grad[0].begin());
    Reference want = got.reference(0);
    want.step(got.grad[0], step_of(rows, cols));
    got.step(step_of(rows, cols));
    expect_like(got, 0, want, 3e-4);
  }
}

TEST_P(MuonTest, WithoutGradientOrMomentumOnlyTheDecayIsLeft) {
  for (const auto& [rows, cols] : kShapes) {
    SCOPED_TRACE(testing::Message() << rows << " x " << cols);
    Matrices got(rows, cols, 1);
    std::fill(got.grad[0].begin(), got.grad[0].end(), 0.0f);
    std::fill(got.momentum[0].begin(), got.momentum[0].end(), 0.0f);
    const Values before = to_double(got.param[0]);
    got.step(step_of(rows, cols));
    for (size_t i = 0; i < before.size(); ++i) ASSERT_NEAR(got.param[0][i], before[i] * (1 - 0.1 * 0.3), 1e-6);
    for (float m : got.momentum[0]) ASSERT_EQ(m, 0);
    for (float v : got.second[0]) ASSERT_FLOAT_EQ(v, 0.8f * 0.01f);
  }
}

TEST_P(MuonTest, DecaysOnlyWhereTheStepLeadsTowardsZero) {
  Matrices with(20, 30, 1), without(20, 30, 1);
  const std::vector<float> before = with.param[0];
  MuonStep s = step_of(20, 30);
  with.step(s);
  s.weight_decay = 0;
  without.step(s);
  int decayed = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    const bool towards_zero = (before[i] - without.param[0][i]) * before[i] > 0;
    decayed += towards_zero;
    ASSERT_NEAR(with.param[0][i], without.param[0][i] - (towards_zero ? 0.1 * 0.3 * before[i] : 0), 1e-6);
  }
  EXPECT_GT(decayed, 0);
  EXPECT_LT(decayed, 600);
}

TEST_P(MuonTest, BitsDoNotDependOnThreadsOrOnTheOtherMatrices) {
  const int before = threads().size();
  for (const auto& [rows, cols] : {std::pair<int64_t, int64_t>{67, 33}, {150, 260}, {400, 130}}) {
    SCOPED_TRACE(testing::Message() << rows << " x " << cols);
    set_thread_count(1);
    Matrices alone(rows, cols, 1);
    alone.step(step_of(rows, cols));
    Matrices five(rows, cols, 5);
    five.step(step_of(rows, cols));
    for (int count : {2, 3}) {
      set_thread_count(count);
      Matrices again(rows, cols, 5);
      again.step(step_of(rows, cols));
      EXPECT_EQ(again.param, five.param);
      EXPECT_EQ(again.second, five.second);
      EXPECT_EQ(again.momentum, five.momentum);
    }
    EXPECT_EQ(alone.param[0], five.param[0]);
  }
  set_thread_count(before);
}

TEST_P(MuonTest, TooLittleScratchIsAnError) {
  Matrices got(67, 33, 2);
  const auto list = got.list();
  ScratchMemory scratch(muon_scratch_bytes(67, 33, 2) / 2);
  EXPECT_THROW(muon(list, step_of(67, 33), scratch.span()), Error);
  EXPECT_THROW(muon(list, step_of(67, 33), {}), Error);
}

}  // namespace
}  // namespace propane::cpu
