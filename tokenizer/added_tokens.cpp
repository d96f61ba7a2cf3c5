#include "tokenizer/added_tokens.h"

#include <algorithm>

#include "tokenizer/char_class.h"

namespace propane {

namespace {

// The class of the character at a position; 0 where the bytes are ill-formed.
uint8_t class_at(std::string_view text, size_t at, int& length) {
  const char* end = text.data() + text.size();
  if (at == text.size()) return length = 0, kTextEnd;
  const Utf8Step step = utf8_step(text.data() + at, end);
  length = step.length;
  return step.valid ? char_class(text.data() + at, end, length) : 0;
}

// The class of the character that ends at a position, and where it begins.
uint8_t class_before(std::string_view text, size_t at, size_t& begin) {
  for (size_t back = 1; back <= 4 && back <= at; ++back) {
    begin = at - back;
    if ((static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) continue;
    int length;
    const uint8_t flags = class_at(text, begin, length);
    return begin + static_cast<size_t>(length) == at ? flags : 0;
  }
  return kTextEnd;
}

bool is_word(std::string_view text, size_t at, uint8_t flags) {
  return flags & (kLetter | kNumber) || (at < text.size() && text[at] == '_');
}

}  // namespace

bool AllowedSpecials::allows(std::string_view text) const {
  return all_ || std::find(texts_.begin(), texts_.end(), text) != texts_.end();
}

AddedTokenFinder::AddedTokenFinder(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::erase_if(tokens_, [](const AddedToken& t) { return t.text.empty(); });
  std::stable_sort(tokens_.begin(), tokens_.end(),
                   [](const AddedToken& a, const AddedToken& b) { return a.text.size() > b.text.size(); });
  has_plain_ = std::any_of(tokens_.begin(), tokens_.end(), [](const AddedToken& t) { return !t.special; });
  for (size_t i = 0; i < tokens_.size(); ++i)
    by_first_byte_[static_cast<unsigned char>(tokens_[i].text[0])].push_back(static_cast<uint32_t>(i));
}

AddedTokenFinder::Match AddedTokenFinder::find(std::string_view text, size_t from,
                                               const AllowedSpecials& allowed) const {
  for (size_t at = from; at < text.size(); ++at) {
    for (const uint32_t index : by_first_byte_[static_cast<unsigned char>(text[at])]) {
      const AddedToken& token = tokens_[index];
      if (text.compare(at, token.text.size(), token.text) != 0 || (token.special && !allowed.allows(token.text)))
        continue;
      Match match{at, at + token.text.size(), token.id};
      size_t begin;
      int length;
      if (token.single_word) {
        const uint8_t before = class_before(text, match.begin, begin);
        const uint8_t behind = class_at(text, match.end, length);
        if ((match.begin > 0 && is_word(text, begin, before)) || is_word(text, match.end, behind)) {
          at = match.end - 1;  // as Hugging Face: the refused token's text is passed over
          break;
        }
      }
      if (token.left_strip)
        while (match.begin > from && class_before(text, match.begin, begin) & kSpace && begin >= from)
          match.begin = begin;
      if (token.right_strip)
        while (class_at(text, match.end, length) & kSpace) match.end += static_cast<size_t>(length);
      return match;
    }
  }
  return {};
}

}  // namespace propane
