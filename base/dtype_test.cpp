#include "base/dtype.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace propane {
namespace {

constexpr DType kAll[] = {DType::f64, DType::f32, DType::bf16, DType::f16,
                          DType::i64, DType::i32, DType::u16,  DType::u8};

TEST(DType, NamesReadBackAsTheSameType) {
  for (DType type : kAll) EXPECT_EQ(dtype_from_name(dtype_name(type)), type) << dtype_name(type);
}

TEST(DType, NamesCarryTheSizeInBits) {
  for (DType type : kAll) {
    const std::string name(dtype_name(type));
    const size_t bits = std::stoul(name.substr(name.find_first_of("0123456789")));
    EXPECT_EQ(dtype_size(type) * 8, bits) << name;
    EXPECT_EQ(is_float(type), name[0] == 'f' || name[0] == 'b') << name;
  }
}

TEST(DType, AnUnknownNameIsNamedInTheError) {
  try {
    dtype_from_name("f8");
    FAIL() << "f8 was accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("'f8'"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace propane
