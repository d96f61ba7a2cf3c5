#include "tokenizer/scanner.h"

#include "tokenizer/char_class.h"

namespace propane {

namespace {

using Words = ScannerRules::Words;

struct Char {
  uint8_t flags;
  int length;
  bool is(uint8_t classes) const { return flags & classes; }
  bool sign() const { return !is(kLetter | kNumber | kSpace | kTextEnd); }        // [^\s\p{L}\p{N}]
  bool may_lead() const { return !is(kLetter | kNumber | kNewline | kTextEnd); }  // [^\r\n\p{L}\p{N}]
};

inline Char char_at(const char* at, const char* end) {
  Char c;
  c.flags = char_class(at, end, c.length);
  return c;
}

inline const char* skip_all(uint8_t classes, const char* at, const char* end) {
  for (Char c = char_at(at, end); c.is(classes); c = char_at(at, end)) at += c.length;
  return at;
}

inline const char* skip_signs(const char* at, const char* end) {
  for (Char c = char_at(at, end); c.sign(); c = char_at(at, end)) at += c.length;
  return at;
}

// Behind the contraction ('s 't 're 've 'm 'll 'd) at `at`, or nullptr.
template <bool any_case>
const char* skip_contraction(const char* at, const char* end) {
  if (end - at < 2 || *at != '\'') return nullptr;
  const auto letter = [&](int i) { return any_case && at[i] >= 'A' && at[i] <= 'Z' ? at[i] + ('a' - 'A') : at[i]; };
  const auto first = letter(1);
  if (first == 's' || first == 'd' || first == 'm' || first == 't') return at + 2;
  if (end - at < 3) return nullptr;
  if (any_case && at[1] == '\xC5' && at[2] == '\xBF') return at + 3;  // U+017F folds to s
  const auto second = letter(2);
  if ((first == 'l' && second == 'l') || (first == 'v' && second == 'e') || (first == 'r' && second == 'e'))
    return at + 3;
  return nullptr;
}

// U*L+ with backtracking, U what may begin a cased word and L what may end one (letters without case and marks are
// both); nullptr if it does not match.
const char* skip_cased_ending_lower(const char* at, const char* end) {
  const char* behind_both = nullptr;  // behind the last character of the run that is in U and in L
  Char c = char_at(at, end);
  for (; c.is(kUpper); c = char_at(at, end)) {
    at += c.length;
    if (c.is(kLower)) behind_both = at;
  }
  // Where L+ finds nothing behind the run, U* gives characters back until one of them will do for it.
  return c.is(kLower) ? skip_all(kLower, at, end) : behind_both;
}

// `[^\r\n\p{L}\p{N}]?U*L+(contraction)?` or, failing that, the same with U+L*; nullptr if neither matches.
const char* skip_cased_word(const char* at, const char* end) {
  const Char first = char_at(at, end);
  const char* behind_lead = first.may_lead() ? at + first.length : nullptr;
  const char* word = nullptr;
  if (behind_lead) word = skip_cased_ending_lower(behind_lead, end);
  if (!word) word = skip_cased_ending_lower(at, end);
  // Here no run of U holds a member of L or is followed by one, so U+L* is U+.
  if (!word && behind_lead) {
    word = skip_all(kUpper, behind_lead, end);
    if (word == behind_lead) word = nullptr;
  }
  if (!word && first.is(kUpper)) word = skip_all(kUpper, at, end);
  if (!word) return nullptr;
  const char* contraction = skip_contraction<true>(word, end);
  return contraction ? contraction : word;
}

// `\s++$`? `\s*[\r\n]+`? `\s+(?!\S)` `\s+`, at a white space.
template <ScannerRules rules>
const char* skip_space(const char* at, const char* end) {
  const char* behind_newline = nullptr;
  const char* last = at;
  const char* behind = at;
  for (Char c = char_at(behind, end); c.is(kSpace); c = char_at(behind, end)) {
    last = behind;
    behind += c.length;
    if (c.is(kNewline)) behind_newline = behind;
  }
  if (rules.space_at_end_whole && behind == end) return end;
  if (rules.newlines && behind_newline) return behind_newline;
  if (behind == end || last == at) return behind;
  return last;
}

}  // namespace

template <ScannerRules rules>
const char* scan_chunk(const char* at, const char* end) {
  if constexpr (rules.words != Words::cased)
    if (const char* behind = skip_contraction<rules.words == Words::any>(at, end)) return behind;

  const Char first = char_at(at, end);
  const bool space = *at == ' ';
  if constexpr (rules.words == Words::cased) {
    if (const char* behind = skip_cased_word(at, end)) return behind;
  } else {
    if (first.is(kLetter)) return skip_all(kLetter, at + first.length, end);
    if (rules.words == Words::any ? first.may_lead() : space) {
      const char* word = at + first.length;
      if (char_at(word, end).is(kLetter)) return skip_all(kLetter, word, end);
    }
  }

  if constexpr (rules.max_digits == 0) {
    const char* number = at + (space ? 1 : 0);
    if (char_at(number, end).is(kNumber)) return skip_all(kNumber, number, end);
  } else if (first.is(kNumber)) {
    const char* behind = at + first.length;
    for (int digits = 1; digits < rules.max_digits; ++digits) {
      const Char c = char_at(behind, end);
      if (!c.is(kNumber)) break;
      behind += c.length;
    }
    return behind;
  }

  const char* signs = at + (space ? 1 : 0);
  if (char_at(signs, end).sign()) {
    const char* behind = skip_signs(signs, end);
    if (rules.newlines)
      while (behind < end && (*behind == '\r' || *behind == '\n' || (rules.slashes && *behind == '/'))) ++behind;
    return behind;
  }
  return skip_space<rules>(at, end);
}

template const char* scan_chunk<kAutoresearchRules>(const char*, const char*);
template const char* scan_chunk<kGpt2Rules>(const char*, const char*);
template const char* scan_chunk<kCl100kRules>(const char*, const char*);
template const char* scan_chunk<kLlama3Rules>(const char*, const char*);
template const char* scan_chunk<kQwen2Rules>(const char*, const char*);
template const char* scan_chunk<kO200kRules>(const char*, const char*);

}  // namespace propane
