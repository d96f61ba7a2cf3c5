// UTF-8 as the Unicode standard defines it: decoding, validation, and Python's way of replacing what is ill-formed.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace propane {

// What stands at the front of a text.
struct Utf8Step {
  char32_t code;  // the scalar value when valid
  int length;     // its bytes; of an ill-formed sequence the "maximal subpart" (Unicode 3.9, table 3-8), at least 1
  bool valid;
  bool truncated;  // not valid, but the text ended where more bytes could have made it so
};

// Decodes the first character of [at, end), which must not be empty.
Utf8Step utf8_step(const char* at, const char* end);

// The character at `at` of a text known to be well-formed.
inline char32_t utf8_code(const char* at, int& length) {
  const auto byte = [&](int i) { return static_cast<unsigned char>(at[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return length = 1, lead;
  if (lead < 0xE0) return length = 2, (lead & 0x1Fu) << 6 | (byte(1) & 0x3Fu);
  if (lead < 0xF0) return length = 3, (lead & 0x0Fu) << 12 | (byte(1) & 0x3Fu) << 6 | (byte(2) & 0x3Fu);
  length = 4;
  return (lead & 0x07u) << 18 | (byte(1) & 0x3Fu) << 12 | (byte(2) & 0x3Fu) << 6 | (byte(3) & 0x3Fu);
}

void append_utf8(char32_t code, std::string& out);

// Bytes of the longest well-formed beginning of `text`.
size_t utf8_valid_prefix(std::string_view text);

inline bool utf8_valid(std::string_view text) { return utf8_valid_prefix(text) == text.size(); }

// `text` with every maximal ill-formed subpart replaced by U+FFFD: Python's bytes.decode('utf-8', errors='replace').
std::string utf8_replace_invalid(std::string_view text);

// Turns a stream of bytes into text a person may see at once: an unfinished character is held back until its bytes
// come, an ill-formed one becomes U+FFFD. All that push() and finish() return, joined, is utf8_replace_invalid() of
// all the bytes pushed.
class Utf8Stream {
 public:
  std::string push(std::string_view bytes);
  std::string finish();

 private:
  std::string held_;  // at most 3 bytes
};

}  // namespace propane
