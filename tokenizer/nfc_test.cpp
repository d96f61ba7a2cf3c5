#include "tokenizer/nfc.h"

#include <gtest/gtest.h>

#include "tokenizer/fixtures.h"
#include "tokenizer/random_text.h"

namespace propane {
namespace {

TEST(Nfc, ComposesAsPythonsUnicodedata) {
  for (const auto& pair : testing::json_fixture("nfc.json")) {
    const std::string text = pair[0], expected = pair[1];
    ASSERT_EQ(to_nfc(text), expected);
    ASSERT_TRUE(!is_nfc_quick(text) || text == expected);
  }
}

TEST(Nfc, QuickCheckIsNeverWrong) {
  std::mt19937 random(11);
  int quick = 0;
  for (int i = 0; i < 20000; ++i) {
    const std::string text = testing::random_text(random, 6);
    if (!is_nfc_quick(text)) continue;
    ++quick;
    ASSERT_EQ(to_nfc(text), text);
  }
  EXPECT_GT(quick, 1000);
}

TEST(Nfc, KeepsIllFormedBytes) { EXPECT_EQ(to_nfc("e\xCC\x81\xFF\xCC\x81"), "\xC3\xA9\xFF\xCC\x81"); }

}  // namespace
}  // namespace propane
