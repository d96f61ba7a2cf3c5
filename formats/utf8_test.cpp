#include "formats/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace propane {
namespace {

TEST(Utf8, AcceptsTheEdgesOfEveryLength) {
  for (std::string text : {"", "\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
                           "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_EQ(find_invalid_utf8(text), std::string::npos);
    EXPECT_EQ(find_invalid_utf8("12345678" + text + "123456789"), std::string::npos);
  }
}

TEST(Utf8, FindsTheFirstByteThatIsNot) {
  EXPECT_EQ(find_invalid_utf8("caf\xE9"), 3u);
  EXPECT_EQ(find_invalid_utf8("0123456789\xC3\xA9\x80"), 12u);
  for (std::string bad : {"\x80", "\xC0\x80", "\xC1\xBF", "\xC2", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xE2\x82",
                          "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF"}) {
    EXPECT_EQ(find_invalid_utf8("ok " + bad), 3u);
  }
}

// The expected counts are those of Python's bytes.decode(errors="replace").
TEST(Utf8, ReplacesEachMaximalPartOnce) {
  const std::string sign = "\xEF\xBF\xBD";
  EXPECT_EQ(replace_invalid_utf8("a\xE2\x82z"), "a" + sign + "z");      // a truncated sequence: one
  EXPECT_EQ(replace_invalid_utf8("\xED\xA0\x80"), sign + sign + sign);  // a surrogate: each byte
  EXPECT_EQ(replace_invalid_utf8("\xF0\x9F\x98"), sign);                // an emoji's beginning
  EXPECT_EQ(replace_invalid_utf8("\xF0\x80\x80"), sign + sign + sign);  // overlong
  EXPECT_EQ(replace_invalid_utf8("\xC3\xA9\xFF\xC3\xA9"), "\xC3\xA9" + sign + "\xC3\xA9");
  EXPECT_EQ(replace_invalid_utf8("clean"), "clean");
}

}  // namespace
}  // namespace propane
