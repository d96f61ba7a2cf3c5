#include "base/dtype.h"

#include <string>

#include "base/error.h"

namespace propane {

namespace {

struct Storage {
  DType type;
  std::string_view name;
  int elements, bytes;  // of a block
};

constexpr Storage kStorage[kDTypes] = {
    {DType::f64, "f64", 1, 8},         {DType::f32, "f32", 1, 4},
    {DType::bf16, "bf16", 1, 2},       {DType::f16, "f16", 1, 2},
    {DType::i64, "i64", 1, 8},         {DType::i32, "i32", 1, 4},
    {DType::u16, "u16", 1, 2},         {DType::u8, "u8", 1, 1},
    {DType::q4_0, "q4_0", 32, 18},     {DType::q4_1, "q4_1", 32, 20},
    {DType::q5_0, "q5_0", 32, 22},     {DType::q5_1, "q5_1", 32, 24},
    {DType::q8_0, "q8_0", 32, 34},     {DType::q2_k, "q2_k", 256, 84},
    {DType::q3_k, "q3_k", 256, 110},   {DType::q4_k, "q4_k", 256, 144},
    {DType::q5_k, "q5_k", 256, 176},   {DType::q6_k, "q6_k", 256, 210},
    {DType::iq4_nl, "iq4_nl", 32, 18}, {DType::iq4_xs, "iq4_xs", 256, 136},
    {DType::mxfp4, "mxfp4", 32, 17},
};

static_assert([] {
  for (int i = 0; i < kDTypes; ++i)
    if (static_cast<int>(kStorage[i].type) != i) return false;
  return true;
}());

const Storage& storage(DType type) { return kStorage[static_cast<int>(type)]; }

}  // namespace

int block_elements(DType type) { return storage(type).elements; }
int block_bytes(DType type) { return storage(type).bytes; }

size_t dtype_size(DType type) {
  if (is_block(type)) fail("an element of {} has no size of its own", dtype_name(type));
  return static_cast<size_t>(storage(type).bytes);
}

size_t row_bytes(DType type, int64_t columns) {
  const Storage& s = storage(type);
  if (columns < 0 || columns % s.elements != 0)
    fail("{}: expected rows of a multiple of {} elements, found {}", s.name, s.elements, columns);
  return static_cast<size_t>(columns / s.elements) * static_cast<size_t>(s.bytes);
}

std::string_view dtype_name(DType type) { return storage(type).name; }

DType dtype_from_name(std::string_view name) {
  std::string all;
  for (const Storage& s : kStorage) {
    if (s.name == name) return s.type;
    all += all.empty() ? "" : ", ";
    all += s.name;
  }
  fail("unknown element type '{}'; expected one of {}", name, all);
}

}  // namespace propane
