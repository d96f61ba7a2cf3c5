#include "train/text.h"

#include <gtest/gtest.h>

namespace propane::train {
namespace {

TEST(EscapeHtml, LeavesNothingThatHtmlWouldRead) {
  EXPECT_EQ(escape_html("<script>alert(\"&'\")</script>"),
            "&lt;script&gt;alert(&quot;&amp;&#39;&quot;)&lt;/script&gt;");
  EXPECT_EQ(escape_html(std::string_view("a\0b\x1B\x7F\t\n", 7)),
            "a\xE2\x90\x80"
            "b\xE2\x90\x9B\xE2\x90\xA1\t\n");
  EXPECT_EQ(escape_html("\xC3"), "\xEF\xBF\xBD");
}

TEST(Excerpt, FitsAnErrorSentence) {
  EXPECT_EQ(excerpt("short\n", 10), "short");
  EXPECT_EQ(excerpt("one\ntwo\nthree", 7), "one two...");
  EXPECT_EQ(excerpt("\xC3\xA9\xC3\xA9", 3), "\xC3\xA9\xEF\xBF\xBD...");
}

}  // namespace
}  // namespace propane::train
