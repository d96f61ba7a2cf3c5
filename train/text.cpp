#include "train/text.h"

#include <cstdint>

namespace propane::train {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// How many bytes at the front form a character, or, with `valid` false, the ill-formed part to replace (at least 1).
struct Part {
  size_t bytes;
  bool valid;
};

Part next_part(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {1, true};
  if (lead < 0xC2 || lead > 0xF4) return {1, false};
  const size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  // The second byte's range keeps out overlong forms, surrogates and what lies beyond U+10FFFF.
  const uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  for (size_t i = 1; i < length; ++i) {
    const bool fits = i < text.size() && byte(i) >= (i == 1 ? low : 0x80) && byte(i) <= (i == 1 ? high : 0xBF);
    if (!fits) return {i, false};
  }
  return {length, true};
}

}  // namespace

std::string valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Part part = next_part(text);
    out += part.valid ? text.substr(0, part.bytes) : kReplacement;
    text.remove_prefix(part.bytes);
  }
  return out;
}

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : valid_utf8(text)) {
    const uint8_t byte = static_cast<uint8_t>(c);
    if (c == '&') out += "&amp;";
    else if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '"') out += "&quot;";
    else if (c == '\'') out += "&#39;";
    else if (byte < 0x20 && c != '\t' && c != '\n') out += {'\xE2', '\x90', static_cast<char>(0x80 + byte)};
    else if (byte == 0x7F) out += "\xE2\x90\xA1";
    else out += c;
  }
  return out;
}

std::string excerpt(std::string_view text, size_t limit) {
  std::string out(text.substr(0, limit));
  for (char& c : out)
    if (c == '\n' || c == '\r') c = ' ';
  if (text.size() <= limit && !out.empty() && out.back() == ' ') out.pop_back();
  return valid_utf8(out) + (text.size() > limit ? "..." : "");
}

}  // namespace propane::train
