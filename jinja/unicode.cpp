#include "jinja/unicode.h"

#include <algorithm>
#include <iterator>

#include "base/utf8.h"

namespace propane::jinja {

namespace {

struct ClassRange {
  char32_t first;
  uint16_t flags, difference;
};

struct CaseRange {
  char32_t first, last;
  uint32_t step;
  int32_t delta;
};

struct SpecialCase {
  char32_t code;
  const char* text;
};

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#include "jinja/unicode_data.inc"
#pragma GCC diagnostic pop

// Appends what a table makes of a character; false if it says nothing of it.
template <size_t kRanges, size_t kSpecials>
bool append_mapped(const CaseRange (&ranges)[kRanges], const SpecialCase (&specials)[kSpecials], char32_t code,
                   std::string& out) {
  const auto special = std::lower_bound(std::begin(specials), std::end(specials), code,
                                        [](const SpecialCase& s, char32_t c) { return s.code < c; });
  if (special != std::end(specials) && special->code == code) return out += special->text, true;
  const auto after = std::upper_bound(std::begin(ranges), std::end(ranges), code,
                                      [](char32_t c, const CaseRange& r) { return c < r.first; });
  if (after == std::begin(ranges)) return false;
  const CaseRange& range = *std::prev(after);
  if (code > range.last || (code - range.first) % range.step != 0) return false;
  append_utf8(static_cast<char32_t>(static_cast<int64_t>(code) + range.delta), out);
  return true;
}

void append_upper(char32_t code, std::string& out) {
  if (code < 128) out += static_cast<char>(code >= 'a' && code <= 'z' ? code - 32 : code);
  else if (!append_mapped(kUpper, kUpperSpecial, code, out)) append_utf8(code, out);
}

void append_title(char32_t code, std::string& out) {
  if (code < 128 || !append_mapped(kTitle, kTitleSpecial, code, out)) append_upper(code, out);
}

bool is_cased(char32_t code) { return char_flags(code) & (kUpperCase | kLowerCase | kTitleCase); }

// What stands inside a word without being a letter of it, for the final sigma below.
bool is_case_ignorable(char32_t code) {
  return code == '\'' || code == '.' || code == ':' || code == 0xB7 || code == 0x2019 ||
         (code >= 0x300 && code < 0x370);
}

// A capital sigma at the end of a word becomes the final form (Unicode 3.13, Final_Sigma).
bool is_final(std::u32string_view codes, size_t at) {
  size_t before = at, after = at + 1;
  while (before > 0 && is_case_ignorable(codes[before - 1])) --before;
  while (after < codes.size() && is_case_ignorable(codes[after])) ++after;
  return before > 0 && is_cased(codes[before - 1]) && !(after < codes.size() && is_cased(codes[after]));
}

void append_lower(std::u32string_view codes, size_t at, std::string& out) {
  const char32_t code = codes[at];
  if (code < 128) out += static_cast<char>(code >= 'A' && code <= 'Z' ? code + 32 : code);
  else if (code == 0x3A3) append_utf8(is_final(codes, at) ? 0x3C2 : 0x3C3, out);
  else if (!append_mapped(kLower, kLowerSpecial, code, out)) append_utf8(code, out);
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<signed char>(c) >= 0; });
}

bool is_line_end(char32_t code) {
  return (code >= 0x0A && code <= 0x0D) || (code >= 0x1C && code <= 0x1E) || code == 0x85 || code == 0x2028 ||
         code == 0x2029;
}

}  // namespace

uint16_t char_flags(char32_t code) {
  const auto after = std::upper_bound(std::begin(kClasses), std::end(kClasses), code,
                                      [](char32_t c, const ClassRange& r) { return c < r.first; });
  const ClassRange& range = *std::prev(after);
  return (code - range.first) % 2 == 0 ? range.flags : range.flags ^ range.difference;
}

std::u32string to_codes(std::string_view text) {
  std::u32string codes;
  codes.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    int length = 0;
    codes += utf8_code(text.data() + at, length);
    at += static_cast<size_t>(length);
  }
  return codes;
}

std::string from_codes(std::u32string_view codes) {
  std::string text;
  for (char32_t code : codes) append_utf8(code, text);
  return text;
}

size_t code_count(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

size_t byte_offset(std::string_view text, size_t index) {
  if (is_ascii(text)) return std::min(index, text.size());
  size_t at = 0;
  for (; at < text.size(); ++at) {
    if ((text[at] & 0xC0) == 0x80) continue;
    if (index-- == 0) break;
  }
  return at;
}

std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> result;
  for (size_t at = 0; at < text.size();) {
    int length = 0;
    utf8_code(text.data() + at, length);
    result.push_back(text.substr(at, static_cast<size_t>(length)));
    at += static_cast<size_t>(length);
  }
  return result;
}

std::string to_upper(std::string_view text) {
  std::string out;
  for (char32_t code : to_codes(text)) append_upper(code, out);
  return out;
}

std::string to_lower(std::string_view text) {
  std::string out;
  const std::u32string codes = to_codes(text);
  for (size_t i = 0; i < codes.size(); ++i) append_lower(codes, i, out);
  return out;
}

std::string to_title(std::string_view text) {
  std::string out;
  const std::u32string codes = to_codes(text);
  for (size_t i = 0; i < codes.size(); ++i) {
    if (i > 0 && is_cased(codes[i - 1])) append_lower(codes, i, out);
    else append_title(codes[i], out);
  }
  return out;
}

std::string capitalize(std::string_view text) {
  std::string out;
  const std::u32string codes = to_codes(text);
  for (size_t i = 0; i < codes.size(); ++i) {
    if (i > 0) append_lower(codes, i, out);
    else append_title(codes[i], out);
  }
  return out;
}

std::string swap_case(std::string_view text) {
  std::string out;
  const std::u32string codes = to_codes(text);
  for (size_t i = 0; i < codes.size(); ++i) {
    const uint16_t flags = char_flags(codes[i]);
    if (flags & kUpperCase) append_lower(codes, i, out);
    else if (flags & kLowerCase) append_upper(codes[i], out);
    else append_utf8(codes[i], out);
  }
  return out;
}

std::string_view strip(std::string_view text, const std::string* chars, bool left, bool right) {
  const std::u32string codes = to_codes(text);
  const std::u32string set = chars ? to_codes(*chars) : U"";
  const auto stripped = [&](char32_t code) {
    return chars ? set.find(code) != set.npos : (char_flags(code) & kWhite) != 0;
  };
  const auto bytes = [](char32_t code) { return size_t{1} + (code > 0x7F) + (code > 0x7FF) + (code > 0xFFFF); };
  size_t from = 0, to = codes.size();
  while (left && from < to && stripped(codes[from])) text.remove_prefix(bytes(codes[from++]));
  while (right && from < to && stripped(codes[to - 1])) text.remove_suffix(bytes(codes[--to]));
  return text;
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> lines;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    int length = 0;
    const char32_t code = utf8_code(text.data() + at, length);
    size_t next = at + static_cast<size_t>(length);
    if (is_line_end(code)) {
      if (code == '\r' && next < text.size() && text[next] == '\n') ++next;
      lines.push_back(text.substr(begin, (keep_ends ? next : at) - begin));
      begin = next;
    }
    at = next;
  }
  if (begin < text.size()) lines.push_back(text.substr(begin));
  return lines;
}

}  // namespace propane::jinja
