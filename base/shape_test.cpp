#include "base/shape.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/error.h"

namespace propane {
namespace {

TEST(Shape, CountsElementsAndRows) {
  EXPECT_EQ(Shape().count(), 1);
  EXPECT_EQ(Shape().rows(), 1);
  EXPECT_EQ(Shape({7}).rows(), 1);
  EXPECT_EQ(Shape({2, 3, 5}).count(), 30);
  EXPECT_EQ(Shape({2, 3, 5}).rows(), 6);
}

TEST(Shape, AnEmptyInnermostDimensionKeepsItsRows) {
  EXPECT_EQ(Shape({4, 0}).count(), 0);
  EXPECT_EQ(Shape({4, 0}).rows(), 4);
  EXPECT_EQ(Shape({0, 4}).rows(), 0);
}

TEST(Shape, NegativeIndicesCountFromTheInnermost) {
  Shape shape{2, 3, 5};
  EXPECT_EQ(shape[-1], 5);
  EXPECT_EQ(shape.dim(-3), 2);
  shape.set(-2, 9);
  EXPECT_EQ(shape, Shape({2, 9, 5}));
}

TEST(Shape, WithLastReplacesOnlyTheInnermost) {
  const Shape shape{2, 3};
  EXPECT_EQ(shape.with_last(8), Shape({2, 8}));
  EXPECT_EQ(shape, Shape({2, 3}));
}

TEST(Shape, EqualityLooksAtRankAndDimensions) {
  EXPECT_NE(Shape({2, 3}), Shape({3, 2}));
  EXPECT_NE(Shape({2}), Shape({2, 1}));
  EXPECT_NE(Shape(), Shape({1}));
  EXPECT_EQ(Shape(std::vector<int64_t>{4, 4}), Shape({4, 4}));
}

TEST(Shape, PrintsAsAList) {
  EXPECT_EQ(Shape().str(), "[]");
  EXPECT_EQ(Shape({2, 3}).str(), "[2, 3]");
}

TEST(Shape, RefusesMoreDimensionsThanItCanHold) {
  EXPECT_NO_THROW(Shape({1, 2, 3, 4, 5, 6}));
  EXPECT_THROW(Shape({1, 2, 3, 4, 5, 6, 7}), Error);
}

}  // namespace
}  // namespace propane
