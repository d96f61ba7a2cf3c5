#include "tokenizer/split.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tokenizer/random_text.h"

namespace propane {
namespace {

using Strings = std::vector<std::string>;

Strings chunks(const Splitter& splitter, std::string_view text) {
  Strings out;
  Splitter::Walker walker(splitter);
  walker.walk(text, [&](std::span<const std::string_view> some) { out.insert(out.end(), some.begin(), some.end()); });
  return out;
}

Strings chunks(std::string_view pattern, std::string_view text) { return chunks(Splitter(pattern), text); }

std::string joined(const Strings& strings) {
  std::string out;
  for (const std::string& s : strings) out += s;
  return out;
}

// Patterns as their users write them; a scanner knows each.
const char* const kKnown[] = {
    "autoresearch",
    "gpt2",
    "cl100k",
    "gpt4",
    "o200k",
    "llama3",
    "qwen2",
    R"('(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s)",
    R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s)"};

class KnownPattern : public ::testing::TestWithParam<const char*> {
 protected:
  Splitter scanner{GetParam()};
  // In a group of its own the pattern is no longer one that a scanner knows.
  Splitter pcre2{"(?:" + std::string(named_pattern(GetParam())) + ")"};
};

TEST_P(KnownPattern, ScannerCutsRandomTextsAsPcre2Does) {
  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i) {
    const std::string text = testing::random_text(random, 24);
    ASSERT_EQ(chunks(scanner, text), chunks(pcre2, text)) << "text " << i;
  }
}

TEST_P(KnownPattern, ScannerCutsEveryCodePointAsPcre2Does) {
  const auto sizes = [](const Splitter& splitter, std::string_view text) {
    std::vector<size_t> out;
    Splitter::Walker walker(splitter);
    walker.walk(text, [&](std::span<const std::string_view> some) {
      for (const std::string_view chunk : some) out.push_back(chunk.size());
    });
    return out;
  };
  constexpr std::string_view kAround = "a 1'\nA.";
  for (size_t shift = 0; shift < 3; ++shift) {
    std::string text;
    for (char32_t code = 0; code < 0x110000; ++code) {
      if (code >= 0xD800 && code <= 0xDFFF) continue;
      append_utf8(code, text);
      text += kAround[(code + shift) % kAround.size()];
    }
    ASSERT_TRUE(sizes(scanner, text) == sizes(pcre2, text)) << "shift " << shift;
  }
}

TEST_P(KnownPattern, SafeCutsChangeNoChunk) {
  std::mt19937 random(2);
  size_t cuts = 0;
  for (int i = 0; i < 5000; ++i) {
    std::string text;
    for (int j = 0; j < 8; ++j) text += testing::random_text(random, 6) + (random() % 2 ? "\n" : ".\n") + "ab";
    Strings parts;
    for (size_t at = 0; at < text.size();) {
      const size_t cut = scanner.safe_cut(text, at + 1);
      cuts += cut < text.size();
      const Strings some = chunks(scanner, std::string_view(text).substr(at, cut - at));
      parts.insert(parts.end(), some.begin(), some.end());
      at = cut;
    }
    ASSERT_EQ(parts, chunks(scanner, text)) << "text " << i;
  }
  EXPECT_GT(cuts, 5000u);
}

TEST_P(KnownPattern, KeepsEveryByteOfAnyBytes) {
  std::mt19937 random(3);
  for (int i = 0; i < 5000; ++i) {
    const std::string text = testing::random_bytes(random, 30);
    ASSERT_EQ(joined(chunks(scanner, text)), text);
    ASSERT_EQ(chunks(scanner, text), chunks(pcre2, text));
  }
}

INSTANTIATE_TEST_SUITE_P(All, KnownPattern, ::testing::ValuesIn(kKnown));

TEST(Splitter, CutsByTheDefaultPattern) {
  EXPECT_EQ(chunks(kDefaultPattern, "It's 1234 o'clock.\n\n  Go! \n"),
            (Strings{"It", "'s", " ", "12", "34", " o", "'clock", ".\n\n", " ", " Go", "!", " \n"}));
}

TEST(Splitter, OnlyCl100kKeepsWhiteSpaceAtTheEndWhole) {
  EXPECT_EQ(chunks("cl100k", "a \n  "), (Strings{"a", " \n  "}));
  EXPECT_EQ(chunks("llama3", "a \n  "), (Strings{"a", " \n", "  "}));
}

TEST(Splitter, TextBetweenMatchesIsAChunkOrThrownAway) {
  const SplitStage keep{.pattern = "[a-z]+"}, drop{.pattern = "[a-z]+", .keep_gaps = false};
  EXPECT_EQ(chunks(Splitter({keep}), "1ab, cd!"), (Strings{"1", "ab", ", ", "cd", "!"}));
  EXPECT_EQ(chunks(Splitter({drop}), "1ab, cd!"), (Strings{"ab", "cd"}));
}

TEST(Splitter, StagesCutTheChunksOfTheStageBefore) {
  const Splitter splitter({{.pattern = "\\p{N}"}, {.pattern = std::string(named_pattern("gpt2"))}});
  EXPECT_EQ(chunks(splitter, "a 12 bc"), (Strings{"a", " ", "1", "2", " bc"}));
}

TEST(Splitter, RunsOfIllFormedBytesAreChunksOfTheirOwn) {
  EXPECT_EQ(chunks("gpt2", "ab\xFF\xC3\x80\xE2\x82 cd"), (Strings{"ab", "\xFF", "\xC3\x80", "\xE2\x82", " cd"}));
  EXPECT_EQ(chunks("[^a]+", "b\xFF\xFE\xE2\x82z"), (Strings{"b", "\xFF\xFE\xE2\x82", "z"}));
}

TEST(Splitter, WhiteSpaceIsUnicodesNotPcre2s) {
  EXPECT_EQ(chunks("\\s", "\xE1\xA0\x8E"), (Strings{"\xE1\xA0\x8E"}));
  EXPECT_EQ(chunks(Splitter({{.pattern = "[^\\S]", .keep_gaps = false}}), "\xE1\xA0\x8E\xC2\x85x"),
            (Strings{"\xC2\x85"}));
}

TEST(Splitter, DialectsDifferInDollar) {
  const SplitStage rust{.pattern = "b$", .keep_gaps = false};
  const SplitStage oniguruma{.pattern = "b$", .dialect = RegexDialect::oniguruma, .keep_gaps = false};
  EXPECT_EQ(chunks(Splitter({rust}), "b\nb"), (Strings{"b"}));
  EXPECT_EQ(chunks(Splitter({oniguruma}), "b\nb"), (Strings{"b", "b"}));
  EXPECT_EQ(rust.oniguruma_pattern(), "b\\z");
  EXPECT_EQ((SplitStage{.pattern = "^[^$]\\$[$]"}).oniguruma_pattern(), "\\A[^$]\\$[$]");
}

TEST(Splitter, RefusesBadPatterns) {
  EXPECT_THROW(Splitter("(a"), Error);
  EXPECT_THROW(Splitter("\xFF"), Error);
  EXPECT_THROW(Splitter("\\"), Error);
  EXPECT_THROW(Splitter("\\p{"), Error);
  EXPECT_THROW(Splitter("\\C"), Error);
  EXPECT_THROW((SplitStage{.pattern = "a{1,3}+"}).oniguruma_pattern(), Error);
}

TEST(Splitter, HostilePatternEndsInAnError) {
  EXPECT_THROW(chunks("(?:a+)+b|(?:a|aa)+c", std::string(5000, 'a')), Error);
}

}  // namespace
}  // namespace propane
