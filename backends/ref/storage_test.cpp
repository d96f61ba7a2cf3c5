#include "backends/ref/storage.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/error.h"
#include "base/half.h"
#include "quant/dequantize.h"
#include "quant/quantize.h"

namespace propane::ref {
namespace {

double stored(DType type, double x) {
  std::vector<std::byte> bytes(dtype_size(type));
  store(type, &x, bytes.data(), 1);
  double back = 0;
  load(type, bytes.data(), &back, 1);
  return back;
}

TEST(Storage, F64AndIndicesAreExact) {
  EXPECT_EQ(stored(DType::f64, 0.1), 0.1);
  EXPECT_EQ(stored(DType::i32, -2147483648.0), -2147483648.0);
  EXPECT_EQ(stored(DType::f32, 0.1), 0.1f);
}

// Just above the middle of two bf16 (f16) values, by less than a float can tell: rounding through float would first
// fall on the middle and then to even.
TEST(Storage, SixteenBitsAreRoundedFromDoubleInOneStep) {
  EXPECT_EQ(stored(DType::bf16, 1 + 0x1p-8), 1.0);
  EXPECT_EQ(stored(DType::bf16, 1 + 0x1p-8 + 0x1p-40), 1 + 0x1p-7);
  EXPECT_EQ(stored(DType::bf16, -(1 + 3 * 0x1p-8 - 0x1p-40)), -(1 + 0x1p-7));
  EXPECT_EQ(stored(DType::f16, 1 + 0x1p-11), 1.0);
  EXPECT_EQ(stored(DType::f16, 1 + 0x1p-11 + 0x1p-40), 1 + 0x1p-10);
  EXPECT_EQ(stored(DType::f16, 3 * 0x1p-25 - 0x1p-60), 0x1p-24);  // subnormal
}

TEST(Storage, RangesEndInInfinity) {
  EXPECT_EQ(stored(DType::bf16, 1e300), INFINITY);
  EXPECT_EQ(stored(DType::f16, -65520.0), -INFINITY);
  EXPECT_EQ(stored(DType::f16, 65519.999), 65504.0);
  EXPECT_TRUE(std::isnan(stored(DType::bf16, NAN)));
  EXPECT_EQ(stored(DType::f32, -INFINITY), -INFINITY);
}

TEST(Storage, BlocksStandForWhatTheyDequantizeTo) {
  std::vector<float> values(512), expected(512);
  for (size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(i));
  std::vector<std::byte> blocks(row_bytes(DType::q4_k, 512));
  quant::quantize(DType::q4_k, values, 512, {}, blocks);
  quant::dequantize(DType::q4_k, blocks, expected);
  std::vector<double> loaded(512);
  load(DType::q4_k, blocks.data(), loaded.data(), 512);
  for (size_t i = 0; i < loaded.size(); ++i) EXPECT_EQ(loaded[i], expected[i]);
  EXPECT_THROW(store(DType::q4_k, loaded.data(), blocks.data(), 512), Error);
}

TEST(Storage, EverySixteenBitValueComesBack) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float b = bf16_to_float(static_cast<uint16_t>(bits)), h = f16_to_float(static_cast<uint16_t>(bits));
    EXPECT_TRUE(std::isnan(b) || stored(DType::bf16, b) == b) << bits;
    EXPECT_TRUE(std::isnan(h) || stored(DType::f16, h) == h) << bits;
  }
}

TEST(Storage, RefusesWhatNoOpComputesWith) {
  EXPECT_FALSE(is_stored(DType::u8));
  EXPECT_THROW(stored(DType::u16, 1), Error);
}

}  // namespace
}  // namespace propane::ref
