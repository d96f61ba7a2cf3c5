#include "train/interrupt.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.h"

namespace propane::train {
namespace {

TEST(InterruptScope, TheFirstSignalOnlySetsAFlag) {
  InterruptScope scope;
  EXPECT_FALSE(scope.requested());
  ::raise(SIGINT);
  EXPECT_TRUE(scope.requested());
  EXPECT_EQ(scope.signal(), SIGINT);
  EXPECT_EQ(scope.exit_code(), 130);
}

// ThreadSanitizer holds raised signals back until the next blocking call, which a raise is not.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PROPANE_SIGNALS_ARE_LATE 1
#endif
#endif

TEST(InterruptScope, ASecondSignalEndsTheProgramAtOnce) {
#ifdef PROPANE_SIGNALS_ARE_LATE
  GTEST_SKIP() << "this sanitizer delivers signals late";
#endif
  const auto twice = [] {
    InterruptScope scope;
    ::raise(SIGINT);
    ::raise(SIGINT);
    ::_exit(0);
  };
  EXPECT_EXIT(twice(), ::testing::ExitedWithCode(130), "");
  const auto terminated = [] {
    InterruptScope scope;
    ::raise(SIGTERM);
    ::raise(SIGTERM);
    ::_exit(0);
  };
  EXPECT_EXIT(terminated(), ::testing::ExitedWithCode(143), "");
}

TEST(InterruptScope, RestoresTheHandlersFromBeforeAndForgetsTheRequest) {
  struct sigaction ignore {
  }, old{}, after{};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGTERM, &ignore, &old);
  {
    InterruptScope scope;
    ::raise(SIGTERM);
    EXPECT_TRUE(scope.requested());
  }
  ::sigaction(SIGTERM, &old, &after);
  EXPECT_EQ(after.sa_handler, SIG_IGN);
  InterruptScope again;
  EXPECT_FALSE(again.requested());
}

TEST(InterruptScope, IsOneAtATime) {
  InterruptScope scope;
  EXPECT_THROW(InterruptScope(), Error);
}

}  // namespace
}  // namespace propane::train
