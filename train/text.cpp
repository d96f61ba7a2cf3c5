#include "train/text.h"

#include <cstdint>

#include "base/utf8.h"

namespace propane::train {

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : utf8_replace_invalid(text)) {
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
  return utf8_replace_invalid(out) + (text.size() > limit ? "..." : "");
}

}  // namespace propane::train
