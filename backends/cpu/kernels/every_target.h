// For tests: a fixture that runs each of its tests once with every target that this machine has.
//
//   class NormsTest : public EveryTarget {};
//   TEST_P(NormsTest, MatchesDouble) { ... }
//   PROPANE_EVERY_TARGET(NormsTest);
//
// PROPANE_EVERY_QUANT_TARGET is for kernels of quantized weights, of which some targets have their own.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "backends/cpu/kernels/select.h"

namespace propane::cpu {

class EveryTarget : public testing::TestWithParam<std::string_view> {
 private:
  ScopedTarget target_{GetParam()};
};

// Those that do not extend another.
inline std::vector<std::string_view> available_base_targets() {
  std::vector<std::string_view> found;
  for (std::string_view target : available_targets()) {
    const ScopedTarget scope(target);
    if (base_of(selected_target()) == selected_target()) found.push_back(target);
  }
  return found;
}

#define PROPANE_EVERY_TARGET(Suite)                                                                   \
  INSTANTIATE_TEST_SUITE_P(Targets, Suite, testing::ValuesIn(propane::cpu::available_base_targets()), \
                           [](const auto& tested) { return std::string(tested.param); })

#define PROPANE_EVERY_QUANT_TARGET(Suite)                                                        \
  INSTANTIATE_TEST_SUITE_P(Targets, Suite, testing::ValuesIn(propane::cpu::available_targets()), \
                           [](const auto& tested) { return std::string(tested.param); })

}  // namespace propane::cpu
