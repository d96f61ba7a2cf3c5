#include "base/half.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace propane {
namespace {

// A binary format of 16 bits, described for the double-precision reference.
struct Format {
  int mantissa_bits;
  int min_exponent;  // of the smallest normal number
  double largest;    // finite
};
constexpr Format kF16{10, -14, 65504.0};
constexpr Format kBf16{7, -126, 0x1.fep127};

// The value of `format` nearest to x, ties to even, worked out in double with no bit tricks.
double nearest(double x, const Format& format) {
  if (x == 0 || std::isinf(x)) return x;
  const int exponent = std::max(std::ilogb(x), format.min_exponent);
  const double quantum = std::ldexp(1.0, exponent - format.mantissa_bits);
  const double rounded = std::nearbyint(x / quantum) * quantum;
  return std::abs(rounded) > format.largest ? std::copysign(std::numeric_limits<double>::infinity(), x) : rounded;
}

template <typename Encode, typename Decode>
void expect_round_trip(Encode encode, Decode decode) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float value = decode(static_cast<uint16_t>(bits));
    const uint16_t back = encode(value);
    if (std::isnan(value)) {
      ASSERT_TRUE(std::isnan(decode(back))) << std::hex << bits;
    } else {
      ASSERT_EQ(back, bits) << std::hex << bits;
    }
  }
}

// Rounds every value of the format, every midpoint between neighbours, and the floats on both sides of each.
template <typename Encode, typename Decode>
void expect_nearest(Encode encode, Decode decode, const Format& format) {
  const float infinity = std::numeric_limits<float>::infinity();
  const auto check = [&](float x) {
    const double want = nearest(x, format);
    const float got = decode(encode(x));
    ASSERT_EQ(static_cast<double>(got), want) << "rounding " << x;
    ASSERT_EQ(std::signbit(got), std::signbit(x)) << "rounding " << x;
  };
  for (uint32_t bits = 0; bits < 32768; ++bits) {
    const float value = decode(static_cast<uint16_t>(bits));
    if (!std::isfinite(value)) break;
    const float above = decode(static_cast<uint16_t>(bits + 1));
    // Beyond the largest finite value the next one would have been a quantum further.
    const double quantum = std::isfinite(above) ? static_cast<double>(above) - value
                                                : value - static_cast<double>(decode(static_cast<uint16_t>(bits - 1)));
    const float middle = static_cast<float>(value + quantum / 2);
    for (float x : {value, middle})
      for (float sign : {1.0f, -1.0f}) {
        check(sign * x);
        check(sign * std::nextafter(x, infinity));
        check(sign * std::nextafter(x, 0.0f));
      }
  }
}

TEST(Half, EveryF16ValueSurvivesARoundTrip) { expect_round_trip(float_to_f16, f16_to_float); }
TEST(Half, EveryBf16ValueSurvivesARoundTrip) { expect_round_trip(float_to_bf16, bf16_to_float); }

TEST(Half, F16RoundsToNearestEvenLikeDouble) { expect_nearest(float_to_f16, f16_to_float, kF16); }
TEST(Half, Bf16RoundsToNearestEvenLikeDouble) { expect_nearest(float_to_bf16, bf16_to_float, kBf16); }

TEST(Half, DecodesTheKnownValuesOfF16) {
  EXPECT_EQ(f16_to_float(0x3c00), 1.0f);
  EXPECT_EQ(f16_to_float(0xc000), -2.0f);
  EXPECT_EQ(f16_to_float(0x7bff), 65504.0f);
  EXPECT_EQ(f16_to_float(0x0400), 0x1p-14f);
  EXPECT_EQ(f16_to_float(0x0001), 0x1p-24f);
  EXPECT_EQ(f16_to_float(0x3555), 0.333251953125f);
}

TEST(Half, DecodesTheKnownValuesOfBf16) {
  EXPECT_EQ(bf16_to_float(0x3f80), 1.0f);
  EXPECT_EQ(bf16_to_float(0xc040), -3.0f);
  EXPECT_EQ(bf16_to_float(0x4049), 3.140625f);
  EXPECT_EQ(bf16_to_float(0x0001), 0x1p-133f);
}

TEST(Half, OverflowGoesToInfinityAndANanStaysANan) {
  EXPECT_EQ(float_to_f16(65519.996f), 0x7bff);
  EXPECT_EQ(float_to_f16(65520.0f), 0x7c00);
  EXPECT_EQ(float_to_f16(-1e30f), 0xfc00);
  EXPECT_EQ(float_to_bf16(std::numeric_limits<float>::max()), 0x7f80);
  // A NaN whose payload lies in the bits that are cut off must not turn into an infinity.
  const float low_payload = std::bit_cast<float>(0x7f800001u);
  EXPECT_TRUE(std::isnan(f16_to_float(float_to_f16(low_payload))));
  EXPECT_TRUE(std::isnan(bf16_to_float(float_to_bf16(low_payload))));
}

}  // namespace
}  // namespace propane
