#include "tokenizer/char_class.h"

#include <memory>
#include <string>
#include <vector>

#include "tokenizer/regex.h"

namespace propane {

namespace {

constexpr char32_t kCodes = 0x110000, kBlock = 0x10000;

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
  for (char32_t block = 0; block < kCodes; block += kBlock) {
    std::string text;
    for (char32_t code = block; code < block + kBlock; ++code)
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
