#include "quant/quantize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/random.h"
#include "base/threads.h"
#include "quant/dequantize.h"

namespace propane::quant {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const Path kFixtures = Path(PROPANE_SOURCE_DIR) / "tests/fixtures/quant";
constexpr int64_t kColumns = 512;

std::vector<float> read_floats(const std::string& name) {
  const std::string bytes = read_file(kFixtures / name);
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

std::vector<std::byte> quantized(BlockType type, std::span<const float> values, int64_t columns = kColumns,
                                 std::span<const float> importance = {}) {
  std::vector<std::byte> out(values.size() / static_cast<size_t>(columns) * row_bytes(type, columns));
  quantize(type, values, columns, importance, out);
  return out;
}

std::vector<float> there_and_back(BlockType type, std::span<const float> values, int64_t columns = kColumns,
                                  std::span<const float> importance = {}) {
  std::vector<float> out(values.size());
  dequantize(type, quantized(type, values, columns, importance), out);
  return out;
}

// Root mean square of the error relative to that of the values, both weighted by `importance` if there is any.
double relative_error(std::span<const float> got, std::span<const float> want, std::span<const float> importance) {
  double error = 0, size = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    const double weight = importance.empty() ? 1 : importance[i % importance.size()];
    error += weight * std::pow(static_cast<double>(got[i]) - want[i], 2);
    size += weight * std::pow(static_cast<double>(want[i]), 2);
  }
  return std::sqrt(error / size);
}

std::vector<float> normal_values(size_t count, double size) {
  const Random random(1, stream_id("quantize_test"));
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = static_cast<float>(size * random.normal(i));
  return values;
}

std::vector<BlockType> block_types_written() {
  std::vector<BlockType> types;
  for (BlockType type : all_block_types())
    if (can_quantize(type) && block_elements(type) > 1) types.push_back(type);
  return types;
}

class Quantize : public testing::TestWithParam<BlockType> {};

TEST_P(Quantize, ErrorIsAtMostOnePointOhTwoTimesLlamaCpps) {
  const auto theirs = nlohmann::json::parse(read_file(kFixtures / "llama_errors.json"));
  const std::vector<float> rows = read_floats("rows.f32"), importance = read_floats("importance.f32");
  const size_t part = rows.size() / 3;
  const char* distributions[] = {"gaussian", "student", "outliers"};  // the script's ROWS
  for (size_t i = 0; i < 3; ++i) {
    const std::span<const float> values = std::span(rows).subspan(i * part, part);
    const auto& errors = theirs.at(std::string(block_type_name(GetParam()))).at(distributions[i]);
    EXPECT_LE(relative_error(there_and_back(GetParam(), values), values, {}), 1.02 * errors[0].get<double>())
        << distributions[i];
    EXPECT_LE(relative_error(there_and_back(GetParam(), values, kColumns, importance), values, importance),
              1.02 * errors[1].get<double>())
        << distributions[i] << " with importance";
  }
}

TEST_P(Quantize, ImportanceMovesErrorToWhereItMattersLess) {
  const std::vector<float> rows = read_floats("rows.f32"), importance = read_floats("importance.f32");
  const double without = relative_error(there_and_back(GetParam(), rows), rows, importance);
  const double with = relative_error(there_and_back(GetParam(), rows, kColumns, importance), rows, importance);
  EXPECT_LT(with, 0.99 * without);
}

TEST_P(Quantize, AllTheSameImportanceIsNone) {
  const std::vector<float> values = normal_values(4 * kColumns, 1);
  const std::vector<float> zeros(kColumns, 0.0f), threes(kColumns, 3.0f);
  EXPECT_EQ(quantized(GetParam(), values, kColumns, zeros), quantized(GetParam(), values));
  EXPECT_EQ(quantized(GetParam(), values, kColumns, threes), quantized(GetParam(), values));
}

TEST_P(Quantize, ZerosAndNumbersTooSmallForAnyScaleComeBackAsZeros) {
  std::vector<float> values(kColumns, 0.0f);
  EXPECT_EQ(there_and_back(GetParam(), values), values);
  for (size_t i = 0; i < values.size(); ++i) values[i] = i % 2 ? 1e-30f : -1e-40f;
  for (float x : there_and_back(GetParam(), values)) ASSERT_LT(std::abs(x), 1e-20f);
}

// The scale of a block is a half: its error is 2^-11 of the value, or of the format's own steps if those are coarser.
TEST_P(Quantize, AConstantRowComesBackWithinAStep) {
  for (float value : {1.0f, -1.0f, 0.03f, -40000.0f, 65504.0f}) {
    const std::vector<float> values(kColumns, value);
    for (float x : there_and_back(GetParam(), values)) ASSERT_NEAR(x, value, 0.01 * std::abs(value));
  }
}

TEST_P(Quantize, TheErrorIsTheSameAtEverySizeThatHalvesCanScale) {
  const std::vector<float> values = normal_values(4 * kColumns, 1);
  const double error = relative_error(there_and_back(GetParam(), values), values, {});
  for (float size : {8192.0f, 64.0f, 1 / 64.0f}) {
    std::vector<float> scaled = values;
    for (float& x : scaled) x *= size;
    EXPECT_NEAR(relative_error(there_and_back(GetParam(), scaled), scaled, {}), error, 0.01 * error) << size;
  }
}

TEST_P(Quantize, DoesNotDependOnTheNumberOfThreads) {
  const std::vector<float> values = normal_values(128 * kColumns, 0.02);
  set_thread_count(1);
  const auto alone = quantized(GetParam(), values);
  set_thread_count(3);
  const auto together = quantized(GetParam(), values);
  set_thread_count(0);
  EXPECT_EQ(alone, together);
}

INSTANTIATE_TEST_SUITE_P(Types, Quantize, testing::ValuesIn(block_types_written()),
                         [](const auto& param) { return std::string(block_type_name(param.param)); });

TEST(QuantizeNumbers, RoundToTheNearest) {
  const std::vector<float> values = {1.0f, -0.1f, 3.14159f};
  EXPECT_EQ(there_and_back(BlockType::f32, values, 3), values);
  EXPECT_EQ(there_and_back(BlockType::f16, values, 3), (std::vector<float>{1.0f, -0.0999755859375f, 3.140625f}));
  EXPECT_EQ(there_and_back(BlockType::bf16, values, 3), (std::vector<float>{1.0f, -0.10009765625f, 3.140625f}));
}

TEST(QuantizeNumbers, AnEmptyMatrixIsEmpty) { EXPECT_NO_THROW(quantize(BlockType::q4_0, {}, 0, {}, {})); }

TEST(QuantizeErrors, AreOneSentence) {
  struct Case {
    BlockType type;
    std::vector<float> values;
    int64_t columns;
    std::vector<float> importance;
    size_t bytes;
  };
  const auto error_of = [](const Case& c) -> std::string {
    std::vector<std::byte> out(c.bytes);
    try {
      quantize(c.type, c.values, c.columns, c.importance, out);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  const auto with = [](float value, size_t at) {
    std::vector<float> values(64, 1.0f);
    values[at] = value;
    return values;
  };
  const std::vector<float> ones(64, 1.0f);
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(error_of({BlockType::q4_0, ones, 32, {}, 36}), "no error");
  EXPECT_THAT(error_of({BlockType::q2_k, ones, 64, {}, 0}), HasSubstr("Q2_K: expected a format that Propane writes"));
  EXPECT_THAT(error_of({BlockType::q4_0, ones, 16, {}, 36}), HasSubstr("multiple of 32 elements, found 16"));
  EXPECT_THAT(error_of({BlockType::q4_0, ones, 96, {}, 36}), HasSubstr("whole rows of 96 numbers, found 64"));
  EXPECT_THAT(error_of({BlockType::q4_0, ones, 0, {}, 0}), HasSubstr("whole rows of 0 numbers, found 64"));
  EXPECT_THAT(error_of({BlockType::q4_0, ones, 32, {}, 35}), HasSubstr("room for 36 bytes, found 35"));
  EXPECT_THAT(error_of({BlockType::q4_0, with(nan, 33), 32, {}, 36}),
              AllOf(HasSubstr("found nan"), HasSubstr("row 1, column 1")));
  EXPECT_THAT(error_of({BlockType::q8_0, with(-inf, 5), 32, {}, 68}), HasSubstr("found -inf in row 0, column 5"));
  EXPECT_THAT(error_of({BlockType::q8_0, with(70000, 5), 32, {}, 68}), HasSubstr("at most 65504, found 70000"));
  EXPECT_THAT(error_of({BlockType::f16, with(70000, 5), 32, {}, 128}), HasSubstr("at most 65504, found 70000"));
  EXPECT_EQ(error_of({BlockType::bf16, with(70000, 5), 32, {}, 128}), "no error");
  EXPECT_THAT(error_of({BlockType::q8_0, ones, 32, std::vector<float>(31, 1.0f), 68}),
              HasSubstr("each of 32 columns, found 31"));
  EXPECT_THAT(error_of({BlockType::q8_0, ones, 64, with(-1, 7), 68}), HasSubstr("found -1 in column 7"));
  EXPECT_THAT(error_of({BlockType::q8_0, ones, 64, with(nan, 8), 68}), HasSubstr("found nan in column 8"));
}

}  // namespace
}  // namespace propane::quant
