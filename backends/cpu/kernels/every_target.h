// For tests: a fixture that runs each of its tests once with every target that this machine has.
//
//   class NormsTest : public EveryTarget {};
//   TEST_P(NormsTest, MatchesDouble) { ... }
//   PROPANE_EVERY_TARGET(NormsTest);
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "backends/cpu/kernels/select.h"

namespace propane::cpu {

class EveryTarget : public testing::TestWithParam<std::string_view> {
 private:
  ScopedTarget target_{GetParam()};
};

#define PROPANE_EVERY_TARGET(Suite)                                                              \
  INSTANTIATE_TEST_SUITE_P(Targets, Suite, testing::ValuesIn(propane::cpu::available_targets()), \
                           [](const auto& tested) { return std::string(tested.param); })

}  // namespace propane::cpu
