#include "train/guard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace propane::train {
namespace {

using Kind = GuardVerdict::Kind;
using ::testing::HasSubstr;

const double kNan = std::nan("");
const double kInf = INFINITY;

Guard::TensorNorms norms(double third) {
  return [third] {
    return std::vector<std::pair<std::string, double>>{{"wte", 1.5}, {"blocks.0.q", third}, {"blocks.1.q", kNan}};
  };
}

TEST(Guard, PassesAnOrdinaryStepWithoutAskingForNorms) {
  Guard guard;
  const auto never = []() -> std::vector<std::pair<std::string, double>> { throw std::logic_error("asked"); };
  EXPECT_EQ(guard.check(1, 9.01, 0.3, never).kind, Kind::ok);
  EXPECT_EQ(guard.check(2, 100, 1e6, never).kind, Kind::ok);
}

TEST(Guard, StopsAtANanLossAndNamesStepAndFirstTensor) {
  Guard guard;
  const GuardVerdict verdict = guard.check(812, kNan, kNan, norms(kInf));
  EXPECT_EQ(verdict.kind, Kind::stop);
  EXPECT_THAT(verdict.message, HasSubstr("step 812"));
  EXPECT_THAT(verdict.message, HasSubstr("loss is nan"));
  EXPECT_THAT(verdict.message, HasSubstr("'blocks.0.q' (norm inf)"));
}

TEST(Guard, StopsAtAnInfiniteGradientNormAndNamesTheTensor) {
  Guard guard;
  const GuardVerdict verdict = guard.check(7, 3.25, kInf, norms(2));
  EXPECT_EQ(verdict.kind, Kind::stop);
  EXPECT_THAT(verdict.message, HasSubstr("gradient norm is inf"));
  EXPECT_THAT(verdict.message, HasSubstr("'blocks.1.q' (norm nan)"));
}

TEST(Guard, StopsAtALossBeyondTheLimit) {
  Guard guard;
  const auto finite = [] { return std::vector<std::pair<std::string, double>>{{"wte", 1.0}}; };
  const GuardVerdict verdict = guard.check(3, 100.5, 1, finite);
  EXPECT_EQ(verdict.kind, Kind::stop);
  EXPECT_THAT(verdict.message, HasSubstr("every tensor is finite"));
  EXPECT_EQ(guard.check(4, kNan, 1).message, "step 4: the loss is nan");
}

TEST(Guard, TellsOfNoSpikeUnlessAsked) {
  Guard guard({.window = 4});
  for (int step = 0; step < 10; ++step) guard.check(step, 2 + 0.01 * (step % 2), 1);
  EXPECT_EQ(guard.check(10, 50, 1000).kind, Kind::ok);
}

TEST(Guard, TellsOfASpikeOnceTheWindowIsFull) {
  Guard guard({.spike_z = 3, .window = 20});
  EXPECT_EQ(guard.check(0, 30, 1).kind, Kind::ok);  // no window yet
  for (int step = 1; step <= 30; ++step)
    EXPECT_EQ(guard.check(step, 2 + 0.01 * (step % 3), 1 + 0.01 * (step % 2)).kind, Kind::ok) << step;
  const GuardVerdict loss = guard.check(31, 4, 1);
  EXPECT_EQ(loss.kind, Kind::spike);
  EXPECT_THAT(loss.message, HasSubstr("step 31: the loss spiked to 4,"));
  const GuardVerdict gradient = guard.check(32, 2, 9);
  EXPECT_EQ(gradient.kind, Kind::spike);
  EXPECT_THAT(gradient.message, HasSubstr("gradient norm spiked to 9"));
}

TEST(Guard, ARestoredOneJudgesAsTheOriginal) {
  const GuardOptions options{.spike_z = 2, .window = 8};
  Guard original(options);
  for (int step = 0; step < 11; ++step) original.check(step, 2 + 0.1 * ((step * 7) % 5), 1);
  Guard restored(options);
  restored.load(nlohmann::json::parse(original.save().dump()));
  bool spiked = false;
  for (int step = 11; step < 40; ++step) {
    const double loss = step == 20 ? 9 : 2 + 0.1 * ((step * 7) % 5);
    const GuardVerdict a = original.check(step, loss, 1), b = restored.check(step, loss, 1);
    EXPECT_EQ(a.message, b.message);
    spiked |= a.kind == Kind::spike;
  }
  EXPECT_TRUE(spiked);
  EXPECT_THROW(restored.load({{"loss", {1, 2}}}), Error);
  EXPECT_THROW(restored.load({{"loss", std::vector<double>(9)}, {"grad_norm", {1}}}), Error);
}

TEST(Guard, RefusesImpossibleOptions) {
  EXPECT_THROW(Guard({.loss_limit = 0}), UsageError);
  EXPECT_THROW(Guard({.spike_z = -1}), UsageError);
  EXPECT_THROW(Guard({.window = 1}), UsageError);
}

TEST(OutlierWindow, ScoresAgainstTheWindowWithTheValueItself) {
  OutlierWindow window(4);
  EXPECT_TRUE(std::isnan(window.z_score(1)));
  EXPECT_TRUE(std::isnan(window.z_score(1)));
  EXPECT_TRUE(std::isnan(window.z_score(1)));
  EXPECT_NEAR(window.z_score(5), 3 / std::sqrt(3.0), 1e-12);   // 1 1 1 5: mean 2, variance 3
  EXPECT_NEAR(window.z_score(1), -1 / std::sqrt(3.0), 1e-12);  // 1 1 5 1
  OutlierWindow flat(2);
  flat.z_score(3);
  EXPECT_EQ(flat.z_score(3), 0);
}

}  // namespace
}  // namespace propane::train
