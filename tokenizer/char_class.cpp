#include "tokenizer/char_class.h"

#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "tokenizer/regex.h"

namespace propane {

namespace {

constexpr char32_t kCodes = 0x110000, kPlane = 0x10000;

// The planes with assigned characters; the others hold none, or none but private ones, which have no class.
constexpr char32_t kPlanes[] = {0, 1, 2, 3, 14};

std::unique_ptr<uint8_t[]> make_table() {
  struct Class {
    const char* pattern;
    uint8_t flags;
  };
  constexpr Class kClasses[] = {{"\\p{L}++", kLetter},
                                {"\\p{N}++", kNumber},
                                {"\\s++", kSpace},
                                {"[\\r\\n]++", kNewline},
                                {"[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]++", kUpper},
                                {"[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]++", kLower}};
  std::vector<Regex> regexes;
  for (const Class& c : kClasses) regexes.emplace_back(c.pattern);

  auto table = std::make_unique<uint8_t[]>(kCodes);
  for (const char32_t plane : kPlanes) {
    std::string text;
    for (char32_t code = plane * kPlane; code < (plane + 1) * kPlane; ++code)
      if (code < 0xD800 || code > 0xDFFF) append_utf8(code, text);
    for (size_t i = 0; i < std::size(kClasses); ++i) {
      Regex::Matcher matcher(regexes[i]);
      for (size_t begin, end = 0; matcher.find(text, end, begin, end);)
        for (size_t at = begin; at < end;) {
          int length;
          table[utf8_code(text.data() + at, length)] |= kClasses[i].flags;
          at += static_cast<size_t>(length);
        }
    }
  }
  return table;
}

}  // namespace

const uint8_t* char_class_table() {
  static const std::unique_ptr<uint8_t[]> table = make_table();
  return table.get();
}

}  // namespace propane
