#include "base/utf8.h"

#include <gtest/gtest.h>

#include <random>

namespace propane {
namespace {

const std::string kSign = "\xEF\xBF\xBD";

TEST(Utf8, AcceptsTheEdgesOfEveryLength) {
  for (std::string text : {"", "\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
                           "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(utf8_valid(text));
    EXPECT_TRUE(utf8_valid("12345678" + text + "123456789"));
    EXPECT_EQ(utf8_replace_invalid(text), text);
  }
}

TEST(Utf8, FindsTheFirstByteThatIsNot) {
  EXPECT_EQ(utf8_valid_prefix("caf\xE9"), 3u);
  EXPECT_EQ(utf8_valid_prefix("0123456789\xC3\xA9\x80"), 12u);
  for (std::string bad : {"\x80", "\xC0\x80", "\xC1\xBF", "\xC2", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xE2\x82",
                          "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF"}) {
    EXPECT_EQ(utf8_valid_prefix("ok " + bad), 3u);
  }
}

// The expected counts are those of Python's bytes.decode(errors="replace").
TEST(Utf8, ReplacesMaximalIllFormedPartsAsPythonDoes) {
  const auto signs = [](int n) {
    std::string text;
    for (int i = 0; i < n; ++i) text += kSign;
    return text;
  };
  EXPECT_EQ(utf8_replace_invalid("a\xFFz"), "a" + kSign + "z");
  EXPECT_EQ(utf8_replace_invalid("\xE2\x82"), kSign);  // one unfinished character
  EXPECT_EQ(utf8_replace_invalid("\xE2\x82z"), kSign + "z");
  EXPECT_EQ(utf8_replace_invalid("\xC0\xAF"), signs(2));          // overlong
  EXPECT_EQ(utf8_replace_invalid("\xE0\x80\xBF"), signs(3));      // overlong
  EXPECT_EQ(utf8_replace_invalid("\xF0\x80\x80"), signs(3));      // overlong
  EXPECT_EQ(utf8_replace_invalid("\xED\xA0\x80"), signs(3));      // a surrogate
  EXPECT_EQ(utf8_replace_invalid("\xF4\x90\x80\x80"), signs(4));  // past U+10FFFF
  EXPECT_EQ(utf8_replace_invalid("\x80\xBF"), signs(2));          // continuations alone
  EXPECT_EQ(utf8_replace_invalid("\xF0\x9F\x98\xF0\x9F\x98\x80"), kSign + "\xF0\x9F\x98\x80");
  EXPECT_EQ(utf8_replace_invalid("\xC3\xA9\xFF\xC3\xA9"), "\xC3\xA9" + kSign + "\xC3\xA9");
  // Table 3-8 of the standard.
  EXPECT_EQ(utf8_replace_invalid("\xF1\x80\x80\xE1\x80\xC2"
                                 "b"),
            signs(3) + "b");
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
  constexpr char32_t kFirst[] = {0, 0x80, 0x800, 0xE000, 0x10000}, kCount[] = {0x80, 0x780, 0xD000, 0x2000, 0x100000};
  for (int i = 0; i < 2000; ++i) {
    // Characters of every length, with bytes of any value here and there.
    std::string bytes;
    for (size_t n = random() % 40; n > 0; --n) {
      const size_t length = random() % std::size(kFirst);
      append_utf8(kFirst[length] + static_cast<char32_t>(random()) % kCount[length], bytes);
    }
    for (char& c : bytes)
      if (random() % 8 == 0) c = static_cast<char>(random());
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
