#include "tokenizer/charsmap.h"

#include <cstring>

#include "base/error.h"
#include "base/utf8.h"

namespace propane {

Charsmap::Charsmap(std::string_view bytes) {
  uint32_t trie_bytes = 0;
  if (bytes.size() >= sizeof trie_bytes) std::memcpy(&trie_bytes, bytes.data(), sizeof trie_bytes);
  if (bytes.size() < sizeof trie_bytes || trie_bytes > bytes.size() - sizeof trie_bytes || trie_bytes % 4 != 0 ||
      trie_bytes == 0)
    fail("the precompiled normalization: expected a trie within its {} bytes, found one of {} bytes", bytes.size(),
         trie_bytes);
  units_.resize(trie_bytes / 4);
  std::memcpy(units_.data(), bytes.data() + sizeof trie_bytes, trie_bytes);
  strings_ = bytes.substr(sizeof trie_bytes + trie_bytes);
}

size_t Charsmap::find(std::string_view text, std::string_view& replacement) const {
  const auto offset = [](uint32_t unit) { return (unit >> 10) << ((unit & (1u << 9)) >> 6); };
  size_t longest = 0;
  uint32_t node = offset(units_[0]);
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    node ^= byte;
    if (byte == 0 || node >= units_.size()) break;
    const uint32_t unit = units_[node];
    if ((unit & (1u << 31 | 0xffu)) != byte) break;
    node ^= offset(unit);
    if (!(unit >> 8 & 1)) continue;  // no string of the table ends here
    if (node >= units_.size()) break;
    const uint32_t at = units_[node] & ~(1u << 31);
    const size_t end = at < strings_.size() ? strings_.find('\0', at) : strings_.npos;
    if (end == strings_.npos) break;
    longest = i + 1;
    replacement = std::string_view(strings_).substr(at, end - at);
  }
  return longest;
}

std::string Charsmap::apply(std::string_view text) const {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    std::string_view replacement;
    size_t length = find(text.substr(at), replacement);
    if (length == 0) {
      const Utf8Step step = utf8_step(text.data() + at, text.data() + text.size());
      length = step.valid ? static_cast<size_t>(step.length) : 1;
      replacement = step.valid ? text.substr(at, length) : "\xEF\xBF\xBD";
    }
    out += replacement;
    at += length;
  }
  return out;
}

}  // namespace propane
