#include "train/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

namespace propane::train {
namespace {

TEST(Schedule, AutoresearchIsFlatThenLinearToZero) {
  const Schedule s{.kind = ScheduleKind::autoresearch, .warmdown = 0.5};
  EXPECT_DOUBLE_EQ(lr_multiplier(s, 0), 1);
  EXPECT_DOUBLE_EQ(lr_multiplier(s, 0.5), 1);
  EXPECT_DOUBLE_EQ(lr_multiplier(s, 0.75), 0.5);
  EXPECT_DOUBLE_EQ(lr_multiplier(s, 0.9), 0.2);
  EXPECT_DOUBLE_EQ(lr_multiplier(s, 1), 0);
}

TEST(Schedule, AutoresearchWarmUpRisesLinearlyFromZero) {
  const Schedule s{.kind = ScheduleKind::autoresearch, .warmup = 0.1, .warmdown = 0.2, .final_fraction = 0.1};
  EXPECT_DOUBLE_EQ(lr_multiplier(s, 0), 0);
  EXPECT_DOUBLE_EQ(lr_multiplier(s, 0.05), 0.5);
  EXPECT_DOUBLE_EQ(lr_multiplier(s, 0.1), 1);
  EXPECT_NEAR(lr_multiplier(s, 0.9), 0.55, 1e-15);
  EXPECT_DOUBLE_EQ(lr_multiplier(s, 1), 0.1);
}

TEST(Schedule, WithoutWarmdownFallsOnlyAtTheEnd) {
  const Schedule s{.kind = ScheduleKind::autoresearch, .warmdown = 0};
  EXPECT_DOUBLE_EQ(lr_multiplier(s, 0.999999), 1);
  EXPECT_DOUBLE_EQ(lr_multiplier(s, 1), 0);
}

TEST(Schedule, CosineFollowsTheFormulaAndStaysAtItsEnd) {
  const Schedule s{.kind = ScheduleKind::cosine, .warmup = 0.2, .final_fraction = 0.1};
  EXPECT_DOUBLE_EQ(lr_multiplier(s, 0.1), 0.5);
  EXPECT_DOUBLE_EQ(lr_multiplier(s, 0.2), 1);
  EXPECT_NEAR(lr_multiplier(s, 0.6), 0.55, 1e-15);
  EXPECT_NEAR(lr_multiplier(s, 0.4), 0.1 + 0.45 * (1 + std::sqrt(0.5)), 1e-15);
  EXPECT_NEAR(lr_multiplier(s, 1), 0.1, 1e-15);
  EXPECT_NEAR(lr_multiplier(s, 7), 0.1, 1e-15);
}

TEST(Schedule, WsdFallsWithTheSquareRoot) {
  const Schedule s{.kind = ScheduleKind::wsd, .warmdown = 0.4};
  EXPECT_DOUBLE_EQ(lr_multiplier(s, 0.6), 1);
  EXPECT_NEAR(lr_multiplier(s, 0.7), 0.5, 1e-12);
  EXPECT_NEAR(lr_multiplier(s, 0.8), 1 - std::sqrt(0.5), 1e-12);
  EXPECT_NEAR(lr_multiplier(s, 1), 0, 1e-15);
}

TEST(Schedule, ConstantIsOneAfterWarmUp) {
  const Schedule s{.kind = ScheduleKind::constant, .warmup = 0.5};
  EXPECT_DOUBLE_EQ(lr_multiplier(s, 0.25), 0.5);
  EXPECT_DOUBLE_EQ(lr_multiplier(s, 1), 1);
}

TEST(Schedule, NeverLeavesZeroToOneAndNeverRisesAfterWarmUp) {
  for (const char* name : {"constant", "autoresearch", "cosine", "wsd"}) {
    const Schedule s{.kind = schedule_kind_from_name(name), .warmup = 0.07, .warmdown = 0.31};
    EXPECT_EQ(schedule_kind_name(s.kind), name);
    double previous = 1;
    for (int i = -10; i <= 1010; ++i) {
      const double p = i / 1000.0, value = lr_multiplier(s, p);
      EXPECT_GE(value, 0) << name << " at " << p;
      EXPECT_LE(value, 1) << name << " at " << p;
      if (p >= s.warmup) {
        EXPECT_LE(value, previous) << name << " at " << p;
        previous = value;
      }
    }
  }
}

TEST(Schedule, RefusesSharesOutsideTheRun) {
  EXPECT_THROW(check_schedule({.warmup = -0.1}), UsageError);
  EXPECT_THROW(check_schedule({.warmdown = 1.5}), UsageError);
  EXPECT_THROW(check_schedule({.final_fraction = std::nan("")}), UsageError);
  EXPECT_THROW(check_schedule({.warmup = 0.6, .warmdown = 0.5}), UsageError);
  EXPECT_NO_THROW(check_schedule({.kind = ScheduleKind::cosine, .warmup = 0.6, .warmdown = 0.5}));
  EXPECT_THROW(schedule_kind_from_name("cosinus"), UsageError);
}

TEST(Schedule, MuonMomentumAndWeightDecayAreAutoresearchs) {
  EXPECT_DOUBLE_EQ(muon_momentum(0), 0.85);
  EXPECT_DOUBLE_EQ(muon_momentum(150), 0.90);
  EXPECT_DOUBLE_EQ(muon_momentum(300), 0.95);
  EXPECT_DOUBLE_EQ(muon_momentum(100000), 0.95);
  EXPECT_DOUBLE_EQ(weight_decay(0.2, 0), 0.2);
  EXPECT_DOUBLE_EQ(weight_decay(0.2, 0.25), 0.15);
  EXPECT_DOUBLE_EQ(weight_decay(0.2, 2), 0);
}

}  // namespace
}  // namespace propane::train
