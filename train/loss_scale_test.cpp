#include "train/loss_scale.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace propane::train {
namespace {

TEST(LossScaler, HalvesOnOverflowAndDoublesAfterEnoughGoodSteps) {
  LossScaler scaler({.initial = 1024, .growth_interval = 3});
  scaler.update(true);
  EXPECT_EQ(scaler.scale(), 512);
  scaler.update(false);
  scaler.update(false);
  EXPECT_EQ(scaler.scale(), 512);
  scaler.update(false);
  EXPECT_EQ(scaler.scale(), 1024);
}

TEST(LossScaler, AnOverflowStartsTheCountAgain) {
  LossScaler scaler({.initial = 1024, .growth_interval = 3});
  scaler.update(false);
  scaler.update(false);
  scaler.update(true);
  scaler.update(false);
  scaler.update(false);
  EXPECT_EQ(scaler.scale(), 512);
}

TEST(LossScaler, StaysWithinItsLimitsAndSaysWhenTheScaleIsNotTheTrouble) {
  LossScaler scaler({.initial = 4, .min = 2, .max = 8, .growth_interval = 1});
  for (int i = 0; i < 5; ++i) scaler.update(false);
  EXPECT_EQ(scaler.scale(), 8);
  scaler.update(true);
  scaler.update(true);
  EXPECT_FALSE(scaler.exhausted());
  scaler.update(true);
  EXPECT_EQ(scaler.scale(), 2);
  EXPECT_TRUE(scaler.exhausted());
}

TEST(LossScaler, ARestoredOneGoesOnAsTheOriginal) {
  const LossScaleOptions options{.initial = 1024, .growth_interval = 5};
  LossScaler original(options);
  for (const bool overflow : {false, true, false, false, false}) original.update(overflow);
  LossScaler restored(options);
  restored.load(nlohmann::json::parse(original.save().dump()));
  for (int i = 0; i < 20; ++i) {
    original.update(i == 11);
    restored.update(i == 11);
    EXPECT_EQ(original.scale(), restored.scale()) << "after " << i;
  }
}

TEST(LossScaler, RefusesImpossibleOptionsAndStates) {
  EXPECT_THROW(LossScaler({.initial = 0.5}), UsageError);
  EXPECT_THROW(LossScaler({.min = 0}), UsageError);
  EXPECT_THROW(LossScaler({.growth_interval = 0}), UsageError);
  LossScaler scaler({});
  EXPECT_THROW(scaler.load({{"scale", 1}}), Error);
  EXPECT_THROW(scaler.load({{"scale", 0.5}, {"good_steps", 0}}), Error);
  EXPECT_THROW(scaler.load({{"scale", 2}, {"good_steps", -1}}), Error);
  EXPECT_THROW(scaler.load("text"), Error);
  EXPECT_EQ(scaler.scale(), 65536);
}

}  // namespace
}  // namespace propane::train
