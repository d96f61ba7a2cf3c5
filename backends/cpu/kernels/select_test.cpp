#include "backends/cpu/kernels/select.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "base/error.h"

namespace propane::cpu {
namespace {

TEST(Select, PortableIsAlwaysThereAndComesLast) { EXPECT_EQ(available_targets().back(), "portable"); }

TEST(Select, WithoutTheVariableTheBestIsTaken) {
  if (std::getenv("PROPANE_CPU_TARGET")) GTEST_SKIP() << "PROPANE_CPU_TARGET is set";
  EXPECT_EQ(name(selected_target()), available_targets().front());
}

TEST(Select, AScopedTargetEndsWithItsScope) {
  const Target before = selected_target();
  for (std::string_view target : available_targets()) {
    ScopedTarget scope(target);
    EXPECT_EQ(name(selected_target()), target);
  }
  EXPECT_EQ(selected_target(), before);
}

TEST(Select, ATargetWithDotProductsOfBytesExtendsOneThatIsThereToo) {
  for (std::string_view target : available_targets()) {
    ScopedTarget scope(target);
    const std::string_view base = name(base_of(selected_target()));
    EXPECT_TRUE(target.starts_with(base)) << target;
    EXPECT_NE(std::ranges::find(available_targets(), base), available_targets().end()) << target;
  }
}

TEST(Select, AnUnknownTargetIsAUsageErrorThatListsTheAvailable) {
  EXPECT_THAT([] { ScopedTarget scope("sse9"); }, testing::ThrowsMessage<UsageError>(testing::AllOf(
                                                      testing::HasSubstr("\"sse9\""), testing::HasSubstr("portable"))));
}

TEST(Select, ATargetThatTheProcessorLacksIsAUsageError) {
  for (std::string_view target : {"avx512vnni", "avx512", "avx2vnni", "avx2", "neondot", "neon"}) {
    if (std::ranges::find(available_targets(), target) != available_targets().end()) continue;
    EXPECT_THROW(ScopedTarget scope(target), UsageError) << target;
  }
}

}  // namespace
}  // namespace propane::cpu
