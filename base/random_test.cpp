#include "base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace propane {
namespace {

using Words = std::array<uint32_t, 4>;

// The known answers of philox4x32-10 in Random123's kat_vectors: counter and key of zeros, of ones, and of pi's digits.
TEST(Random, PhiloxGivesTheKnownAnswersOfRandom123) {
  EXPECT_EQ(Random(0, 0).words(0), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(Random(~0ull, ~0ull).words(~0ull), (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Random(0x299f31d0a4093822, 0x0370734413198a2e).words(0x85a308d3243f6a88),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Random, StreamIdIsFnv1a) {
  static_assert(stream_id("") == 0xcbf29ce484222325ull);
  static_assert(stream_id("a") == 0xaf63dc4c8601ec8cull);
  static_assert(stream_id("foobar") == 0x85944171f73967e8ull);
}

TEST(Random, SeedsStreamsAndPositionsAllMatter) {
  std::set<Words> seen;
  for (uint64_t seed : {0ull, 1ull, 1ull << 32})
    for (uint64_t stream : {0ull, 1ull, 1ull << 32, 1ull << 63})
      for (uint64_t position : {0ull, 1ull, 1ull << 32, 1ull << 63}) seen.insert(Random(seed, stream).words(position));
  EXPECT_EQ(seen.size(), 3u * 4u * 4u);
}

TEST(Random, AValueDoesNotDependOnWhatWasDrawnBefore) {
  const Random random(42, stream_id("layer.0.weight"));
  const double late = random.normal(1'000'000);
  for (uint64_t i = 0; i < 100; ++i) random.normal(i);
  EXPECT_EQ(random.normal(1'000'000), late);
}

struct Moments {
  double mean = 0, variance = 0, skew = 0, kurtosis = 0;
};

template <typename Draw>
Moments moments(int count, Draw draw) {
  double sum[5] = {};
  for (int i = 0; i < count; ++i) {
    const double x = draw(static_cast<uint64_t>(i));
    for (double power = x, *s = sum + 1; s < sum + 5; ++s, power *= x) *s += power;
  }
  return {sum[1] / count, sum[2] / count, sum[3] / count, sum[4] / count};
}

// The bounds are five standard errors of each raw moment for 200,000 draws.
TEST(Random, UniformHasTheMomentsOfAUniform) {
  const Random random(7, 1);
  double low = 1, high = 0;
  const Moments m = moments(200'000, [&](uint64_t i) {
    const double u = random.uniform(i);
    low = std::min(low, u);
    high = std::max(high, u);
    return u - 0.5;
  });
  EXPECT_GE(low, 0.0);
  EXPECT_LT(high, 1.0);
  EXPECT_LT(low, 1e-4);
  EXPECT_GT(high, 1 - 1e-4);
  EXPECT_NEAR(m.mean, 0, 0.0033);
  EXPECT_NEAR(m.variance, 1.0 / 12, 0.00084);
}

TEST(Random, NormalHasTheMomentsOfAStandardNormal) {
  const Random random(7, 2);
  const Moments m = moments(200'000, [&](uint64_t i) { return random.normal(i); });
  EXPECT_NEAR(m.mean, 0, 0.0112);
  EXPECT_NEAR(m.variance, 1, 0.0159);
  EXPECT_NEAR(m.skew, 0, 0.0434);
  EXPECT_NEAR(m.kurtosis, 3, 0.110);
}

TEST(Random, TwoStreamsOfOneSeedAreUncorrelated) {
  const Random a(7, stream_id("a")), b(7, stream_id("b"));
  constexpr int kCount = 100'000;
  double dot = 0;
  for (uint64_t i = 0; i < kCount; ++i) dot += a.normal(i) * b.normal(i);
  EXPECT_NEAR(dot / kCount, 0, 5 / std::sqrt(kCount));
}

}  // namespace
}  // namespace propane
