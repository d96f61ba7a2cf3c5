// The Unicode classes that the common split patterns speak of, one byte of flags a code point.
#pragma once

#include <array>
#include <cstdint>

#include "base/utf8.h"

namespace propane {

enum CharClass : uint8_t {
  kLetter = 1,    // \p{L}
  kNumber = 2,    // \p{N}
  kSpace = 4,     // White_Space
  kNewline = 8,   // \r and \n
  kUpper = 16,    // what may begin a cased word: Lu Lt Lm Lo M
  kLower = 32,    // what may end one: Ll Lm Lo M
  kTextEnd = 64,  // not a character: the end of the text
};

// The classes of all 0x110000 code points, asked of PCRE2 once so that hand-written scanners and patterns agree
// whatever its Unicode version; made on first use (some 10 ms).
const uint8_t* char_class_table();

namespace detail {
constexpr std::array<uint8_t, 128> kAsciiClass = [] {
  std::array<uint8_t, 128> table{};
  for (int c = 'a'; c <= 'z'; ++c) table[c] = kLetter | kLower;
  for (int c = 'A'; c <= 'Z'; ++c) table[c] = kLetter | kUpper;
  for (int c = '0'; c <= '9'; ++c) table[c] = kNumber;
  for (int c : {'\t', '\v', '\f', ' '}) table[c] = kSpace;
  for (int c : {'\r', '\n'}) table[c] = kSpace | kNewline;
  return table;
}();
}  // namespace detail

// The class of the character at `at` of a well-formed text and its length in bytes; kTextEnd and 0 at the end.
inline uint8_t char_class(const char* at, const char* end, int& length) {
  if (at == end) return length = 0, kTextEnd;
  const auto lead = static_cast<unsigned char>(*at);
  if (lead < 0x80) return length = 1, detail::kAsciiClass[lead];
  static const uint8_t* const table = char_class_table();
  return table[utf8_code(at, length)];
}

}  // namespace propane
