#include "tokenizer/rank_file.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tokenizer/fixtures.h"
#include "tokenizer/tokenizer_json.h"

namespace propane {
namespace {

using ::testing::TempDir;

std::string message(std::string_view content) {
  try {
    read_rank_file(content, "ranks.tiktoken", {});
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(RankFile, WritesWhatItRead) {
  const std::string content = read_file(testing::fixture("rustbpe_8188.tiktoken"));
  EXPECT_EQ(write_rank_file(read_rank_file(content, "f", {})), content);
  const Tokenizer tokenizer = Tokenizer::load(testing::fixture("rustbpe_8188.tiktoken"));
  EXPECT_EQ(tokenizer.vocab_size(), 8188);
  EXPECT_EQ(tokenizer.spec().split[0].pattern, named_pattern(kDefaultPattern));
  tokenizer.save_ranks(TempDir() + "/again.tiktoken");
  EXPECT_EQ(read_file(TempDir() + "/again.tiktoken"), content);
}

TEST(RankFile, TakesWindowsLineEndsAndNoLastOne) {
  std::string content = read_file(testing::fixture("gpt2.tiktoken"));
  std::string windows;
  for (const char c : content) windows += c == '\n' ? "\r\n" : std::string(1, c);
  content.pop_back();
  EXPECT_EQ(read_rank_file(windows, "f", {}).tokens, read_rank_file(content, "f", {}).tokens);
}

TEST(RankFile, NamesTheLineThatIsWrong) {
  const std::string good = read_file(testing::fixture("gpt2.tiktoken"));
  EXPECT_EQ(message(good), "no error");
  EXPECT_EQ(message(good + "YWJj\n"),
            "ranks.tiktoken: line 1001: expected a token in base64, a space and its rank, found \"YWJj\"");
  EXPECT_EQ(message(good + "Y=Jj 1000\n"),
            "ranks.tiktoken: line 1001: expected a token in base64, a space and its rank, found \"Y=Jj 1000\"");
  EXPECT_EQ(message(good + "QUFBQkJC 12x\n"),
            "ranks.tiktoken: line 1001: expected a rank from 0 to 2097151, found \"12x\"");
  EXPECT_EQ(message(good + "QUFBQkJC -1\n"),
            "ranks.tiktoken: line 1001: expected a rank from 0 to 2097151, found \"-1\"");
  EXPECT_EQ(message(good + "QUFBQkJC 99999999999\n"),
            "ranks.tiktoken: line 1001: expected a rank from 0 to 2097151, found \"99999999999\"");
  EXPECT_EQ(message(good + "QUFBQkJC 0\n"), "ranks.tiktoken: line 1001: rank 0 is there twice");
  EXPECT_EQ(message(good + "AA== 1000\n"), "ranks.tiktoken: line 1001: the token of line 1 is there again");
  EXPECT_EQ(message(good.substr(good.find('\n') + 1)),
            "ranks.tiktoken: expected a token for every byte, found none for byte 0x00");
}

TEST(RankFile, TruncationAnywhereIsAnErrorOrAShorterVocabulary) {
  const std::string content = read_file(testing::fixture("qwen2.tiktoken"));
  for (size_t size = 0; size < content.size(); size += 7) {
    try {
      EXPECT_LE(read_rank_file(content.substr(0, size), "f", {}).tokens.size(), 1000u);
    } catch (const Error&) {
    }
  }
}

TEST(RankFile, RefusesAnOrderThatTiktokenCouldNotRepeat) {
  const TokenizerSpec spec{.tokens = {"a", "b", "ab", "ba"}, .merges = {{1, 0, 3, 0}, {0, 1, 2, 1}}};
  EXPECT_THROW(write_rank_file(spec), Error);
}

TEST(RankFile, MergesAreAllSplitsIntoTokens) {
  EXPECT_EQ(merges_of_ranks({"a", "b", "ab", "ba", "aba"}),
            (std::vector<Merge>{{0, 1, 2, 2}, {1, 0, 3, 3}, {0, 3, 4, 4}, {2, 0, 4, 4}}));
}

}  // namespace
}  // namespace propane
