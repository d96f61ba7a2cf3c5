#include "backends/cpu/kernels/embedding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "backends/cpu/kernels/every_target.h"
#include "backends/cpu/kernels/test_data.h"
#include "base/error.h"
#include "base/half.h"
#include "base/threads.h"

namespace propane::cpu {
namespace {

class EmbeddingTest : public EveryTarget {};
PROPANE_EVERY_TARGET(EmbeddingTest);

std::vector<int32_t> some_ids(int64_t tokens, int64_t vocab) {
  std::vector<int32_t> ids;
  for (int64_t t = 0; t < tokens; ++t) ids.push_back(static_cast<int32_t>(t % 3 == 0 ? 0 : t * t % vocab));
  return ids;
}

TEST_P(EmbeddingTest, RowsOfBothElementTypesAreLookedUpExactly) {
  for (int64_t dim : {1, 16, 51}) {
    const int64_t tokens = 300, vocab = 70;
    const auto table = random_floats(vocab * dim, 1);
    std::vector<uint16_t> half;
    for (float v : table) half.push_back(float_to_bf16(v));
    const auto ids = some_ids(tokens, vocab);
    auto out = poison(tokens * (dim + 2)), out_half = poison(tokens * dim);
    embedding({.tokens = tokens,
               .vocab = vocab,
               .dim = dim,
               .ids = ids.data(),
               .table = table.data(),
               .out = {out.data(), dim + 2}});
    embedding({.tokens = tokens,
               .vocab = vocab,
               .dim = dim,
               .ids = ids.data(),
               .table = half.data(),
               .table_is_bf16 = true,
               .out = {out_half.data(), dim}});
    for (int64_t i = 0; i < tokens * dim; ++i) {
      const int64_t at = ids[i / dim] * dim + i % dim;
      ASSERT_EQ(out[i / dim * (dim + 2) + i % dim], table[at]);
      ASSERT_EQ(out_half[i], bf16_to_float(half[at]));
    }
  }
}

TEST_P(EmbeddingTest, TheGradientAddsRowsByIdAndMatchesDouble) {
  for (int64_t dim : {1, 16, 51})
    for (int64_t vocab : {1, 7, 500}) {
      const int64_t tokens = 301;
      const auto ids = some_ids(tokens, vocab);
      const auto dy = random_floats(tokens * dim, 2);
      std::vector<double> want(vocab * dim);
      for (int64_t i = 0; i < tokens * dim; ++i) want[ids[i / dim] * dim + i % dim] += dy[i];
      auto dtable = poison(vocab * dim);
      ScratchMemory scratch(embedding_grad_scratch_bytes(tokens, vocab));
      EmbeddingGrad args{.tokens = tokens,
                         .vocab = vocab,
                         .dim = dim,
                         .ids = ids.data(),
                         .dy = {dy.data(), dim},
                         .dtable = dtable.data()};
      embedding_grad(args, scratch.span());
      EXPECT_LT(relative_error(dtable, want), 1e-6);
      args.accumulate = true;
      embedding_grad(args, scratch.span());
      for (double& v : want) v *= 2;
      EXPECT_LT(relative_error(dtable, want), 1e-6);
    }
}

TEST_P(EmbeddingTest, TheGradientDoesNotDependOnTheNumberOfThreads) {
  const int64_t tokens = 1000, vocab = 90, dim = 33;
  const auto ids = some_ids(tokens, vocab);
  const auto dy = random_floats(tokens * dim, 2);
  const int before = threads().size();
  std::vector<std::vector<float>> results;
  for (int count : {1, 2, 9}) {
    set_thread_count(count);
    results.push_back(poison(vocab * dim));
    ScratchMemory scratch(embedding_grad_scratch_bytes(tokens, vocab));
    embedding_grad({.tokens = tokens,
                    .vocab = vocab,
                    .dim = dim,
                    .ids = ids.data(),
                    .dy = {dy.data(), dim},
                    .dtable = results.back().data()},
                   scratch.span());
  }
  set_thread_count(before);
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

TEST_P(EmbeddingTest, AnIdOutsideTheTableIsAnError) {
  const std::vector<float> table(10);
  std::vector<float> out(5);
  for (int32_t id : {-1, 2})
    EXPECT_THROW(
        embedding({.tokens = 1, .vocab = 2, .dim = 5, .ids = &id, .table = table.data(), .out = {out.data(), 5}}),
        Error);
}

TEST(KvWriteTest, RowsLandAtTheirPositionsAndSlotsAndNowhereElse) {
  const int64_t batch = 2, count = 3, heads = 2, dim = 5, cache_rows = 4, row = heads * dim;
  const auto rows = random_floats(batch * count * row, 1);
  auto cache = poison(3 * cache_rows * row);
  const std::vector<int32_t> positions = {3, -1, 0, 1, 2, 3}, slot = {2, 0};
  KvWrite args{.batch = batch,
               .count = count,
               .n_kv_head = heads,
               .head_dim = dim,
               .cache_rows = cache_rows,
               .rows = {rows.data(), count * row, row, dim},
               .cache = {cache.data(), cache_rows * row, row, dim},
               .positions = positions.data(),
               .slot = slot.data()};
  kv_write(args);
  int64_t written = 0;
  for (int64_t i = 0; i < batch * count; ++i) {
    if (positions[i] < 0) continue;
    for (int64_t c = 0; c < row; ++c, ++written)
      EXPECT_EQ(cache[(slot[i / count] * cache_rows + positions[i]) * row + c], rows[i * row + c]);
  }
  EXPECT_EQ(std::count_if(cache.begin(), cache.end(), [](float v) { return !std::isnan(v); }), written);
  args.cache_rows = 3;
  EXPECT_THROW(kv_write(args), Error);
}

}  // namespace
}  // namespace propane::cpu
