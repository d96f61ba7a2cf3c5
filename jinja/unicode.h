// Text as Python's str sees it: code points, their classes and cases (Unicode 14, Python 3.11). All texts are
// well-formed UTF-8; positions and lengths are in code points unless a name says bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace propane::jinja {

enum CharFlag : uint16_t {
  kAlpha = 1,
  kDecimal = 2,
  kDigit = 4,
  kNumeric = 8,
  kUpperCase = 16,
  kLowerCase = 32,
  kTitleCase = 64,
  kPrintable = 128,
  kWhite = 256,
  kIdStart = 512,
  kIdContinue = 1024,
};

uint16_t char_flags(char32_t code);

std::u32string to_codes(std::string_view text);
std::string from_codes(std::u32string_view codes);

size_t code_count(std::string_view text);

// Where in `text` its code point number `index` begins, in bytes; the size for any index past the end.
size_t byte_offset(std::string_view text, size_t index);

// The characters, each a text.
std::vector<std::string_view> characters(std::string_view text);

// The str methods of these names.
std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
std::string to_title(std::string_view text);
std::string capitalize(std::string_view text);
std::string swap_case(std::string_view text);

// strip(), lstrip() and rstrip(); `chars` null means white space.
std::string_view strip(std::string_view text, const std::string* chars, bool left, bool right);

// splitlines(): the lines, with or without what ends them.
std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends = false);

}  // namespace propane::jinja
