#include "tokenizer/bpe.h"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <random>

namespace propane {
namespace {

// A vocabulary of random merges over a few bytes, so that chunks merge often and deep.
struct RandomVocabulary {
  explicit RandomVocabulary(unsigned seed, int merge_count) {
    std::mt19937 random(seed);
    for (int byte = 0; byte < 256; ++byte) tokens.push_back(std::string(1, static_cast<char>(byte)));
    while (static_cast<int>(merges.size()) < merge_count) {
      const auto pick = [&] {
        const size_t i = random() % (3 + merges.size());
        return static_cast<int32_t>(i < 3 ? 'a' + i : 256 + i - 3);
      };
      const auto result = static_cast<int32_t>(tokens.size());
      const Merge merge{pick(), pick(), result, static_cast<int32_t>(merges.size())};
      const std::string bytes = tokens[static_cast<size_t>(merge.left)] + tokens[static_cast<size_t>(merge.right)];
      if (std::find(tokens.begin(), tokens.end(), bytes) != tokens.end() || bytes.size() > 12) continue;
      merges.push_back(merge);
      tokens.push_back(bytes);
    }
  }

  // The definition, word for word.
  std::vector<int32_t> encode_slowly(std::string_view chunk) const {
    std::vector<int32_t> ids;
    for (const char c : chunk) ids.push_back(static_cast<unsigned char>(c));
    for (;;) {
      std::optional<size_t> at;
      const Merge* best = nullptr;
      for (size_t i = 0; i + 1 < ids.size(); ++i)
        for (const Merge& m : merges)
          if (m.left == ids[i] && m.right == ids[i + 1] && (!best || m.rank < best->rank)) best = &m, at = i;
      if (!best) return ids;
      ids[*at] = best->result;
      ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(*at) + 1);
    }
  }

  std::vector<std::string> tokens;
  std::vector<Merge> merges;
};

std::string random_chunk(std::mt19937& random, size_t size) {
  std::string chunk;
  for (size_t i = 0; i < size; ++i) chunk += static_cast<char>('a' + random() % 3);
  return chunk;
}

TEST(Bpe, MergesByRankThenFromTheLeftInChunksOfAnyLength) {
  const RandomVocabulary vocabulary(5, 60);
  const Bpe bpe(vocabulary.tokens, vocabulary.merges, false);
  Bpe::Encoder encoder(bpe);
  std::mt19937 random(6);
  for (int i = 0; i < 600; ++i) {
    const std::string chunk = random_chunk(random, i % 20 == 0 ? 97 + random() % 200 : random() % 40);
    std::vector<int32_t> ids;
    encoder.encode(chunk, ids);
    ASSERT_EQ(ids, vocabulary.encode_slowly(chunk)) << chunk;
    ids.clear();
    encoder.encode(chunk, ids);  // now from the cache
    ASSERT_EQ(ids, vocabulary.encode_slowly(chunk)) << chunk;
  }
}

TEST(Bpe, ChunkOfAMegabyteTakesNoQuadraticTime) {
  const RandomVocabulary vocabulary(7, 200);
  const Bpe bpe(vocabulary.tokens, vocabulary.merges, false);
  Bpe::Encoder encoder(bpe);
  std::mt19937 random(8);
  const std::string chunk = random_chunk(random, 1 << 20);
  std::vector<int32_t> ids;
  const auto start = std::chrono::steady_clock::now();
  encoder.encode(chunk, ids);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  EXPECT_LT(seconds, 20);  // some 0.3 s; the square of 2^20 steps would be many minutes
  std::string bytes;
  for (const int32_t id : ids) bytes += vocabulary.tokens[static_cast<size_t>(id)];
  EXPECT_TRUE(bytes == chunk);
}

TEST(Bpe, WholeChunkComesFirstOnlyIfAskedFor) {
  // "abc" is a token that the merges do not lead to, for bc comes before ab.
  std::vector<std::string> tokens(256);
  for (int byte = 0; byte < 256; ++byte) tokens[static_cast<size_t>(byte)] = std::string(1, static_cast<char>(byte));
  tokens.insert(tokens.end(), {"bc", "ab", "abc"});
  const std::vector<Merge> merges = {{'b', 'c', 256, 0}, {'a', 'b', 257, 1}, {257, 'c', 258, 2}};
  for (const bool whole : {false, true}) {
    const Bpe bpe(tokens, merges, whole);
    Bpe::Encoder encoder(bpe);
    std::vector<int32_t> ids;
    encoder.encode("abc", ids);
    EXPECT_EQ(ids, whole ? (std::vector<int32_t>{258}) : (std::vector<int32_t>{'a', 256}));
  }
}

TEST(Bpe, BytesWithoutATokenVanish) {
  const Bpe bpe({"a", "b", "ab"}, {{0, 1, 2, 0}}, false);
  Bpe::Encoder encoder(bpe);
  std::vector<int32_t> ids;
  encoder.encode("xaxbx", ids);
  EXPECT_EQ(ids, (std::vector<int32_t>{2}));
}

}  // namespace
}  // namespace propane
