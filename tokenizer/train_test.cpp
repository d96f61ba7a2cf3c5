#include "tokenizer/train.h"

#include <gtest/gtest.h>

#include <map>

#include "base/error.h"
#include "base/threads.h"
#include "tokenizer/fixtures.h"
#include "tokenizer/random_text.h"
#include "tokenizer/rank_file.h"

namespace propane {
namespace {

std::vector<std::string_view> views(const std::vector<std::string>& strings) {
  return {strings.begin(), strings.end()};
}

// The definition, word for word, on chunks of letters only.
std::vector<std::pair<int, int>> merges_slowly(const std::map<std::string, int>& chunks, int limit) {
  std::vector<std::pair<std::vector<int>, int>> words;
  for (const auto& [chunk, count] : chunks) words.push_back({{chunk.begin(), chunk.end()}, count});
  std::vector<std::pair<int, int>> merges;
  while (static_cast<int>(merges.size()) < limit) {
    std::map<std::pair<int, int>, int> counts;
    for (const auto& [word, count] : words)
      for (size_t i = 0; i + 1 < word.size(); ++i) counts[{word[i], word[i + 1]}] += count;
    if (counts.empty()) break;
    auto best = counts.begin();
    for (auto at = counts.begin(); at != counts.end(); ++at)
      if (at->second > best->second) best = at;
    const auto [left, right] = best->first;
    for (auto& [word, count] : words)
      for (size_t i = 0; i + 1 < word.size(); ++i)
        if (word[i] == left && word[i + 1] == right) {
          word[i] = 256 + static_cast<int>(merges.size());
          word.erase(word.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        }
    merges.push_back({left, right});
  }
  return merges;
}

TEST(TrainBpe, FindsRustbpesMergesOnAMegabyteOfText) {
  const auto documents = testing::austen_documents({"emma.txt", "persuasion.txt"});
  const Tokenizer tokenizer = train_bpe({.vocab_size = 8188}, views(documents));
  EXPECT_EQ(write_rank_file(tokenizer.spec()), read_file(testing::fixture("rustbpe_8188.tiktoken")));
}

TEST(TrainBpe, FindsRustbpesMergesByEveryNamedPattern) {
  const auto documents = testing::austen_documents({"emma.txt"});
  for (const std::string name : {"autoresearch", "gpt2", "cl100k", "o200k", "llama3", "qwen2"}) {
    const Tokenizer tokenizer = train_bpe({.vocab_size = 1000, .pattern = name}, views(documents));
    EXPECT_EQ(write_rank_file(tokenizer.spec()), read_file(testing::fixture(name + ".tiktoken"))) << name;
  }
}

TEST(TrainBpe, MergesTheMostFrequentPairAndOfEqualsTheSmallest) {
  std::mt19937 random(9);
  for (int round = 0; round < 50; ++round) {
    std::map<std::string, int> chunks;
    std::string text;
    for (int i = 0; i < 40; ++i) {
      std::string chunk;
      for (size_t n = 1 + random() % 12; n > 0; --n) chunk += static_cast<char>('a' + random() % 3);
      ++chunks[chunk];
      text += chunk + ' ';
    }
    const Tokenizer tokenizer =
        train_bpe({.vocab_size = 256 + 40, .pattern = "[a-z]+"}, std::vector<std::string_view>{text});
    std::vector<std::pair<int, int>> merges;
    for (const Merge& merge : tokenizer.spec().merges) merges.push_back({merge.left, merge.right});
    ASSERT_EQ(merges, merges_slowly(chunks, 40));
  }
}

TEST(TrainBpe, ResultDoesNotDependOnThreadsOrOnHowTheTextIsHandedOver) {
  const auto documents = testing::austen_documents({"northanger_abbey.txt"});
  std::vector<std::string> files;
  for (const int count : {1, 2, 5}) {
    set_thread_count(count);
    files.push_back(write_rank_file(train_bpe({.vocab_size = 2000}, views(documents)).spec()));
    size_t next = 0;
    std::string buffer;  // reused, as a reader would
    files.push_back(write_rank_file(train_bpe({.vocab_size = 2000}, [&](std::string_view& document) {
                                      if (next == documents.size()) return false;
                                      document = buffer = documents[next++];
                                      return true;
                                    }).spec()));
  }
  set_thread_count(0);
  for (const std::string& file : files) EXPECT_EQ(file, files[0]);
}

TEST(TrainBpe, SpecialsTakeTheLastIds) {
  const std::vector<std::string_view> documents = {"abababab abab"};
  const Tokenizer tokenizer = train_bpe({.vocab_size = 262, .specials = autoresearch_specials()}, documents);
  EXPECT_EQ(tokenizer.vocab_size(), 262);
  EXPECT_EQ(tokenizer.token(256), "ab");
  EXPECT_EQ(tokenizer.special_id("<|reserved_0|>"), 258);
  EXPECT_EQ(tokenizer.special_id("<|reserved_3|>"), 261);
  EXPECT_EQ(tokenizer.bos_id(), 258);
}

TEST(TrainBpe, TextTooSmallGivesAllTheMergesThereAre) {
  const Tokenizer tokenizer =
      train_bpe({.vocab_size = 1000, .specials = {"<s>"}}, std::vector<std::string_view>{"abc"});
  EXPECT_EQ(tokenizer.vocab_size(), 256 + 2 + 1);
  EXPECT_EQ(train_bpe({.vocab_size = 1000}, std::vector<std::string_view>{}).vocab_size(), 256);
}

TEST(TrainBpe, LearnsFromBytesThatAreNotUtf8) {
  const Tokenizer tokenizer = train_bpe({.vocab_size = 257}, std::vector<std::string_view>{"\xFF\xFE \xFF\xFE"});
  EXPECT_EQ(tokenizer.token(256), "\xFF\xFE");
}

TEST(TrainBpe, RefusesImpossibleOptions) {
  const std::vector<std::string_view> documents = {"abc"};
  EXPECT_THROW(train_bpe({.vocab_size = 255}, documents), UsageError);
  EXPECT_THROW(train_bpe({.vocab_size = 257, .specials = {"<a>", "<b>"}}, documents), UsageError);
  EXPECT_THROW(train_bpe({.vocab_size = 300, .specials = {"<a>", "<a>"}}, documents), UsageError);
  EXPECT_THROW(train_bpe({.vocab_size = 300, .pattern = "("}, documents), UsageError);
}

}  // namespace
}  // namespace propane
