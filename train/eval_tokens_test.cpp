#include "train/eval_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/error.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/train.h"
#include "train/test_folder.h"

namespace propane::train {
namespace {

// Documents of tokens 1000·d, 1000·d + 1, ...: a token says where it stands. The first of each is special.
TokenCorpus corpus_of(const TestFolder& folder, const std::vector<int>& sizes) {
  TokenShardWriter writer(folder / "shard.bin", {.vocab_size = 1000 * sizes.size()});
  for (size_t d = 0; d < sizes.size(); ++d) {
    std::vector<int32_t> tokens;
    for (int i = 0; i < sizes[d]; ++i) tokens.push_back(static_cast<int32_t>(1000 * d) + i);
    writer.add_document(tokens, 0);
  }
  writer.close();
  std::vector<TokenShard> shards;
  shards.emplace_back(folder / "shard.bin");
  return TokenCorpus(std::move(shards));
}

// Token t stands for t % 7 + 1 bytes, but specials for none.
std::vector<int32_t> bytes_of(size_t documents) {
  std::vector<int32_t> bytes(1000 * documents);
  for (size_t t = 0; t < bytes.size(); ++t) bytes[t] = t % 1000 == 0 ? 0 : static_cast<int32_t>(t % 7 + 1);
  return bytes;
}

struct Scored {
  std::map<int32_t, int> times;  // of each target
  int64_t scored = 0, bytes = 0;
};

// Reads the list in batches of `rows` and checks what each row promises.
Scored read(const EvalTokens& list, int64_t rows, bool stream) {
  Scored result;
  const auto seq = static_cast<size_t>(list.seq());
  EvalBatch batch;
  for (int64_t first = 0; first < list.rows(); first += rows) {
    list.fill(first, rows, &batch);
    result.scored += batch.scored;
    result.bytes += batch.bytes;
    for (size_t i = 0; i < batch.targets.size(); ++i) {
      const size_t column = i % seq;
      EXPECT_EQ(batch.positions[i], static_cast<int32_t>(column));
      if (batch.targets[i] < 0) continue;
      ++result.times[batch.targets[i]];
      if (column + 1 < seq) {
        EXPECT_EQ(batch.targets[i], batch.tokens[i + 1]);
      }
      const auto start = static_cast<size_t>(batch.doc_start[i]);
      EXPECT_LE(start, column);
      EXPECT_EQ(batch.tokens[i] - batch.tokens[i - column + start], static_cast<int32_t>(column - start));
      // Every window but the first gives its targets at least seq/2 tokens before them.
      if (stream && (first > 0 || i >= seq)) {
        EXPECT_GE(column + 1, seq / 2);
      }
    }
  }
  return result;
}

TEST(EvalTokens, ScoresEveryTokenExactlyOnceAtAnyBatchSize) {
  const TestFolder folder;
  const std::vector<int> sizes = {40, 1, 7, 333, 2, 64, 65};
  const TokenCorpus corpus = corpus_of(folder, sizes);
  int64_t tokens = 0, bytes = 0;
  for (size_t d = 0; d < sizes.size(); ++d) {
    tokens += sizes[d] - 1;
    for (int i = 1; i < sizes[d]; ++i) bytes += bytes_of(sizes.size())[1000 * d + static_cast<size_t>(i)];
  }
  for (int64_t seq : {1, 2, 3, 16, 33, 64, 511, 512, 513, 2048}) {
    const EvalTokens list(corpus, bytes_of(sizes.size()), {.seq = seq});
    EXPECT_EQ(list.scored(), tokens);
    EXPECT_EQ(list.bytes(), bytes);
    for (int64_t rows : {1, 3, 8}) {
      const Scored read_back = read(list, rows, true);
      EXPECT_EQ(read_back.scored, tokens) << "seq " << seq << ", rows " << rows;
      EXPECT_EQ(read_back.bytes, bytes);
      EXPECT_EQ(static_cast<int64_t>(read_back.times.size()), tokens);
      for (const auto& [token, times] : read_back.times) EXPECT_EQ(times, 1) << "token " << token;
    }
  }
}

TEST(EvalTokens, ALimitTakesTheFirstTokensOfTheSameList) {
  const TestFolder folder;
  const TokenCorpus corpus = corpus_of(folder, {500});
  const EvalTokens list(corpus, bytes_of(1), {.seq = 32, .max_tokens = 77});
  EXPECT_EQ(list.scored(), 77);
  const Scored read_back = read(list, 4, true);
  EXPECT_EQ(read_back.times.begin()->first, 1);
  EXPECT_EQ(read_back.times.rbegin()->first, 77);
}

TEST(EvalTokens, AutoresearchScoresWholeBatchesOfItsLoader) {
  const TestFolder folder;
  const std::vector<int> sizes = {40, 7, 30, 2, 64, 65};
  const TokenCorpus corpus = corpus_of(folder, sizes);
  const EvalOptions options{.seq = 32, .max_tokens = 1000, .autoresearch = true, .autoresearch_rows = 4};
  const EvalTokens list(corpus, bytes_of(sizes.size()), options);
  EXPECT_EQ(list.rows(), 1000 / (4 * 32) * 4);
  // The rows are those of a fresh loader; only specials are not scored.
  const auto packer = make_packer(corpus, {.packing = Packing::autoresearch, .seq = 32});
  std::vector<Piece> pieces;
  std::vector<int32_t> tokens(32), targets(32), doc_start(32);
  EvalBatch batch;
  for (int64_t row = 0; row < list.rows(); ++row) {
    packer->next_row(&pieces);
    fill_row(corpus, pieces, {tokens, targets, doc_start});
    list.fill(row, 1, &batch);
    EXPECT_EQ(batch.tokens, tokens);
    for (size_t i = 0; i < 32; ++i) EXPECT_EQ(batch.targets[i], targets[i] % 1000 == 0 ? -1 : targets[i]);
  }
  EXPECT_EQ(read(list, 5, false).scored, list.scored());
}

// prepare.py's token_bytes and evaluate_bpb on a small case: bits = nats / ln 2, bytes as each way of counting has
// them.
TEST(EvalTokens, CountsBytesOfTokensThatAreNoUtf8AsAsked) {
  const std::string_view texts[] = {"ab \xE2\x82\xAC \xE2\x82\xAC ab \xE2\x82\xAC"};
  const Tokenizer tokenizer = train_bpe({.vocab_size = 262, .specials = {"<|bos|>"}}, texts);
  const auto actual = token_bytes(tokenizer, ByteCount::actual);
  const auto theirs = token_bytes(tokenizer, ByteCount::autoresearch);
  ASSERT_EQ(actual.size(), static_cast<size_t>(tokenizer.vocab_size()));
  bool fragment = false;
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    const auto i = static_cast<size_t>(id);
    if (tokenizer.is_special(id)) {
      EXPECT_EQ(actual[i], 0);
      EXPECT_EQ(theirs[i], 0);
      continue;
    }
    EXPECT_EQ(static_cast<size_t>(actual[i]), tokenizer.token(id).size());
    if (tokenizer.token(id) == " \xE2") {  // a space and what becomes one replacement character
      EXPECT_EQ(actual[i], 2);
      EXPECT_EQ(theirs[i], 4);
      fragment = true;
    }
    if (tokenizer.token(id) == "\x80") {
      EXPECT_EQ(theirs[i], 3);
    }
  }
  EXPECT_TRUE(fragment);
}

TEST(EvalTokens, RefusesWhatCannotBeScored) {
  const TestFolder folder;
  const TokenCorpus corpus = corpus_of(folder, {1});
  EXPECT_THROW(EvalTokens(corpus, bytes_of(1), {.seq = 8}), Error);  // nothing to score
  EXPECT_THROW(EvalTokens(TokenCorpus(), bytes_of(1), {.seq = 8}), Error);
  EXPECT_THROW(EvalTokens(corpus, bytes_of(1), {.seq = 0}), UsageError);
  const TestFolder other;
  const TokenCorpus longer = corpus_of(other, {50});
  EXPECT_THROW(EvalTokens(longer, std::vector<int32_t>(10, 1), {.seq = 8}), Error);  // tokens beyond the vocabulary
}

}  // namespace
}  // namespace propane::train
