#include "quant/block_type.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "base/error.h"
#include "quant/blocks.h"

namespace propane::quant {
namespace {

using ::testing::HasSubstr;

TEST(BlockType, EveryNameLeadsBackToItsType) {
  EXPECT_EQ(all_block_types().size(), size_t{kBlockTypes});
  for (BlockType type : all_block_types()) EXPECT_EQ(block_type_from_name(block_type_name(type)), type);
  EXPECT_EQ(block_type_from_name("q4_k"), BlockType::q4_k);
  EXPECT_EQ(block_type_from_name("Q4_"), std::nullopt);
  EXPECT_EQ(block_type_from_name("Q9_0"), std::nullopt);
}

TEST(BlockType, ARowTakesItsBlocksBytes) {
  EXPECT_EQ(row_bytes(BlockType::f32, 7), 28u);
  EXPECT_EQ(row_bytes(BlockType::q4_0, 64), 36u);
  EXPECT_EQ(row_bytes(BlockType::q6_k, 512), 420u);
  EXPECT_EQ(row_bytes(BlockType::q6_k, 0), 0u);
}

TEST(BlockType, ABlocksBytesAreItsStructures) {
  const auto check = [](BlockType type, auto block) {
    EXPECT_EQ(block_bytes(type), static_cast<int>(sizeof block)) << dtype_name(type);
    EXPECT_EQ(block_elements(type), decltype(block)::kElements) << dtype_name(type);
  };
  check(BlockType::q4_0, Q4_0{});
  check(BlockType::q4_1, Q4_1{});
  check(BlockType::q5_0, Q5_0{});
  check(BlockType::q5_1, Q5_1{});
  check(BlockType::q8_0, Q8_0{});
  check(BlockType::q2_k, Q2_K{});
  check(BlockType::q3_k, Q3_K{});
  check(BlockType::q4_k, Q4_K{});
  check(BlockType::q5_k, Q5_K{});
  check(BlockType::q6_k, Q6_K{});
  check(BlockType::iq4_nl, IQ4_NL{});
  check(BlockType::iq4_xs, IQ4_XS{});
  check(BlockType::mxfp4, MXFP4{});
}

TEST(BlockType, ARowOfHalfABlockIsRefused) {
  const auto error_of = [](BlockType type, int64_t columns) -> std::string {
    try {
      row_bytes(type, columns);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(error_of(BlockType::q8_0, 48), "q8_0: expected rows of a multiple of 32 elements, found 48");
  EXPECT_THAT(error_of(BlockType::q5_k, -256), HasSubstr("found -256"));
}

TEST(SixBitPairs, PackingIsTheReverseOfUnpacking) {
  std::mt19937 random(1);
  for (int round = 0; round < 100; ++round) {
    uint8_t packed[12], again[12];
    std::generate(std::begin(packed), std::end(packed), [&] { return static_cast<uint8_t>(random()); });
    SixBitPairs::unpack(packed).pack(again);
    EXPECT_TRUE(std::ranges::equal(packed, again));
  }
}

}  // namespace
}  // namespace propane::quant
