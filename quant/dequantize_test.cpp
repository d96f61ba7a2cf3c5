#include "quant/dequantize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace propane::quant {
namespace {

using ::testing::HasSubstr;

const Path kFixtures = Path(PROPANE_SOURCE_DIR) / "tests/fixtures/quant";

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

class Dequantize : public testing::TestWithParam<BlockType> {};

TEST_P(Dequantize, IsTheGgufPackagesBitForBit) {
  const std::string name(block_type_name(GetParam()));
  const std::string blocks = read_file(kFixtures / (name + ".blocks")),
                    expected = read_file(kFixtures / (name + ".f32"));
  std::vector<uint32_t> want(expected.size() / sizeof(float));
  std::memcpy(want.data(), expected.data(), expected.size());
  ASSERT_GE(want.size(), 1024u);
  std::vector<float> got(want.size());
  dequantize(GetParam(), bytes_of(blocks), got);
  for (size_t i = 0; i < got.size(); ++i)
    ASSERT_EQ(std::bit_cast<uint32_t>(got[i]), want[i]) << name << " element " << i;
}

TEST_P(Dequantize, TakesUnalignedBlocks) {
  const std::string name(block_type_name(GetParam()));
  const std::string blocks = read_file(kFixtures / (name + ".blocks"));
  const auto count = blocks.size() / static_cast<size_t>(block_bytes(GetParam())) * block_elements(GetParam());
  std::vector<float> aligned(count), shifted(count);
  dequantize(GetParam(), bytes_of(blocks), aligned);
  const std::string copy = "x" + blocks;
  dequantize(GetParam(), bytes_of(copy).subspan(1), shifted);
  EXPECT_EQ(std::memcmp(aligned.data(), shifted.data(), count * sizeof(float)), 0);
}

// F32 has no fixture: it is a copy.
std::vector<BlockType> types_with_fixture() {
  const auto all = all_block_types();
  return {all.begin() + 1, all.end()};
}

INSTANTIATE_TEST_SUITE_P(Types, Dequantize, testing::ValuesIn(types_with_fixture()),
                         [](const auto& param) { return std::string(block_type_name(param.param)); });

TEST(DequantizeF32, CopiesTheBits) {
  const std::vector<float> values = {1.5f, -0.0f, 1e-40f};
  std::vector<float> out(3);
  dequantize(BlockType::f32, std::as_bytes(std::span(values)), out);
  EXPECT_EQ(std::memcmp(values.data(), out.data(), 12), 0);
}

TEST(DequantizeF32, AnEmptyTensorIsEmpty) { EXPECT_NO_THROW(dequantize(BlockType::q4_k, {}, {})); }

TEST(DequantizeF32, SaysWhichSizesDoNotFit) {
  const auto error_of = [](BlockType type, size_t bytes, size_t elements) -> std::string {
    const std::string blocks(bytes, '\0');
    std::vector<float> out(elements);
    try {
      dequantize(type, bytes_of(blocks), out);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(error_of(BlockType::q4_0, 17, 32), "Q4_0: expected 18 bytes for 32 elements, found 17");
  EXPECT_THAT(error_of(BlockType::q4_0, 18, 31), HasSubstr("multiple of 32 elements, found 31"));
  EXPECT_EQ(error_of(BlockType::q4_0, 36, 64), "no error");
}

}  // namespace
}  // namespace propane::quant
