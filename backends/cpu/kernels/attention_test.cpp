#include "backends/cpu/kernels/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "backends/cpu/kernels/every_target.h"
#include "backends/cpu/kernels/test_data.h"
#include "base/error.h"
#include "base/threads.h"

namespace propane::cpu {
namespace {

struct Sizes {
  int64_t batch, q_len, kv_max, n_head, n_kv_head, head_dim;
};

// One attention problem with its data and, computed in double, its answers. q, k and v are slices of packed rows.
struct Problem {
  explicit Problem(Sizes s, uint64_t seed = 1) : sizes(s), kv_row(2 * s.n_kv_head * s.head_dim + 5) {
    q = random_floats(s.batch * s.q_len * q_row(), seed);
    kv = random_floats(s.batch * s.kv_max * kv_row, seed + 1);
    d_o = random_floats(s.batch * s.q_len * q_row(), seed + 2);
    q_pos.resize(s.batch * s.q_len);
    for (int64_t i = 0; i < s.batch * s.q_len; ++i) q_pos[i] = static_cast<int32_t>(s.kv_max - s.q_len + i % s.q_len);
  }

  int64_t q_row() const { return sizes.n_head * sizes.head_dim; }
  template <typename T>
  HeadRows<T> like_q(T* data) const {
    return {data, sizes.q_len * q_row(), q_row(), sizes.head_dim};
  }
  template <typename T>
  HeadRows<T> like_kv(T* data) const {
    return {data, sizes.kv_max * kv_row, kv_row, sizes.head_dim};
  }

  AttentionArgs args() const {
    AttentionArgs a;
    a.batch = sizes.batch;
    a.q_len = sizes.q_len;
    a.kv_max = sizes.kv_max;
    a.n_head = sizes.n_head;
    a.n_kv_head = sizes.n_kv_head;
    a.head_dim = sizes.head_dim;
    a.scale = scale;
    a.window = window;
    a.q = like_q(q.data());
    a.k = like_kv(kv.data());
    a.v = like_kv(kv.data() + sizes.n_kv_head * sizes.head_dim);
    a.q_pos = q_pos.data();
    a.doc_start = doc_start.empty() ? nullptr : doc_start.data();
    a.kv_len = kv_len.empty() ? nullptr : kv_len.data();
    return a;
  }

  bool sees(int64_t b, int64_t i, int64_t j) const {
    const int64_t pos = q_pos[b * sizes.q_len + i];
    return j <= pos && (window == 0 || j > pos - window) &&
           (doc_start.empty() || j >= doc_start[b * sizes.q_len + i]) && (kv_len.empty() || j < kv_len[b]);
  }

  Sizes sizes;
  int64_t kv_row;
  float scale = 0.3f;
  int64_t window = 0;
  std::vector<float> q, kv, d_o;
  std::vector<int32_t> q_pos, doc_start, kv_len;
};

struct Answers {
  std::vector<double> o, lse, dq, dk, dv;  // dk and dv plain [batch, kv_max, n_kv_head, head_dim]
};

Answers reference(const Problem& p) {
  const Sizes& s = p.sizes;
  const AttentionArgs a = p.args();
  const int64_t d = s.head_dim;
  Answers out;
  out.o.assign(p.q.size(), 0);
  out.dq.assign(p.q.size(), 0);
  out.lse.assign(s.batch * s.n_head * s.q_len, -INFINITY);
  out.dk.assign(s.batch * s.kv_max * s.n_kv_head * d, 0);
  out.dv = out.dk;
  for (int64_t b = 0; b < s.batch; ++b)
    for (int64_t h = 0; h < s.n_head; ++h)
      for (int64_t i = 0; i < s.q_len; ++i) {
        const int64_t kv_head = h * s.n_kv_head / s.n_head, at = ((b * s.q_len + i) * s.n_head + h) * d;
        std::vector<double> score(s.kv_max, -INFINITY), dp(s.kv_max);
        double largest = -INFINITY, sum = 0, dot = 0;
        for (int64_t j = 0; j < s.kv_max; ++j) {
          if (!p.sees(b, i, j)) continue;
          score[j] = 0;
          for (int64_t c = 0; c < d; ++c) score[j] += double(p.scale) * p.q[at + c] * a.k.at(b, j, kv_head)[c];
          largest = std::max(largest, score[j]);
        }
        if (largest == -INFINITY) continue;
        for (double x : score) sum += std::exp(x - largest);
        out.lse[(b * s.n_head + h) * s.q_len + i] = largest + std::log(sum);
        for (int64_t j = 0; j < s.kv_max; ++j) {
          if (!p.sees(b, i, j)) continue;
          const double probability = std::exp(score[j] - largest) / sum;
          for (int64_t c = 0; c < d; ++c) {
            out.o[at + c] += probability * a.v.at(b, j, kv_head)[c];
            dp[j] += p.d_o[at + c] * double(a.v.at(b, j, kv_head)[c]);
          }
          dot += probability * dp[j];
        }
        for (int64_t j = 0; j < s.kv_max; ++j) {
          if (!p.sees(b, i, j)) continue;
          const double probability = std::exp(score[j] - largest) / sum;
          const double ds = probability * (dp[j] - dot) * p.scale;
          const int64_t kv_at = ((b * s.kv_max + j) * s.n_kv_head + kv_head) * d;
          for (int64_t c = 0; c < d; ++c) {
            out.dq[at + c] += ds * a.k.at(b, j, kv_head)[c];
            out.dk[kv_at + c] += ds * p.q[at + c];
            out.dv[kv_at + c] += probability * p.d_o[at + c];
          }
        }
      }
  return out;
}

struct Forward {
  std::vector<float> o, lse;
};

Forward forward(const Problem& p) {
  const AttentionArgs a = p.args();
  Forward out{poison(p.q.size()), poison(p.sizes.batch * p.sizes.n_head * p.sizes.q_len)};
  ScratchMemory scratch(attention_scratch_bytes(a));
  attention(a, p.like_q(out.o.data()), out.lse.data(), scratch.span());
  return out;
}

struct Backward {
  std::vector<float> dq, dk, dv;
};

Backward backward(const Problem& p, const Forward& f) {
  const AttentionArgs a = p.args();
  const Sizes& s = p.sizes;
  const int64_t kv_count = s.batch * s.kv_max * s.n_kv_head * s.head_dim;
  Backward out{poison(p.q.size()), poison(kv_count), poison(kv_count)};
  AttentionGrads g;
  g.o = p.like_q(f.o.data());
  g.lse = f.lse.data();
  g.d_o = p.like_q(p.d_o.data());
  g.dq = p.like_q(out.dq.data());
  const int64_t row = s.n_kv_head * s.head_dim;
  g.dk = {out.dk.data(), s.kv_max * row, row, s.head_dim};
  g.dv = {out.dv.data(), s.kv_max * row, row, s.head_dim};
  ScratchMemory scratch(attention_grad_scratch_bytes(a));
  attention_grad(a, g, scratch.span());
  return out;
}

void expect_matches(const Problem& p) {
  const Answers want = reference(p);
  const Forward f = forward(p);
  const Backward g = backward(p, f);
  EXPECT_LT(relative_error(f.o, want.o), 2e-6);
  EXPECT_LT(relative_error(f.lse, want.lse), 1e-6);
  EXPECT_LT(relative_error(g.dq, want.dq), 3e-6);
  EXPECT_LT(relative_error(g.dk, want.dk), 3e-6);
  EXPECT_LT(relative_error(g.dv, want.dv), 3e-6);
}

class AttentionTest : public EveryTarget {};
PROPANE_EVERY_TARGET(AttentionTest);

TEST_P(AttentionTest, MatchesDoubleOnManyShapes) {
  for (const Sizes& s : {Sizes{1, 1, 1, 1, 1, 1}, Sizes{2, 5, 5, 2, 1, 3}, Sizes{1, 37, 37, 3, 3, 17},
                         Sizes{2, 129, 129, 4, 2, 32}, Sizes{1, 256, 256, 2, 2, 64}, Sizes{1, 301, 301, 6, 2, 48},
                         Sizes{1, 100, 333, 2, 1, 80}, Sizes{3, 97, 130, 1, 1, 128}, Sizes{1, 61, 140, 2, 2, 256},
                         Sizes{2, 3, 700, 8, 1, 72}, Sizes{1, 8, 260, 9, 3, 64}, Sizes{1, 200, 200, 8, 1, 20}}) {
    SCOPED_TRACE(testing::Message() << "batch " << s.batch << " q_len " << s.q_len << " kv_max " << s.kv_max
                                    << " heads " << s.n_head << "/" << s.n_kv_head << " dim " << s.head_dim);
    expect_matches(Problem(s));
  }
}

TEST_P(AttentionTest, SlidingWindowMatchesDouble) {
  for (int64_t window : {2, 3, 17, 128, 129, 200, 1000}) {
    SCOPED_TRACE(window);
    Problem p({1, 301, 301, 2, 1, 24});
    p.window = window;
    expect_matches(p);
  }
}

TEST_P(AttentionTest, AWindowOfOneCopiesTheOwnValueAndHasNoScoreGradient) {
  Problem p({2, 150, 150, 2, 2, 32});
  p.window = 1;
  const AttentionArgs a = p.args();
  const Forward f = forward(p);
  for (int64_t b = 0; b < 2; ++b)
    for (int64_t i = 0; i < 150; ++i)
      for (int64_t h = 0; h < 2; ++h)
        for (int64_t c = 0; c < 32; ++c) ASSERT_FLOAT_EQ(p.like_q(f.o.data()).at(b, i, h)[c], a.v.at(b, i, h)[c]);
  const Backward g = backward(p, f);
  for (const auto* grad : {&g.dq, &g.dk})
    for (float x : *grad) ASSERT_NEAR(x, 0, 1e-5);
  EXPECT_LT(relative_error(g.dv, to_double(p.d_o)), 1e-6);
}

TEST_P(AttentionTest, DocumentsPackedInARowDoNotSeeEachOther) {
  Problem p({2, 300, 300, 2, 2, 32});
  p.doc_start.resize(600);
  const int starts[] = {0, 1, 40, 127, 128, 129, 250};
  for (int64_t i = 0; i < 600; ++i)
    for (int start : starts)
      if (start + (i >= 300 ? 3 : 0) <= i % 300) p.doc_start[i] = start + (i >= 300 && start ? 3 : 0);
  expect_matches(p);
  p.window = 50;
  expect_matches(p);
  // What precedes a document changes no bit of it.
  p.window = 0;
  const Forward before = forward(p);
  for (int64_t i = 0; i < 128 * p.kv_row; ++i) p.kv[i] += 1.0f;
  const Forward after = forward(p);
  const int64_t row = p.q_row();
  EXPECT_EQ(std::memcmp(&before.o[128 * row], &after.o[128 * row], (300 - 128) * row * sizeof(float)), 0);
  EXPECT_NE(std::memcmp(&before.o[0], &after.o[0], 128 * row * sizeof(float)), 0);
}

TEST_P(AttentionTest, RaggedLengthsNeverReadRowsOutOfUse) {
  Problem p({4, 140, 300, 4, 2, 40});
  p.kv_len = {0, 1, 139, 300};
  for (int64_t b = 0; b < 4; ++b)
    for (int64_t i = 0; i < 140; ++i) p.q_pos[b * 140 + i] = static_cast<int32_t>(i + 150);
  for (int64_t b = 0; b < 4; ++b)
    for (int64_t j = p.kv_len[b]; j < 300; ++j)
      for (int64_t c = 0; c < p.kv_row; ++c) p.kv[(b * 300 + j) * p.kv_row + c] = NAN;
  expect_matches(p);
}

TEST_P(AttentionTest, ASlotNamesTheCacheRowOfABatchRow) {
  Problem p({3, 2, 150, 2, 1, 16});
  const Forward plain = forward(p);
  AttentionArgs a = p.args();
  const std::vector<int32_t> slots = {2, 0, 1};
  // The cache's rows moved: batch row b's keys now lie in row slots[b].
  std::vector<float> moved(p.kv.size());
  const int64_t size = 150 * p.kv_row;
  for (int b = 0; b < 3; ++b) std::copy_n(&p.kv[b * size], size, &moved[slots[b] * size]);
  a.k.data = moved.data();
  a.v.data = moved.data() + 16;
  a.kv_slot = slots.data();
  std::vector<float> o = poison(p.q.size());
  ScratchMemory scratch(attention_scratch_bytes(a));
  attention(a, p.like_q(o.data()), nullptr, scratch.span());
  EXPECT_EQ(o, plain.o);
}

TEST_P(AttentionTest, AQueryThatSeesNothingGivesZeroAndMinusInfinity) {
  Problem p({1, 20, 40, 2, 1, 16});
  for (int64_t i = 0; i < 20; ++i) p.q_pos[i] = i % 3 == 0 ? -1 : static_cast<int32_t>(2 * i);
  expect_matches(p);
  const Forward f = forward(p);
  for (int64_t i = 0; i < 20; i += 3)
    for (int64_t c = 0; c < 32; ++c) EXPECT_EQ(f.o[i * 32 + c], 0.0f);
  EXPECT_EQ(f.lse[0], -std::numeric_limits<float>::infinity());
}

TEST_P(AttentionTest, LargeScoresNeitherOverflowNorLoseTheLargest) {
  Problem p({1, 40, 200, 1, 1, 32});
  for (float& x : p.q) x *= 200;
  const Answers want = reference(p);
  const Forward f = forward(p);
  EXPECT_LT(relative_error(f.o, want.o), 1e-3);  // scores near 1,000 carry errors of 1e-4 themselves
  EXPECT_LT(relative_error(f.lse, want.lse), 1e-6);
}

// The promise that batching and speculation rest on.
TEST_P(AttentionTest, AQuerysBitsDependOnNothingElse) {
  for (const Sizes& s : {Sizes{3, 8, 700, 6, 2, 64}, Sizes{2, 40, 300, 4, 4, 24}, Sizes{8, 3, 150, 4, 1, 128}}) {
    Problem p(s);
    p.kv_len.assign(s.batch, static_cast<int32_t>(s.kv_max));
    const Forward all = forward(p);
    for (int64_t b = 0; b < s.batch; ++b)
      for (int64_t i = 0; i < s.q_len; ++i) {
        Problem one({1, 1, s.kv_max, s.n_head, s.n_kv_head, s.head_dim});
        one.q.assign(&p.q[(b * s.q_len + i) * p.q_row()], &p.q[(b * s.q_len + i) * p.q_row()] + p.q_row());
        one.kv.assign(&p.kv[b * s.kv_max * p.kv_row], &p.kv[b * s.kv_max * p.kv_row] + s.kv_max * p.kv_row);
        one.q_pos = {p.q_pos[b * s.q_len + i]};
        const Forward alone = forward(one);
        ASSERT_EQ(std::memcmp(alone.o.data(), &all.o[(b * s.q_len + i) * p.q_row()], p.q_row() * sizeof(float)), 0)
            << "row " << b << " query " << i;
      }
  }
}

TEST_P(AttentionTest, BitsDoNotDependOnTheNumberOfThreads) {
  for (const Sizes& s : {Sizes{1, 1, 900, 3, 1, 64}, Sizes{1, 300, 300, 3, 3, 32}, Sizes{2, 150, 260, 4, 2, 40}}) {
    const Problem p(s);
    const int before = threads().size();
    std::vector<Forward> forwards;
    std::vector<Backward> backwards;
    for (int count : {1, 2, 5}) {
      set_thread_count(count);
      forwards.push_back(forward(p));
      backwards.push_back(backward(p, forwards.back()));
    }
    set_thread_count(before);
    for (int i : {1, 2}) {
      EXPECT_EQ(forwards[i].o, forwards[0].o);
      EXPECT_EQ(forwards[i].lse, forwards[0].lse);
      EXPECT_EQ(backwards[i].dq, backwards[0].dq);
      EXPECT_EQ(backwards[i].dk, backwards[0].dk);
      EXPECT_EQ(backwards[i].dv, backwards[0].dv);
    }
  }
}

TEST_P(AttentionTest, AZeroGradientGivesZeros) {
  Problem p({1, 50, 50, 2, 1, 16});
  std::fill(p.d_o.begin(), p.d_o.end(), 0.0f);
  const Backward g = backward(p, forward(p));
  for (const auto* grad : {&g.dq, &g.dk, &g.dv})
    EXPECT_TRUE(std::all_of(grad->begin(), grad->end(), [](float x) { return x == 0; }));
}

TEST_P(AttentionTest, ImpossibleShapesAreErrors) {
  Problem p({1, 4, 4, 3, 2, 8});
  EXPECT_THROW(forward(p), Error);
  Problem negative({1, 4, 4, 2, 2, 8});
  negative.scale = -1;
  EXPECT_THROW(forward(negative), Error);
  Problem good({1, 4, 4, 2, 2, 8});
  std::vector<float> o(good.q.size());
  EXPECT_THROW(attention(good.args(), good.like_q(o.data()), nullptr, {}), Error);
}

}  // namespace
}  // namespace propane::cpu
