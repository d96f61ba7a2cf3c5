// Regular expressions over UTF-8: PCRE2 with UTF, Unicode properties and JIT, made to agree with the engines that
// tokenizers are written for (Rust's fancy-regex in tiktoken and rustbpe, Oniguruma in Hugging Face tokenizers):
// - `\s` is Unicode White_Space (PCRE2's own adds U+180E);
// - `$` matches only at the very end in the Rust dialect, and at every line's end in Oniguruma's.
// Properties are those of the Unicode version of the PCRE2 library (14 in 10.42).
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace propane {

enum class RegexDialect { rust, oniguruma };

// A pattern of the Rust dialect in Oniguruma's words (`$` becomes `\z`, `^` becomes `\A`). Throws Error for {n,m}+,
// which is possessive in one and a repetition of a repetition in the other.
std::string rust_to_oniguruma(std::string_view pattern);

class Regex {
 public:
  // Throws Error naming the pattern, the offset and what PCRE2 says.
  explicit Regex(std::string_view pattern, RegexDialect dialect = RegexDialect::rust);
  ~Regex();
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;

  // What one thread needs to match: not to be shared between threads.
  class Matcher {
   public:
    explicit Matcher(const Regex& regex);
    ~Matcher();
    Matcher(const Matcher&) = delete;
    Matcher& operator=(const Matcher&) = delete;

    // Finds the first match that is not empty at or after `from` in a well-formed `text`; sets [begin, end) and
    // returns true. Throws Error when the pattern exceeds PCRE2's limits of backtracking there.
    bool find(std::string_view text, size_t from, size_t& begin, size_t& end);

   private:
    struct State;
    const Regex& regex_;
    std::unique_ptr<State> state_;
  };

 private:
  struct Code;
  std::string pattern_;
  std::unique_ptr<Code> code_;
};

}  // namespace propane
