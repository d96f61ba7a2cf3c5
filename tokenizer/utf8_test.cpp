#include "tokenizer/utf8.h"

#include <gtest/gtest.h>

#include "tokenizer/random_text.h"

namespace propane {
namespace {

TEST(Utf8, ReplacesMaximalIllFormedPartsAsPythonDoes) {
  const std::string r = "\xEF\xBF\xBD";
  EXPECT_EQ(utf8_replace_invalid("a\xFFz"), "a" + r + "z");
  EXPECT_EQ(utf8_replace_invalid("\xE2\x82"), r);  // one unfinished character
  EXPECT_EQ(utf8_replace_invalid("\xE2\x82z"), r + "z");
  EXPECT_EQ(utf8_replace_invalid("\xC0\xAF"), r + r);                  // overlong
  EXPECT_EQ(utf8_replace_invalid("\xED\xA0\x80"), r + r + r);          // a surrogate
  EXPECT_EQ(utf8_replace_invalid("\xF4\x90\x80\x80"), r + r + r + r);  // past U+10FFFF
  EXPECT_EQ(utf8_replace_invalid("\xF0\x9F\x98\xF0\x9F\x98\x80"), r + "\xF0\x9F\x98\x80");
}

TEST(Utf8, EncodesAndDecodesEveryScalarValue) {
  for (char32_t code = 0; code < 0x110000; ++code) {
    if (code >= 0xD800 && code <= 0xDFFF) continue;
    std::string text;
    append_utf8(code, text);
    const Utf8Step step = utf8_step(text.data(), text.data() + text.size());
    int length;
    ASSERT_TRUE(step.valid && step.code == code && step.length == static_cast<int>(text.size()));
    ASSERT_EQ(utf8_code(text.data(), length), code);
    ASSERT_EQ(length, step.length);
  }
}

TEST(Utf8, ValidPrefixEndsAtTheFirstIllFormedByte) {
  const std::string ascii(100, 'x');
  for (size_t at = 0; at < ascii.size(); ++at) {
    std::string text = ascii;
    text[at] = '\x80';
    ASSERT_EQ(utf8_valid_prefix(text), at);
  }
}

TEST(Utf8Stream, AnyCutsGiveTheReplacedWhole) {
  std::mt19937 random(4);
  for (int i = 0; i < 2000; ++i) {
    const std::string bytes = testing::random_bytes(random, 40);
    Utf8Stream stream;
    std::string out;
    for (size_t at = 0; at < bytes.size();) {
      const size_t n = 1 + random() % 3;
      const std::string shown = stream.push(std::string_view(bytes).substr(at, n));
      ASSERT_TRUE(utf8_valid(shown));
      out += shown;
      at += n;
    }
    out += stream.finish();
    ASSERT_EQ(out, utf8_replace_invalid(bytes));
  }
}

TEST(Utf8Stream, HoldsAnUnfinishedCharacterBack) {
  Utf8Stream stream;
  EXPECT_EQ(stream.push("a\xE2\x82"), "a");
  EXPECT_EQ(stream.push("\xAC!"), "\xE2\x82\xAC!");
  EXPECT_EQ(stream.finish(), "");
}

}  // namespace
}  // namespace propane
