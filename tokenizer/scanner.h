// Hand-written scanners for the split patterns in common use: what PCRE2 would match, found in one pass over the bytes.
// Tested against PCRE2 on random texts (scanner_test.cpp).
#pragma once

#include <cstddef>

namespace propane {

// What tells the common patterns apart. All of them cut contractions, words, numbers, other signs and white space,
// in this order.
struct ScannerRules {
  enum class Words {
    plain,  // ` ?\p{L}+`: GPT-2
    any,    // `[^\r\n\p{L}\p{N}]?\p{L}+`: one sign or space may lead; contractions in any case, `ſ` for s included
    cased   // as `any`, but a word also ends where lower case turns into upper, and contractions stay with their word
  };
  Words words = Words::any;
  int max_digits = 3;               // 0: ` ?\p{N}+`
  bool newlines = true;             // signs take the line ends behind them; white space ends at its last line end
  bool slashes = false;             // signs take '/' too behind them
  bool space_at_end_whole = false;  // `\s++$`: white space at the end of the text stays in one piece

  bool operator==(const ScannerRules&) const = default;
};

inline constexpr ScannerRules kAutoresearchRules{.max_digits = 2};
inline constexpr ScannerRules kGpt2Rules{.words = ScannerRules::Words::plain, .max_digits = 0, .newlines = false};
inline constexpr ScannerRules kCl100kRules{.space_at_end_whole = true};
inline constexpr ScannerRules kLlama3Rules{};
inline constexpr ScannerRules kQwen2Rules{.max_digits = 1};
inline constexpr ScannerRules kO200kRules{.words = ScannerRules::Words::cased, .slashes = true};

// The end of the chunk that begins at `at`, which must lie before `end`; the text is well-formed UTF-8.
template <ScannerRules rules>
const char* scan_chunk(const char* at, const char* end);

extern template const char* scan_chunk<kAutoresearchRules>(const char*, const char*);
extern template const char* scan_chunk<kGpt2Rules>(const char*, const char*);
extern template const char* scan_chunk<kCl100kRules>(const char*, const char*);
extern template const char* scan_chunk<kLlama3Rules>(const char*, const char*);
extern template const char* scan_chunk<kQwen2Rules>(const char*, const char*);
extern template const char* scan_chunk<kO200kRules>(const char*, const char*);

}  // namespace propane
