#include "tokenizer/tokenizer.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/threads.h"
#include "base/utf8.h"
#include "tokenizer/fixtures.h"
#include "tokenizer/random_text.h"

namespace propane {
namespace {

using Ids = std::vector<int32_t>;
using nlohmann::json;

const std::vector<std::string> kSpecials = {"<|reserved_0|>", "<|reserved_1|>", "<|reserved_2|>", "<|reserved_3|>"};

Tokenizer small(const std::string& pattern = "autoresearch") {
  return Tokenizer::load(testing::fixture(pattern + ".tiktoken"), {.pattern = pattern, .specials = kSpecials});
}

class TiktokenFixture : public ::testing::TestWithParam<const char*> {};

TEST_P(TiktokenFixture, EncodesAsTiktoken) {
  const json fixture = testing::json_fixture("tiktoken_encodings.json");
  const json& expected = fixture["patterns"][GetParam()];
  const Tokenizer tokenizer = small(GetParam());
  for (size_t i = 0; i < fixture["texts"].size(); ++i)
    ASSERT_EQ(tokenizer.encode(fixture["texts"][i].get<std::string>()), expected["ids"][i].get<Ids>()) << "text " << i;
  for (size_t i = 0; i < fixture["with_specials"].size(); ++i)
    ASSERT_EQ(tokenizer.encode(fixture["with_specials"][i].get<std::string>(), AllowedSpecials::all()),
              expected["ids_with_specials"][i].get<Ids>())
        << "text " << i;
}

INSTANTIATE_TEST_SUITE_P(Patterns, TiktokenFixture,
                         ::testing::Values("autoresearch", "gpt2", "cl100k", "o200k", "llama3", "qwen2"));

TEST(Tokenizer, DecodesWhatItEncodedForAnyBytes) {
  const Tokenizer tokenizer = small();
  std::mt19937 random(10);
  for (int i = 0; i < 5000; ++i) {
    const std::string text = testing::random_bytes(random, 60);
    ASSERT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
  }
}

TEST(Tokenizer, BatchAndLongTextsGiveTheSameIdsOnAnyThreads) {
  std::string text;
  for (const std::string& document : testing::austen_documents({"emma.txt", "persuasion.txt"})) text += document;
  ASSERT_GT(text.size(), 1u << 20);
  const std::vector<std::string_view> texts = {text, "", "a short one", std::string_view(text).substr(0, 1000)};
  for (const char* pattern : {"autoresearch", "gpt2"}) {
    const Tokenizer tokenizer = small(pattern);
    set_thread_count(1);
    const auto alone = tokenizer.encode_batch(texts);
    set_thread_count(3);
    EXPECT_EQ(tokenizer.encode_batch(texts), alone);
    // By pieces that end where chunks do, which no slicing by size has touched.
    Ids by_lines;
    Splitter::Walker(Splitter(pattern)).walk(text, [&](std::span<const std::string_view> chunks) {
      for (const std::string_view chunk : chunks) {
        const Ids ids = tokenizer.encode(chunk);
        by_lines.insert(by_lines.end(), ids.begin(), ids.end());
      }
    });
    EXPECT_TRUE(by_lines == alone[0]);
  }
  set_thread_count(0);
}

TEST(Tokenizer, RecognisesOnlyAllowedSpecials) {
  const Tokenizer tokenizer = small();
  const std::string text = "a<|reserved_0|>b<|reserved_1|>";
  const int32_t first = *tokenizer.special_id("<|reserved_0|>"), second = *tokenizer.special_id("<|reserved_1|>");
  const Ids plain = tokenizer.encode(text);
  EXPECT_EQ(std::count(plain.begin(), plain.end(), first), 0);
  EXPECT_EQ(tokenizer.encode(text, AllowedSpecials::all()), (Ids{'a', first, 'b', second}));
  const Ids one = tokenizer.encode(text, AllowedSpecials::only({"<|reserved_1|>"}));
  EXPECT_EQ(std::count(one.begin(), one.end(), first), 0);
  EXPECT_EQ(one.back(), second);
  for (const Ids& ids : {plain, one}) EXPECT_EQ(tokenizer.decode(ids), text);
}

TEST(Tokenizer, OfSpecialsThatBeginAlikeTheLongestIsFound) {
  const Tokenizer tokenizer = Tokenizer::load(testing::fixture("gpt2.tiktoken"), {.specials = {"<a", "<a>", "<a>b"}});
  EXPECT_EQ(tokenizer.encode("<a>b<a><a", AllowedSpecials::all()), (Ids{1002, 1001, 1000}));
}

TEST(Tokenizer, TokenBytesAreTrueLengthsAndNoneForSpecials) {
  const Tokenizer tokenizer = small();
  int64_t total = 0;
  const std::string text = "Emma \xE4\xB8\xAD\xFF Woodhouse";
  for (const int32_t id : tokenizer.encode(text)) total += tokenizer.token_bytes(id);
  EXPECT_EQ(total, static_cast<int64_t>(text.size()));
  EXPECT_EQ(tokenizer.token_bytes(*tokenizer.special_id("<|reserved_0|>")), 0);
  EXPECT_EQ(tokenizer.token_bytes_replaced(*tokenizer.special_id("<|reserved_0|>")), 0);
  EXPECT_EQ(tokenizer.token_bytes(0xE4), 1);
  EXPECT_EQ(tokenizer.token_bytes_replaced(0xE4), 3);
}

TEST(Tokenizer, ReplacedBytesAreWhatPythonCounts) {
  TokenizerSpec spec;
  const json samples = testing::json_fixture("replaced.json");
  for (const json& sample : samples) {
    std::string bytes;
    for (const int byte : sample[0]) bytes += static_cast<char>(byte);
    spec.tokens.push_back(bytes);
  }
  const Tokenizer tokenizer(std::move(spec));
  for (size_t i = 0; i < samples.size(); ++i)
    ASSERT_EQ(tokenizer.token_bytes_replaced(static_cast<int32_t>(i)), samples[i][1].get<int>()) << i;
}

TEST(Tokenizer, StreamOfTokensDecodesToWholeCharacters) {
  const Tokenizer tokenizer = small();
  const std::string text = "\xE4\xB8\xAD\xF0\x9F\x98\x80!";
  Utf8Stream stream;
  std::vector<std::string> shown;
  for (const int32_t id : tokenizer.encode(text)) shown.push_back(stream.push(tokenizer.token(id)));
  EXPECT_EQ(shown, (std::vector<std::string>{"", "", "\xE4\xB8\xAD", "", "", "", "\xF0\x9F\x98\x80", "!"}));
}

TEST(Tokenizer, RefusesIdsOutOfRange) {
  const Tokenizer tokenizer = small();
  EXPECT_THROW(tokenizer.decode(Ids{1004}), Error);
  EXPECT_THROW(tokenizer.decode(Ids{-1}), Error);
  EXPECT_THROW(tokenizer.token_bytes(1 << 30), Error);
}

TEST(Tokenizer, RefusesPartsThatContradictEachOther) {
  const auto broken = [](auto&& change) {
    TokenizerSpec spec{.tokens = {"a", "b", "ab"}, .merges = {{0, 1, 2, 0}}};
    spec.added.push_back({.id = 3, .text = "<s>"});
    change(spec);
    EXPECT_THROW(Tokenizer(std::move(spec)), Error);
  };
  broken([](TokenizerSpec& s) { s.merges[0].result = 7; });
  broken([](TokenizerSpec& s) { s.merges[0].left = -1; });
  broken([](TokenizerSpec& s) { s.added[0].id = 1; });
  broken([](TokenizerSpec& s) { s.added[0].id = -1; });
  broken([](TokenizerSpec& s) { s.added[0].text = "\xFF"; });
  broken([](TokenizerSpec& s) { s.added[0].text.clear(); });
  broken([](TokenizerSpec& s) { s.added.push_back({.id = 4, .text = "<s>"}); });
  broken([](TokenizerSpec& s) { s.added.push_back({.id = 3, .text = "</s>"}); });
  broken([](TokenizerSpec& s) { s.split = {{.pattern = "("}}; });
}

}  // namespace
}  // namespace propane
