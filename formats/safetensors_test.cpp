#include "formats/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "base/error.h"

namespace propane {
namespace {

using ::testing::HasSubstr;

const Path kFixtures = Path(PROPANE_SOURCE_DIR) / "tests/fixtures/formats";

Path temporary(const std::string& name) {
  return Path(::testing::TempDir()) / ("safetensors_test_" + std::to_string(::getpid()) + name);
}

template <typename T>
std::vector<T> values(const SafetensorsTensor& tensor) {
  std::vector<T> out(tensor.data.size() / sizeof(T));
  std::memcpy(out.data(), tensor.data.data(), tensor.data.size());
  return out;
}

// A file's bytes with this header and `body` zero bytes after it.
std::string file_with(const std::string& header, size_t body) {
  const uint64_t length = header.size();
  std::string bytes(reinterpret_cast<const char*>(&length), sizeof length);
  return bytes + header + std::string(body, '\0');
}

SafetensorsFile parse(const std::string& bytes) {
  return SafetensorsFile(std::as_bytes(std::span(bytes.data(), bytes.size())), "x.safetensors");
}

std::string error_of(const std::string& bytes) {
  try {
    parse(bytes);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string header_of(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"w":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
}

TEST(Safetensors, ReadsEveryTypeThatThePackageWrites) {
  const SafetensorsFile file(kFixtures / "numbers.safetensors");
  EXPECT_EQ(file.tensors().size(), 11u);
  EXPECT_EQ(file.metadata().at("note"), "naïve");

  EXPECT_EQ(file.at("f64").shape, Shape({2, 3}));
  EXPECT_EQ(file.at("f64").dtype, DType::f64);
  EXPECT_EQ(values<double>(file.at("f64"))[5], 1.0);
  EXPECT_EQ(values<float>(file.at("f32")), (std::vector<float>{0, 0.25f, 0.5f, 0.75f, 1}));
  EXPECT_EQ(values<uint16_t>(file.at("f16")), (std::vector<uint16_t>{0x3E00, 0xC080}));
  EXPECT_EQ(values<int64_t>(file.at("i64")), (std::vector<int64_t>{-(int64_t{1} << 40), int64_t{1} << 40}));
  EXPECT_EQ(values<int32_t>(file.at("i32")), (std::vector<int32_t>{7, -7}));
  EXPECT_EQ(file.at("i32").shape, Shape({1, 1, 2}));
  EXPECT_EQ(values<uint16_t>(file.at("u16")), (std::vector<uint16_t>{0, 65535}));
  EXPECT_EQ(values<uint8_t>(file.at("u8")), (std::vector<uint8_t>{1, 2, 255}));
  EXPECT_EQ(file.at("scalar").shape.rank(), 0);
  EXPECT_EQ(values<float>(file.at("scalar")), (std::vector<float>{3.5f}));
  EXPECT_EQ(file.at("empty").shape, Shape({0, 4}));
  EXPECT_TRUE(file.at("empty").data.empty());
}

TEST(Safetensors, NamesTypesThatItDoesNotComputeWith) {
  const SafetensorsFile file(kFixtures / "numbers.safetensors");
  EXPECT_EQ(file.at("bool").type, "BOOL");
  EXPECT_EQ(file.at("bool").dtype, std::nullopt);
  EXPECT_EQ(file.at("i8").type, "I8");
}

TEST(Safetensors, ReadsBf16) {
  const SafetensorsFile file(kFixtures / "bf16.safetensors");
  EXPECT_EQ(file.at("b").dtype, DType::bf16);
  EXPECT_EQ(values<uint16_t>(file.at("b")), (std::vector<uint16_t>{0x3F80, 0xC000, 0x4049}));
}

TEST(Safetensors, SaysWhichTensorIsMissing) {
  const SafetensorsFile file(kFixtures / "bf16.safetensors");
  EXPECT_EQ(file.find("a"), nullptr);
  EXPECT_THROW(
      try { file.at("a"); } catch (const Error& error) {
        EXPECT_THAT(error.what(), HasSubstr("expected a tensor \"a\""));
        throw;
      },
      Error);
}

TEST(Safetensors, WritesWhatItReads) {
  const float weights[6] = {1, 2, 3, 4, 5, 6};
  const double moment = -0.5;
  const uint8_t mask[3] = {1, 0, 1};
  const int32_t step = 7;
  const TensorToWrite tensors[] = {{"mask", DType::u8, {3}, mask},
                                   {"weights", DType::f32, {2, 3}, weights},
                                   {"none", DType::bf16, {0}, nullptr},
                                   {"moment", DType::f64, {}, &moment},
                                   {"step", DType::i32, {1}, &step}};
  const Path path = temporary("round_trip");
  write_safetensors(path, tensors, {{"who", "a \"test\""}});
  const SafetensorsFile file(path);
  EXPECT_EQ(file.metadata(), (SafetensorsMetadata{{"who", "a \"test\""}}));
  ASSERT_EQ(file.tensors().size(), 5u);
  for (const TensorToWrite& written : tensors) {
    const SafetensorsTensor& read = file.at(written.name);
    EXPECT_EQ(read.dtype, written.dtype);
    EXPECT_EQ(read.shape, written.shape);
    EXPECT_TRUE(read.data.empty() || std::memcmp(read.data.data(), written.data, read.data.size()) == 0) << written.name;
  }
}

TEST(Safetensors, AlignsEveryTensorToItsElements) {
  const double big[2] = {1, 2};
  const uint8_t small[3] = {1, 2, 3};
  const Path path = temporary("aligned");
  write_safetensors(path, std::vector<TensorToWrite>{{"a", DType::u8, {3}, small}, {"b", DType::f64, {2}, big}});
  const SafetensorsFile file(path);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(file.at("b").data.data()) % 64, 0u);
  EXPECT_EQ(file.tensors()[0].name, "b");
}

TEST(Safetensors, RefusesToWriteANameTwice) {
  const float one = 1;
  const Path path = temporary("twice");
  std::filesystem::remove(path);
  const std::vector<TensorToWrite> tensors = {{"w", DType::f32, {1}, &one}, {"w", DType::f32, {1}, &one}};
  EXPECT_THROW(write_safetensors(path, tensors), Error);
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Safetensors, LeavesTheOldFileWhenTheFolderIsGone) {
  EXPECT_THROW(write_safetensors(temporary("no_folder") / "x.safetensors", {}), Error);
}

TEST(Safetensors, AcceptsAFileWithoutTensors) { EXPECT_TRUE(parse(file_with("{}", 0)).tensors().empty()); }

TEST(Safetensors, EveryTruncationIsAnError) {
  const std::string whole = read_file(kFixtures / "numbers.safetensors");
  ASSERT_NO_THROW(parse(whole));
  for (size_t size = 0; size < whole.size(); ++size) EXPECT_THROW(parse(whole.substr(0, size)), Error) << size;
}

TEST(Safetensors, SaysWhatIsWrongWithTheHeader) {
  EXPECT_THAT(error_of("short"), HasSubstr("found only 5 bytes"));
  EXPECT_THAT(error_of(std::string(16, '\xFF')), HasSubstr("header length of 18446744073709551615"));
  EXPECT_THAT(error_of(file_with("{\"w\":", 0)), HasSubstr("expected a JSON header"));
  EXPECT_THAT(error_of(file_with("[]", 0)), HasSubstr("found array"));
  EXPECT_THAT(error_of(file_with(R"({"w":1})", 0)), HasSubstr("\"w\": expected dtype"));
  EXPECT_THAT(error_of(file_with(R"({"__metadata__":{"a":1}})", 0)), HasSubstr("expected strings in __metadata__"));
  EXPECT_THAT(error_of(file_with(R"({"__metadata__":[]})", 0)), HasSubstr("expected an object as __metadata__"));
}

TEST(Safetensors, SaysWhatIsWrongWithATensor) {
  EXPECT_THAT(error_of(file_with(header_of("\"F31\"", "[1]", "[0,4]"), 4)), HasSubstr("found \"F31\""));
  EXPECT_THAT(error_of(file_with(header_of("32", "[1]", "[0,4]"), 4)), HasSubstr("found 32"));
  EXPECT_THAT(error_of(file_with(header_of("\"F32\"", "[-1]", "[0,4]"), 4)), HasSubstr("whole numbers in shape"));
  EXPECT_THAT(error_of(file_with(header_of("\"F32\"", "[1.5]", "[0,4]"), 4)), HasSubstr("whole numbers in shape"));
  EXPECT_THAT(error_of(file_with(header_of("\"F32\"", "[1,1,1,1,1,1,1]", "[0,4]"), 4)), HasSubstr("6 dimensions"));
  EXPECT_THAT(error_of(file_with(header_of("\"F32\"", "[4611686018427387904,4]", "[0,0]"), 0)), HasSubstr("too large"));
  EXPECT_THAT(error_of(file_with(header_of("\"F32\"", "[2]", "[0,4]"), 4)), HasSubstr("takes 64 bits, found 4 bytes"));
  EXPECT_THAT(error_of(file_with(header_of("\"F4\"", "[1]", "[0,1]"), 1)), HasSubstr("takes 4 bits"));
  EXPECT_THAT(error_of(file_with(header_of("\"F32\"", "[1]", "[0,4]"), 3)), HasSubstr("truncated"));
  EXPECT_THAT(error_of(file_with(header_of("\"F32\"", "[1]", "[4,0]"), 4)), HasSubstr("found offsets 4 to 0"));
  EXPECT_THAT(error_of(file_with(header_of("\"F32\"", "[1]", "[0]"), 4)), HasSubstr("two data_offsets"));
}

TEST(Safetensors, RefusesOverlapsGapsAndRepetitions) {
  const auto two = [](const char* first, const char* second) {
    return std::string(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":)") + first +
           R"(},"b":{"dtype":"U8","shape":[2],"data_offsets":)" + second + "}}";
  };
  EXPECT_EQ(error_of(file_with(two("[0,2]", "[2,4]"), 4)), "no error");
  EXPECT_THAT(error_of(file_with(two("[0,2]", "[1,3]"), 3)), HasSubstr("\"b\": expected data at offset 2"));
  EXPECT_THAT(error_of(file_with(two("[0,2]", "[0,2]"), 2)), HasSubstr("expected data at offset 2"));
  EXPECT_THAT(error_of(file_with(two("[0,2]", "[3,5]"), 5)), HasSubstr("found 3"));
  EXPECT_THAT(error_of(file_with(two("[0,2]", "[2,4]"), 5)), HasSubstr("expected 4 bytes of tensors, found 5"));
  const std::string entry = R"("w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  EXPECT_THAT(error_of(file_with("{" + entry + "," + entry + "}", 0)), HasSubstr("found \"w\" twice"));
}

TEST(Safetensors, SurvivesDeepNesting) {
  const std::string deep = std::string(200'000, '[') + std::string(200'000, ']');
  EXPECT_THAT(error_of(file_with(header_of("\"F32\"", deep, "[0,0]"), 0)), HasSubstr("a long array"));
}

}  // namespace
}  // namespace propane
