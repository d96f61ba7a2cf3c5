#include "formats/utf8.h"

#include <cstdint>
#include <cstring>

namespace propane {

namespace {

struct Sequence {
  size_t size;  // bytes of the sequence, or of the ill-formed part
  bool valid;
};

// The sequence at the start of `text`, which is not empty.
Sequence read_sequence(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {1, true};
  if (lead < 0xC2 || lead > 0xF4) return {1, false};
  const size_t size = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  // The second byte's range excludes overlong forms, surrogates and code points above U+10FFFF.
  const uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (text.size() < 2 || byte(1) < low || byte(1) > high) return {1, false};
  for (size_t i = 2; i < size; ++i) {
    if (text.size() <= i || (byte(i) & 0xC0) != 0x80) return {i, false};
  }
  return {size, true};
}

// Length of the longest prefix of whole 8-byte blocks that are ASCII.
size_t ascii_blocks(std::string_view text) {
  size_t at = 0;
  for (uint64_t block; at + 8 <= text.size(); at += 8) {
    std::memcpy(&block, text.data() + at, 8);
    if (block & 0x8080808080808080ull) break;
  }
  return at;
}

}  // namespace

size_t find_invalid_utf8(std::string_view text) {
  for (size_t at = 0;;) {
    at += ascii_blocks(text.substr(at));
    if (at == text.size()) return std::string_view::npos;
    const Sequence sequence = read_sequence(text.substr(at));
    if (!sequence.valid) return at;
    at += sequence.size;
  }
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (;;) {
    const size_t bad = find_invalid_utf8(text);
    out.append(text.substr(0, bad));
    if (bad == std::string_view::npos) return out;
    out.append("\xEF\xBF\xBD");
    text.remove_prefix(bad + read_sequence(text.substr(bad)).size);
  }
}

}  // namespace propane
