#include "formats/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "base/error.h"
#include "quant/dequantize.h"

namespace propane {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Path kFixtures = Path(PROPANE_SOURCE_DIR) / "tests/fixtures/formats";

GgufFile parse(const std::string& bytes) {
  return GgufFile(std::as_bytes(std::span(bytes.data(), bytes.size())), "x.gguf");
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

// A file put together field by field, so that each may be wrong.
class Bytes {
 public:
  template <typename T>
  Bytes& number(T value) {
    text_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Bytes& string(const std::string& value) {
    number(uint64_t{value.size()});
    text_ += value;
    return *this;
  }
  Bytes& raw(const std::string& value) {
    text_ += value;
    return *this;
  }
  Bytes& header(uint64_t tensors, uint64_t keys, uint32_t version = 3) {
    return raw("GGUF").number(version).number(tensors).number(keys);
  }
  Bytes& key(const std::string& name, GgufType type) { return string(name).number(type); }
  Bytes& tensor(const std::string& name, std::vector<uint64_t> dims, uint32_t type, uint64_t offset) {
    string(name).number(static_cast<uint32_t>(dims.size()));
    for (uint64_t dim : dims) number(dim);
    return number(type).number(offset);
  }
  // Pads to where tensors begin and adds their bytes.
  Bytes& body(size_t bytes, size_t alignment = 32) {
    text_.append((alignment - text_.size() % alignment) % alignment + bytes, '\0');
    return *this;
  }
  const std::string& text() const { return text_; }
  std::string error() const {
    return error_of([&] { parse(text_); });
  }

 private:
  std::string text_;
};

// A file of one tensor with `body` bytes after the header.
Bytes one_tensor(std::vector<uint64_t> dims, uint32_t type, uint64_t offset, size_t body) {
  return Bytes().header(1, 0).tensor("w", std::move(dims), type, offset).body(body);
}

// A file of one key whose type and value are `value`.
Bytes one_key(const Bytes& value) { return Bytes().header(0, 1).string("k").raw(value.text()); }

class GgufFixture : public testing::TestWithParam<const char*> {};

TEST_P(GgufFixture, HasEveryValueThatThePackageWrote) {
  const GgufFile file(kFixtures / GetParam());
  EXPECT_EQ(file.alignment(), 64u);
  EXPECT_EQ(file.value("general.architecture").string(), "test");
  EXPECT_EQ(file.value("test.u8").number<uint32_t>(), 255u);
  EXPECT_EQ(file.value("test.u16").number<int32_t>(), 65535);
  EXPECT_EQ(file.value("test.u32").number<uint32_t>(), 0xffffffffu);
  EXPECT_EQ(file.value("test.u64").number<uint64_t>(), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(file.value("test.i8").number<int32_t>(), -128);
  EXPECT_EQ(file.value("test.i16").number<int64_t>(), -32768);
  EXPECT_EQ(file.value("test.i32").number<int32_t>(), std::numeric_limits<int32_t>::min());
  EXPECT_EQ(file.value("test.i64").number<int64_t>(), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(file.value("test.f32").number<float>(), 0.1f);
  EXPECT_EQ(file.value("test.f64").number<double>(), 0.1);
  EXPECT_TRUE(file.value("test.yes").boolean());
  EXPECT_FALSE(file.value("test.no").boolean());
  EXPECT_EQ(file.value("test.string").string(), "naïve");
  EXPECT_THAT(file.value("test.strings").strings(), ElementsAre("a", "", "語"));
  EXPECT_THAT(file.value("test.floats").numbers<float>(), ElementsAre(0.5f, -1.5f));
  EXPECT_THAT(file.value("test.booleans").booleans(), ElementsAre(true, false, true));
  EXPECT_EQ(file.value("test.bytes").element_type(), GgufType::u8);
  EXPECT_THAT(file.value("test.bytes").numbers<int32_t>(), ElementsAre(1, 2, 255));
  const std::vector<GgufValue> nested = file.value("test.nested").arrays();
  ASSERT_EQ(nested.size(), 2u);
  EXPECT_THAT(nested[0].numbers<int64_t>(), ElementsAre(1, 2));
  EXPECT_THAT(nested[1].numbers<int64_t>(), ElementsAre(3));
  EXPECT_EQ(file.find_value("test.none"), nullptr);
}

TEST_P(GgufFixture, HasEveryTensorThatThePackageWrote) {
  const GgufFile file(kFixtures / GetParam());
  ASSERT_EQ(file.tensors().size(), 4u);
  EXPECT_EQ(file.tensors()[0].name, "matrix");

  const GgufTensor& matrix = file.at("matrix");
  EXPECT_EQ(matrix.type, "F32");
  EXPECT_EQ(matrix.shape, Shape({2, 3}));
  std::vector<float> values(6);
  quant::dequantize(*matrix.block_type, matrix.data, values);
  EXPECT_THAT(values, ElementsAre(0, 1, 2, 3, 4, 5));

  std::vector<float> halves(2);
  quant::dequantize(*file.at("halves").block_type, file.at("halves").data, halves);
  EXPECT_THAT(halves, ElementsAre(1.5f, -2.25f));

  const GgufTensor& blocks = file.at("blocks");
  EXPECT_EQ(blocks.block_type, quant::BlockType::q8_0);
  EXPECT_EQ(blocks.shape, Shape({3, 64}));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(blocks.data.data()) % 64, 0u);
  std::vector<float> rows(3 * 64);
  quant::dequantize(*blocks.block_type, blocks.data, rows);
  EXPECT_NEAR(rows.front(), -1, 1e-3);
  EXPECT_NEAR(rows.back(), 1, 1e-3);

  const GgufTensor& ids = file.at("ids");
  EXPECT_EQ(ids.type, "I32");
  EXPECT_EQ(ids.block_type, std::nullopt);
  EXPECT_EQ(ids.shape, Shape({1, 1, 2}));
  int32_t id = 0;
  std::memcpy(&id, ids.data.data() + 4, sizeof id);
  EXPECT_EQ(id, -7);
  EXPECT_EQ(file.find("none"), nullptr);
}

TEST_P(GgufFixture, EveryTruncationIsAnError) {
  const std::string whole = read_file(kFixtures / GetParam());
  const GgufFile file = parse(whole);
  const GgufTensor& last = file.tensors().back();
  const auto used =
      static_cast<size_t>(reinterpret_cast<const char*>(last.data.data()) - whole.data()) + last.data.size();
  for (size_t size = 0; size < used; ++size) EXPECT_THROW(parse(whole.substr(0, size)), Error) << size;
}

INSTANTIATE_TEST_SUITE_P(Versions, GgufFixture, testing::Values("numbers.gguf", "numbers_v2.gguf"),
                         [](const auto& param) { return param.index == 0 ? "v3" : "v2"; });

TEST(Gguf, ValuesOutliveAMoveOfTheirFile) {
  GgufFile file(kFixtures / "numbers.gguf");
  const GgufValue value = file.value("test.u8");
  const GgufFile moved = std::move(file);
  EXPECT_EQ(value.number<int32_t>(), 255);
  EXPECT_THAT(error_of([&] { value.string(); }), HasSubstr("numbers.gguf: key \"test.u8\""));
}

TEST(Gguf, AFileWithoutAnythingIsFine) {
  EXPECT_EQ(Bytes().header(0, 0).error(), "no error");
  EXPECT_EQ(Bytes().header(0, 0, 2).error(), "no error");
}

TEST(Gguf, ScalarsAndEmptyTensorsAreFine) {
  const std::string text = Bytes().header(2, 0).tensor("s", {}, 0, 0).tensor("e", {32, 0}, 2, 32).body(36).text();
  const GgufFile file = parse(text);
  EXPECT_EQ(file.at("s").shape.rank(), 0);
  EXPECT_EQ(file.at("s").data.size(), 4u);
  EXPECT_EQ(file.at("e").shape, Shape({0, 32}));
  EXPECT_TRUE(file.at("e").data.empty());
}

TEST(Gguf, SaysWhatIsWrongWithTheHeader) {
  EXPECT_THAT(Bytes().error(), HasSubstr("x.gguf: expected a GGUF file, which begins with \"GGUF\""));
  EXPECT_THAT(Bytes().raw("GGML and more").error(), HasSubstr("found another 13 bytes"));
  EXPECT_THAT(Bytes().header(0, 0, 1).error(), HasSubstr("expected GGUF version 2 or 3, found 1"));
  EXPECT_THAT(Bytes().header(0, 0, 3u << 24).error(), HasSubstr("found a big-endian file"));
  EXPECT_THAT(Bytes().header(1, 0).error(), HasSubstr("tensor count of at most 65536"));
  EXPECT_THAT(Bytes().header(~uint64_t{0}, 0).error(), HasSubstr("found 18446744073709551615"));
  EXPECT_THAT(Bytes().header(0, 1).error(), AllOf(HasSubstr("key count"), HasSubstr("0 remaining bytes, found 1")));
  EXPECT_THAT(Bytes().header(0, 70'000).raw(std::string(1 << 20, '\0')).error(), HasSubstr("found 70000"));
}

TEST(Gguf, SaysWhatIsWrongWithAKey) {
  const Bytes one = Bytes().number(GgufType::u8).number(uint8_t{1});
  EXPECT_EQ(one_key(one).error(), "no error");
  EXPECT_THAT(Bytes().header(0, 2).string("k").raw(one.text()).string("k").raw(one.text()).error(),
              HasSubstr("expected each key once, found \"k\" twice"));
  EXPECT_THAT(Bytes().header(0, 1).string("").raw(one.text()).error(), HasSubstr("found \"\" (0 bytes)"));
  EXPECT_THAT(Bytes().header(0, 1).string("\xFF").raw(one.text()).error(), HasSubstr("bytes of UTF-8"));
  EXPECT_THAT(Bytes().header(0, 1).string(std::string(70'000, 'k')).raw(one.text()).error(),
              AllOf(HasSubstr("kkk...\" (70000 bytes)")));
  EXPECT_THAT(Bytes().header(0, 1).number(~uint64_t{0}).raw(one.text()).error(), HasSubstr("truncated or damaged"));
  EXPECT_THAT(one_key(Bytes().number(uint32_t{13}).number(uint64_t{0})).error(),
              HasSubstr("key \"k\": expected a value type from 0 to 12, found 13"));
  EXPECT_THAT(one_key(Bytes().number(GgufType::boolean).number(uint8_t{2})).error(),
              HasSubstr("key \"k\": expected 0 or 1 as a boolean, found 2"));
  EXPECT_THAT(one_key(Bytes().number(GgufType::string).number(uint64_t{9}).raw("12345678")).error(),
              HasSubstr("\"k\": expected 9 bytes at offset 45, found 8 left"));
  EXPECT_THAT(Bytes().header(0, 1).string("k").number(GgufType::u64).raw("1").error(),
              HasSubstr("\"k\": expected 8 bytes at offset 37, found 1 left"));
}

TEST(Gguf, SaysWhatIsWrongWithAnArray) {
  const auto array = [](GgufType element, uint64_t count) {
    return Bytes().number(GgufType::array).number(element).number(count);
  };
  EXPECT_EQ(one_key(array(GgufType::string, 0)).error(), "no error");
  EXPECT_THAT(one_key(array(GgufType::u8, 3).raw("ab")).error(),
              HasSubstr("2 bytes left, found 3 elements of type u8"));
  EXPECT_THAT(one_key(array(GgufType::f64, (uint64_t{1} << 61) + 1).raw(std::string(8, ' '))).error(),
              HasSubstr("found 2305843009213693953 elements of type f64"));
  EXPECT_THAT(one_key(array(GgufType::string, 2).raw(std::string(8, '\0'))).error(), HasSubstr("found 2 elements"));
  EXPECT_THAT(one_key(array(static_cast<GgufType>(77), 0)).error(), HasSubstr("from 0 to 12, found 77"));
  EXPECT_THAT(one_key(array(GgufType::boolean, 2).raw(std::string("\1\3", 2))).error(), HasSubstr("found 3"));
  const auto nested = [&](int depth) {
    Bytes value;
    value.number(GgufType::array);
    for (int i = 1; i < depth; ++i) value.number(GgufType::array).number(uint64_t{1});
    return one_key(value.number(GgufType::u8).number(uint64_t{1}).raw("x")).error();
  };
  EXPECT_EQ(nested(8), "no error");
  EXPECT_THAT(nested(9), HasSubstr("key \"k\": expected arrays at most 8 deep, found more"));
  EXPECT_THAT(nested(100'000), HasSubstr("at most 8 deep"));
}

TEST(Gguf, SaysWhatAValueIsInsteadOfWhatWasAskedFor) {
  const GgufFile file(kFixtures / "numbers.gguf");
  const auto error = [&](const char* key, auto ask) { return error_of([&] { ask(file.value(key)); }); };
  const auto as_i32 = [](const GgufValue& value) { value.number<int32_t>(); };
  EXPECT_THAT(error("test.none", as_i32), HasSubstr("expected a key \"test.none\", found none"));
  EXPECT_THAT(error("test.u32", as_i32), HasSubstr("key \"test.u32\": expected an integer of 32 bits, found a value of "
                                                   "type u32, 4294967295"));
  EXPECT_THAT(error("test.f32", as_i32), HasSubstr("found a value of type f32, 0.1"));
  EXPECT_THAT(error("test.string", as_i32), HasSubstr("found a value of type string"));
  EXPECT_THAT(error("test.bytes", as_i32), HasSubstr("found an array of 3 u8"));
  EXPECT_THAT(error("test.i8", [](const GgufValue& value) { value.number<uint64_t>(); }), HasSubstr("type i8, -128"));
  EXPECT_THAT(error("test.u8", [](const GgufValue& value) { value.boolean(); }), HasSubstr("expected a boolean"));
  EXPECT_THAT(error("test.u8", [](const GgufValue& value) { value.size(); }), HasSubstr("expected an array"));
  EXPECT_THAT(error("test.bytes", [](const GgufValue& value) { value.strings(); }), HasSubstr("an array of strings"));
  EXPECT_THAT(error("test.bytes", [](const GgufValue& value) { value.arrays(); }), HasSubstr("an array of arrays"));
  EXPECT_THAT(error("test.bytes", [](const GgufValue& value) { value.booleans(); }), HasSubstr("array of booleans"));
  EXPECT_THAT(error("test.strings", [](const GgufValue& value) { value.numbers<float>(); }),
              HasSubstr("expected an array of numbers, found an array of 3 string"));
  EXPECT_THAT(error("test.floats", [](const GgufValue& value) { value.numbers<int32_t>(); }),
              HasSubstr("expected an integer of 32 bits as element 0, found 0.5"));
}

TEST(Gguf, SaysWhatIsWrongWithATensor) {
  EXPECT_EQ(one_tensor({2, 3}, 0, 0, 24).error(), "no error");
  EXPECT_THAT(one_tensor({1, 1, 1, 1, 1}, 0, 0, 4).error(), HasSubstr("\"w\": expected at most 4 dimensions, found 5"));
  EXPECT_THAT(one_tensor({1}, 4, 0, 4).error(), HasSubstr("tensor \"w\": expected a tensor type of the format"));
  EXPECT_THAT(one_tensor({1}, 99, 0, 4).error(), HasSubstr("found 99"));
  EXPECT_THAT(one_tensor({uint64_t{1} << 63}, 0, 0, 4).error(), HasSubstr("too large for any file"));
  EXPECT_THAT(one_tensor({uint64_t{1} << 33, uint64_t{1} << 33}, 0, 0, 4).error(), HasSubstr("too large for any file"));
  EXPECT_THAT(one_tensor({33}, 8, 0, 64).error(), HasSubstr("rows of a multiple of 32 elements for Q8_0, found 33"));
  EXPECT_THAT(one_tensor({}, 8, 0, 64).error(), HasSubstr("multiple of 32 elements for Q8_0, found 1"));
  EXPECT_THAT(one_tensor({2}, 0, 8, 64).error(), HasSubstr("offset that is a multiple of 32, found 8"));
  EXPECT_THAT(one_tensor({7}, 0, 0, 27).error(),
              HasSubstr("\"w\": expected its 28 bytes within the 27 after the header"));
  EXPECT_THAT(one_tensor({1}, 0, 64, 63).error(), HasSubstr("found offset 64: the file is truncated"));
  EXPECT_THAT(one_tensor({1}, 0, ~uint64_t{31}, 64).error(), HasSubstr("found offset 18446744073709551584"));
  EXPECT_THAT(Bytes().header(1, 0).tensor("", {1}, 0, 0).body(4).error(), HasSubstr("expected a tensor name"));
  EXPECT_THAT(Bytes().header(2, 0).tensor("w", {1}, 0, 0).tensor("w", {1}, 0, 32).body(36).error(),
              HasSubstr("expected each tensor once, found \"w\" twice"));
}

TEST(Gguf, SaysWhichTensorIsMissing) {
  const GgufFile file(kFixtures / "numbers.gguf");
  EXPECT_THAT(error_of([&] { file.at("none"); }),
              HasSubstr("expected a tensor \"none\", found none of that name among 4"));
}

TEST(Gguf, TensorsMayLeaveGapsButShareNoBytes) {
  const auto two = [](uint64_t first, uint64_t second) {
    return Bytes().header(2, 0).tensor("a", {16}, 0, first).tensor("b", {16}, 0, second).body(256).error();
  };
  EXPECT_EQ(two(0, 64), "no error");
  EXPECT_EQ(two(128, 0), "no error");
  EXPECT_THAT(two(0, 32), HasSubstr("\"b\": expected to begin after the 64 bytes of tensor \"a\", found it 32 after"));
  EXPECT_THAT(two(64, 32), HasSubstr("\"a\": expected to begin after the 64 bytes of tensor \"b\""));
  EXPECT_THAT(two(0, 0), HasSubstr("found it 0 after their start"));
}

TEST(Gguf, AlignmentIsAPowerOfTwo) {
  const auto with = [](uint32_t alignment) {
    return Bytes().header(1, 1).key("general.alignment", GgufType::u32).number(alignment).tensor("w", {1}, 0, 0);
  };
  EXPECT_EQ(with(128).body(4, 128).error(), "no error");
  EXPECT_THAT(with(0).body(4).error(), HasSubstr("expected a power of two up to 65536, found 0"));
  EXPECT_THAT(with(48).body(4).error(), HasSubstr("found 48"));
  EXPECT_THAT(with(1u << 31).body(4).error(), HasSubstr("found 2147483648"));
  EXPECT_THAT(Bytes().header(0, 1).key("general.alignment", GgufType::string).string("32").error(),
              HasSubstr("key \"general.alignment\": expected a non-negative integer of 64 bits"));
}

}  // namespace
}  // namespace propane
