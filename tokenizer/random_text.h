// Random texts for tests: of all that pre-tokenizers treat differently, in lengths that make them meet.
#pragma once

#include <random>
#include <string>

#include "base/utf8.h"

namespace propane::testing {

// A code point: often ASCII, white space or one with a part in a split pattern, else any scalar value.
inline char32_t random_code(std::mt19937& random) {
  const auto below = [&](unsigned n) { return static_cast<char32_t>(random() % n); };
  constexpr char32_t kSpaces[] = {' ',    ' ',    ' ',    '\n',   '\n',   '\r',   '\t',   '\v',   '\f', 0x85, 0xA0,
                                  0x1680, 0x2003, 0x2028, 0x2029, 0x202F, 0x3000, 0x180E, 0x200B, 0x1C, 0x1F};
  constexpr char32_t kLetters[] = {'s',     't',     'd',   'm',   'l',    'v',    'e',   'r',    'S',
                                   'T',     'D',     'M',   'L',   'V',    'E',    'R',   0x17F,  0x212A,
                                   0xDF,    0x1E9E,  0x1C5, 0x2B0, 0x4E2D, 0x5D0,  0x3A3, 0x3C2,  0xFB05,
                                   0x10400, 0x10428, 0xAA,  0x345, 0x301,  0x20DD, 0x903, 0x1D165};
  constexpr char32_t kSigns[] = {'\'',   '\'',    '\'', '/',    '.', '!',  '-',    '_',
                                 0x2019, 0x1F600, 0xAD, 0xFFFD, 0,   0x7F, 0xE000, 0x378};
  constexpr char32_t kNumbers[] = {'0', '1', '9', '5', 0xB2, 0x660, 0x2167, 0xBD, 0x1D7D8};
  switch (below(12)) {
    case 0:
    case 1: return kSpaces[below(std::size(kSpaces))];
    case 2:
    case 3: return kLetters[below(std::size(kLetters))];
    case 4:
    case 5: return kSigns[below(std::size(kSigns))];
    case 6: return kNumbers[below(std::size(kNumbers))];
    case 7:
    case 8: return U'a' + below(26);
    case 9: return U'A' + below(26);
    case 10: return 0x80 + below(0x2F80);
    default: const char32_t code = below(0x110000 - 0x800); return code < 0xD800 ? code : code + 0x800;
  }
}

inline std::string random_text(std::mt19937& random, size_t max_codes) {
  std::string text;
  const size_t codes = random() % (max_codes + 1);
  for (size_t i = 0; i < codes; ++i) append_utf8(random_code(random), text);
  return text;
}

// The same, with bytes of any value here and there.
inline std::string random_bytes(std::mt19937& random, size_t max_codes) {
  std::string text = random_text(random, max_codes);
  for (char& c : text)
    if (random() % 8 == 0) c = static_cast<char>(random());
  return text;
}

}  // namespace propane::testing
