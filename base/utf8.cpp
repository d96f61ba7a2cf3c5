#include "base/utf8.h"

#include <cstdint>
#include <cstring>

namespace propane {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Appends `text` with replacements; stops before an unfinished character at the end and returns the bytes done.
size_t replace_complete(std::string_view text, std::string& out) {
  size_t done = 0;
  for (;;) {
    const size_t valid = utf8_valid_prefix(text.substr(done));
    out.append(text, done, valid);
    done += valid;
    if (done == text.size()) return done;
    const Utf8Step step = utf8_step(text.data() + done, text.data() + text.size());
    if (step.truncated) return done;
    out += kReplacement;
    done += static_cast<size_t>(step.length);
  }
}

}  // namespace

Utf8Step utf8_step(const char* at, const char* end) {
  const auto lead = static_cast<unsigned char>(*at);
  if (lead < 0x80) return {lead, 1, true, false};
  // The second byte's range depends on the first (no overlong forms, no surrogates, nothing past U+10FFFF).
  int length;
  unsigned low = 0x80, high = 0xBF;
  char32_t code;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
    code = lead & 0x1Fu;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    code = lead & 0x0Fu;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    code = lead & 0x07u;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return {0, 1, false, false};
  }
  for (int i = 1; i < length; ++i) {
    if (at + i == end) return {0, i, false, true};
    const auto byte = static_cast<unsigned char>(at[i]);
    if (byte < low || byte > high) return {0, i, false, false};
    low = 0x80;
    high = 0xBF;
    code = code << 6 | (byte & 0x3Fu);
  }
  return {code, length, true, false};
}

void append_utf8(char32_t code, std::string& out) {
  const auto put = [&](char32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) return put(code);
  if (code < 0x800) {
    put(0xC0 | code >> 6);
  } else {
    if (code < 0x10000) {
      put(0xE0 | code >> 12);
    } else {
      put(0xF0 | code >> 18);
      put(0x80 | (code >> 12 & 0x3F));
    }
    put(0x80 | (code >> 6 & 0x3F));
  }
  put(0x80 | (code & 0x3F));
}

size_t utf8_valid_prefix(std::string_view text) {
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    uint64_t word;
    if (end - at >= 8 && (std::memcpy(&word, at, 8), (word & 0x8080808080808080ull) == 0)) {
      at += 8;
      continue;
    }
    const Utf8Step step = utf8_step(at, end);
    if (!step.valid) break;
    at += step.length;
  }
  return static_cast<size_t>(at - text.data());
}

std::string utf8_replace_invalid(std::string_view text) {
  std::string out;
  if (replace_complete(text, out) < text.size()) out += kReplacement;
  return out;
}

std::string Utf8Stream::push(std::string_view bytes) {
  held_ += bytes;
  std::string out;
  held_.erase(0, replace_complete(held_, out));
  return out;
}

std::string Utf8Stream::finish() {
  std::string out = utf8_replace_invalid(held_);
  held_.clear();
  return out;
}

}  // namespace propane
