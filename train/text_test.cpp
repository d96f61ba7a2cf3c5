#include "train/text.h"

#include <gtest/gtest.h>

namespace propane::train {
namespace {

#define R "\xEF\xBF\xBD"

TEST(ValidUtf8, KeepsWhatIsValid) {
  const std::string text = "plain, \xC3\xA9, \xE2\x82\xAC, \xF0\x9F\x98\x80, \xEF\xBF\xBF, \xF4\x8F\xBF\xBF";
  EXPECT_EQ(valid_utf8(text), text);
  EXPECT_EQ(valid_utf8(""), "");
}

// The expected values are those of Python's bytes.decode('utf-8', 'replace').
TEST(ValidUtf8, ReplacesEachMaximalSubpart) {
  EXPECT_EQ(valid_utf8("a\xFFz"), "a" R "z");
  EXPECT_EQ(valid_utf8("\xC0\xAF"), R R);              // overlong
  EXPECT_EQ(valid_utf8("\xE0\x80\xBF"), R R R);        // overlong
  EXPECT_EQ(valid_utf8("\xED\xA0\x80"), R R R);        // a surrogate
  EXPECT_EQ(valid_utf8("\xF4\x90\x80\x80"), R R R R);  // beyond U+10FFFF
  EXPECT_EQ(valid_utf8("\xF0\x9F\x98"), R);            // cut off at the end
  EXPECT_EQ(valid_utf8("\xE2\x82"
                       "A"),
            R "A");  // cut off in the middle
  EXPECT_EQ(valid_utf8("\xF1\x80\x80\xE1\x80\xC2"
                       "b"),
            R R R "b");                    // table 3-8 of the standard
  EXPECT_EQ(valid_utf8("\x80\xBF"), R R);  // continuations alone
}

TEST(EscapeHtml, LeavesNothingThatHtmlWouldRead) {
  EXPECT_EQ(escape_html("<script>alert(\"&'\")</script>"),
            "&lt;script&gt;alert(&quot;&amp;&#39;&quot;)&lt;/script&gt;");
  EXPECT_EQ(escape_html(std::string_view("a\0b\x1B\x7F\t\n", 7)),
            "a\xE2\x90\x80"
            "b\xE2\x90\x9B\xE2\x90\xA1\t\n");
  EXPECT_EQ(escape_html("\xC3"), R);
}

TEST(Excerpt, FitsAnErrorSentence) {
  EXPECT_EQ(excerpt("short\n", 10), "short");
  EXPECT_EQ(excerpt("one\ntwo\nthree", 7), "one two...");
  EXPECT_EQ(excerpt("\xC3\xA9\xC3\xA9", 3), "\xC3\xA9" R "...");
}

}  // namespace
}  // namespace propane::train
