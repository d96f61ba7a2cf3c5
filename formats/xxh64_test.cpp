#include "formats/xxh64.h"

#include <gtest/gtest.h>

#include <string>

namespace propane {
namespace {

// The byte i is i · 31 + 7 modulo 256. The numbers are the PyPI package xxhash's (tests/peers/make_format_fixtures.py).
std::string pattern(size_t size) {
  std::string bytes(size, 0);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 + 7);
  return bytes;
}

TEST(Xxh64, AgreesWithXxhashAtEveryTailLength) {
  EXPECT_EQ(xxh64(pattern(0)), 0xEF46DB3751D8E999ull);
  EXPECT_EQ(xxh64(pattern(1)), 0xA96C7F0CE858BBB7ull);
  EXPECT_EQ(xxh64(pattern(3)), 0x56E6957632A487F9ull);
  EXPECT_EQ(xxh64(pattern(4)), 0xC60D15B1E3FF8F04ull);
  EXPECT_EQ(xxh64(pattern(7)), 0xAFBEFC3D6C6F9A8Eull);
  EXPECT_EQ(xxh64(pattern(8)), 0x3DA5C7AA269683E0ull);
  EXPECT_EQ(xxh64(pattern(15)), 0xAE2A37EB9357CAA7ull);
  EXPECT_EQ(xxh64(pattern(31)), 0x4A74F3A1A39AD4A1ull);
  EXPECT_EQ(xxh64(pattern(32)), 0x8D57D6A4671CC43Dull);
  EXPECT_EQ(xxh64(pattern(33)), 0x62C9FD21ED857664ull);
  EXPECT_EQ(xxh64(pattern(63)), 0x5C320A0D2707057Full);
  EXPECT_EQ(xxh64(pattern(64)), 0x7BBABBC45729D17Eull);
  EXPECT_EQ(xxh64(pattern(77)), 0xDB97AF1ABC152D81ull);
  EXPECT_EQ(xxh64(pattern(1000)), 0x99594F4828043D35ull);
  EXPECT_EQ(xxh64(pattern(77), 42), 0xAFF8CF8B0042A4D9ull);
}

TEST(Xxh64, DoesNotDependOnHowTheBytesAreDivided) {
  const std::string bytes = pattern(1000);
  for (size_t step : {1, 3, 8, 31, 32, 33, 100}) {
    Xxh64 hash;
    for (size_t at = 0; at < bytes.size(); at += step)
      hash.update(bytes.data() + at, std::min(step, bytes.size() - at));
    EXPECT_EQ(hash.digest(), xxh64(bytes)) << "in steps of " << step;
  }
}

TEST(Xxh64, ChangesWithAnyBit) {
  const std::string bytes = pattern(77);
  for (size_t i = 0; i < bytes.size() * 8; ++i) {
    std::string changed = bytes;
    changed[i / 8] = static_cast<char>(changed[i / 8] ^ (1 << (i % 8)));
    EXPECT_NE(xxh64(changed), xxh64(bytes)) << "bit " << i;
  }
}

}  // namespace
}  // namespace propane
