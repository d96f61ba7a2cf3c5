#include "formats/gguf_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"
#include "formats/gguf.h"

namespace propane {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Path temporary(const std::string& name) {
  return Path(::testing::TempDir()) / ("gguf_writer_test_" + std::to_string(::getpid()) + name);
}

template <typename Action>
std::string error_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// A tensor of these bytes.
GgufTensorToWrite tensor(const std::string& name, quant::BlockType type, Shape shape, const std::string& bytes) {
  return {name, type, shape, [&bytes] { return std::as_bytes(std::span(bytes.data(), bytes.size())); }};
}

TEST(GgufWriter, WritesEveryTypeOfValueThatItReads) {
  GgufMetadata metadata;
  metadata.set("u8", uint8_t{200});
  metadata.set("i8", int8_t{-1});
  metadata.set("u16", uint16_t{60'000});
  metadata.set("i16", int16_t{-2});
  metadata.set("u32", uint32_t{4'000'000'000});
  metadata.set("i32", -3);
  metadata.set("u64", ~uint64_t{0});
  metadata.set("i64", int64_t{-4});
  metadata.set("f32", 0.5f);
  metadata.set("f64", 0.1);
  metadata.set("yes", true);
  metadata.set("literal", "text");
  metadata.set("string", std::string("with a \0 byte", 13));
  metadata.set("strings", std::vector<std::string>{"a", ""});
  metadata.set("floats", std::vector<float>{1.5f, -2});
  metadata.set("booleans", std::vector<bool>{true, false});
  metadata.set("empty", std::vector<int32_t>{});
  metadata.set("nested", std::vector<std::vector<int16_t>>{{1, -2}, {}, {3}});
  const Path path = temporary("values");
  write_gguf(path, metadata, {});

  const GgufFile file(path);
  EXPECT_EQ(file.version(), 3u);
  ASSERT_EQ(file.metadata().size(), metadata.size());
  const GgufType types[] = {GgufType::u8,      GgufType::i8,     GgufType::u16,    GgufType::i16,   GgufType::u32,
                            GgufType::i32,     GgufType::u64,    GgufType::i64,    GgufType::f32,   GgufType::f64,
                            GgufType::boolean, GgufType::string, GgufType::string, GgufType::array, GgufType::array,
                            GgufType::array,   GgufType::array,  GgufType::array};
  for (size_t i = 0; i < std::size(types); ++i) {
    EXPECT_EQ(file.metadata()[i].type(), types[i]) << file.metadata()[i].key();
  }
  EXPECT_EQ(file.value("u8").number<int32_t>(), 200);
  EXPECT_EQ(file.value("i8").number<int32_t>(), -1);
  EXPECT_EQ(file.value("u16").number<int32_t>(), 60'000);
  EXPECT_EQ(file.value("i16").number<int32_t>(), -2);
  EXPECT_EQ(file.value("u32").number<int64_t>(), 4'000'000'000);
  EXPECT_EQ(file.value("i32").number<int32_t>(), -3);
  EXPECT_EQ(file.value("u64").number<uint64_t>(), ~uint64_t{0});
  EXPECT_EQ(file.value("i64").number<int64_t>(), -4);
  EXPECT_EQ(file.value("f32").number<double>(), 0.5);
  EXPECT_EQ(file.value("f64").number<double>(), 0.1);
  EXPECT_TRUE(file.value("yes").boolean());
  EXPECT_EQ(file.value("literal").string(), "text");
  EXPECT_EQ(file.value("string").string(), std::string("with a \0 byte", 13));
  EXPECT_THAT(file.value("strings").strings(), ElementsAre("a", ""));
  EXPECT_THAT(file.value("floats").numbers<float>(), ElementsAre(1.5f, -2));
  EXPECT_THAT(file.value("booleans").booleans(), ElementsAre(true, false));
  EXPECT_EQ(file.value("empty").element_type(), GgufType::i32);
  EXPECT_EQ(file.value("empty").size(), 0u);
  const std::vector<GgufValue> nested = file.value("nested").arrays();
  ASSERT_EQ(nested.size(), 3u);
  EXPECT_THAT(nested[0].numbers<int32_t>(), ElementsAre(1, -2));
  EXPECT_EQ(nested[1].size(), 0u);
}

TEST(GgufWriter, WritesTensorsOneByOneFromOneBuffer) {
  std::string buffer;
  std::vector<std::string> order;
  const auto make = [&](const char* name, char fill, size_t bytes) {
    return [&, name, fill, bytes] {
      order.push_back(name);
      buffer.assign(bytes, fill);
      return std::as_bytes(std::span(buffer.data(), buffer.size()));
    };
  };
  const std::vector<GgufTensorToWrite> tensors = {
      {"q", quant::BlockType::q4_k, {2, 256}, make("q", 'q', 288)},
      {"scalar", quant::BlockType::f32, {}, make("scalar", 's', 4)},
      {"none", quant::BlockType::q8_0, {0, 32}, make("none", 'n', 0)},
      {"b", quant::BlockType::bf16, {1, 2, 3, 1}, make("b", 'b', 12)},
  };
  const Path path = temporary("tensors");
  write_gguf(path, {}, tensors);
  EXPECT_THAT(order, ElementsAre("q", "scalar", "none", "b"));
  const GgufFile file(path);
  ASSERT_EQ(file.tensors().size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    const GgufTensor& read = file.tensors()[i];
    EXPECT_EQ(read.name, tensors[i].name);
    EXPECT_EQ(read.block_type, tensors[i].type);
    EXPECT_EQ(read.shape, tensors[i].shape);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(read.data.data()) % 32, 0u);
    for (std::byte byte : read.data) EXPECT_EQ(static_cast<char>(byte), read.name[0]);
  }
}

TEST(GgufWriter, CopiesAnotherFilesValuesButItsAlignment) {
  const GgufFile source(Path(PROPANE_SOURCE_DIR) / "tests/fixtures/formats/numbers.gguf");
  GgufMetadata metadata;
  metadata.set_all(source);
  EXPECT_FALSE(metadata.contains("general.alignment"));
  const Path path = temporary("copy");
  write_gguf(path, metadata, {});
  const GgufFile copy(path);
  EXPECT_EQ(copy.alignment(), 32u);
  EXPECT_EQ(copy.metadata().size() + 1, source.metadata().size());
  for (const GgufValue& value : copy.metadata()) {
    EXPECT_EQ(value.type(), source.value(value.key()).type());
    EXPECT_TRUE(std::ranges::equal(value.bytes(), source.value(value.key()).bytes())) << value.key();
  }
}

TEST(GgufWriter, RefusesKeysThatAreTaken) {
  GgufMetadata metadata;
  metadata.set("k", 1);
  EXPECT_THAT(error_of([&] { metadata.set("k", 2); }), HasSubstr("the key \"k\": it is set already"));
  EXPECT_THAT(error_of([&] { metadata.set("", 2); }), HasSubstr("it is empty"));
  EXPECT_THAT(error_of([&] { metadata.set("general.alignment", uint32_t{64}); }), HasSubstr("aligns tensors to 32"));
}

TEST(GgufWriter, RefusesBadTensorsAndLeavesTheOldFile) {
  const Path path = temporary("refused");
  GgufMetadata old;
  old.set("old", true);
  write_gguf(path, old, {});
  const auto error_of_writing = [&](const std::vector<GgufTensorToWrite>& tensors) {
    return error_of([&] { write_gguf(path, {}, tensors); });
  };
  using quant::BlockType;
  const std::string four = "1234";
  EXPECT_THAT(error_of_writing({tensor("w", BlockType::f32, {1}, four), tensor("w", BlockType::f32, {1}, four)}),
              HasSubstr("\"w\": the name is taken"));
  EXPECT_THAT(error_of_writing({tensor("", BlockType::f32, {1}, four)}), HasSubstr("the name is empty"));
  EXPECT_THAT(error_of_writing({tensor("w", BlockType::f32, {2}, four)}),
              HasSubstr("8 bytes for F32 of shape [2], found 4"));
  EXPECT_THAT(error_of_writing({tensor("w", BlockType::f32, {1, 1, 1, 1, 1}, four)}),
              HasSubstr("found [1, 1, 1, 1, 1]"));
  EXPECT_THAT(error_of_writing({tensor("w", BlockType::q8_0, {2, 33}, four)}),
              HasSubstr("multiple of 32 elements for Q8_0"));
  EXPECT_TRUE(GgufFile(path).value("old").boolean());
  EXPECT_THAT(error_of([&] { write_gguf(temporary("no_folder") / "x.gguf", {}, {}); }), HasSubstr("x.gguf"));
}

}  // namespace
}  // namespace propane
