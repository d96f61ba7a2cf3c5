#include "tokenizer/nfc.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <vector>

#include "base/utf8.h"
#include "tokenizer/hash_table.h"

namespace propane {

namespace {

struct Decomposition {
  char32_t code, first, second;
  bool composes;
};
struct CombiningRange {
  char32_t first, last;
  uint8_t value;
};
struct CodeRange {
  char32_t first, last;
};

#include "tokenizer/nfc_data.inc"

// Hangul syllables are composed by arithmetic (the standard, 3.12).
constexpr char32_t kSBase = 0xAC00, kLBase = 0x1100, kVBase = 0x1161, kTBase = 0x11A7;
constexpr char32_t kLCount = 19, kVCount = 21, kTCount = 28, kSCount = kLCount * kVCount * kTCount;

// The range of a sorted table that holds `code`, or nullptr.
template <typename Range, size_t n>
const Range* find_range(const Range (&table)[n], char32_t code) {
  const Range* behind =
      std::upper_bound(table, table + n, code, [](char32_t c, const Range& r) { return c < r.first; });
  return behind != table && code <= behind[-1].last ? behind - 1 : nullptr;
}

uint8_t combining_class(char32_t code) {
  const CombiningRange* range = code < 0x300 ? nullptr : find_range(kCombining, code);
  return range ? range->value : 0;
}

void decompose(char32_t code, std::vector<char32_t>& out) {
  if (code >= kSBase && code < kSBase + kSCount) {
    const char32_t s = code - kSBase;
    out.push_back(kLBase + s / (kVCount * kTCount));
    out.push_back(kVBase + s % (kVCount * kTCount) / kTCount);
    if (s % kTCount) out.push_back(kTBase + s % kTCount);
    return;
  }
  const auto* entry = std::lower_bound(std::begin(kDecompositions), std::end(kDecompositions), code,
                                       [](const Decomposition& d, char32_t c) { return d.code < c; });
  if (entry == std::end(kDecompositions) || entry->code != code) return out.push_back(code);
  decompose(entry->first, out);
  if (entry->second) decompose(entry->second, out);
}

// The character that two compose to, or 0.
char32_t compose(char32_t first, char32_t second) {
  if (first >= kLBase && first < kLBase + kLCount && second >= kVBase && second < kVBase + kVCount)
    return kSBase + ((first - kLBase) * kVCount + (second - kVBase)) * kTCount;
  if (first >= kSBase && first < kSBase + kSCount && (first - kSBase) % kTCount == 0 && second > kTBase &&
      second < kTBase + kTCount)
    return first + (second - kTBase);
  static const KeyTable<char32_t> table = [] {
    KeyTable<char32_t> pairs(std::size(kDecompositions));
    for (const Decomposition& d : kDecompositions)
      if (d.composes) pairs[pair_key(d.first, d.second)] = d.code;
    return pairs;
  }();
  const char32_t* found = table.find(pair_key(first, second));
  return found ? *found : 0;
}

void append_nfc(std::string_view text, std::string& out) {
  std::vector<char32_t> codes;
  for (size_t at = 0; at < text.size();) {
    int length;
    decompose(utf8_code(text.data() + at, length), codes);
    at += static_cast<size_t>(length);
  }
  // Canonical order: runs of combining characters sorted by class, equals staying in place.
  for (auto at = codes.begin(); at != codes.end();) {
    if (combining_class(*at) == 0) {
      ++at;
      continue;
    }
    const auto behind = std::find_if(at, codes.end(), [](char32_t c) { return combining_class(c) == 0; });
    std::stable_sort(at, behind, [](char32_t a, char32_t b) { return combining_class(a) < combining_class(b); });
    at = behind;
  }
  // Each character joins the last starter unless one between them blocks it (has its class or a higher one, or is
  // itself a starter).
  size_t size = 0;
  size_t starter = codes.size();  // none yet
  uint8_t last_class = 0;
  for (const char32_t code : codes) {
    const uint8_t value = combining_class(code);
    const bool adjacent = starter + 1 == size;
    if (starter < size && (adjacent || last_class < value)) {
      if (const char32_t composed = compose(codes[starter], code)) {
        codes[starter] = composed;
        continue;
      }
    }
    if (value == 0) starter = size;
    last_class = value;
    codes[size++] = code;
  }
  for (size_t i = 0; i < size; ++i) append_utf8(codes[i], out);
}

}  // namespace

bool is_nfc_quick(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    // Below U+0300 (whose first byte is 0xCC) nothing changes.
    if (static_cast<unsigned char>(text[at]) < 0xCC) {
      ++at;
      continue;
    }
    const Utf8Step step = utf8_step(text.data() + at, text.data() + text.size());
    if (step.valid && find_range(kActive, step.code)) return false;
    at += static_cast<size_t>(step.length);
  }
  return true;
}

std::string to_nfc(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t valid = utf8_valid_prefix(text);
    append_nfc(text.substr(0, valid), out);
    text.remove_prefix(valid);
    if (text.empty()) break;
    const auto bad = static_cast<size_t>(utf8_step(text.data(), text.data() + text.size()).length);
    out += text.substr(0, bad);
    text.remove_prefix(bad);
  }
  return out;
}

}  // namespace propane
