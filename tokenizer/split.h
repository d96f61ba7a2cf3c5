// Cutting a text into the chunks that byte-pair merges never cross (the "pre-tokenizer").
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "tokenizer/regex.h"

namespace propane {

// The split pattern of autoresearch and nanochat: GPT-4's, with numbers of one or two digits.
inline constexpr std::string_view kDefaultPattern = "autoresearch";

// One cut by a pattern. Its matches are chunks; what lies between two matches is a chunk too, or is thrown away.
struct SplitStage {
  std::string pattern = {};
  RegexDialect dialect = RegexDialect::rust;
  bool keep_gaps = true;

  // `pattern` as Oniguruma must read it to cut the same way. Throws Error where that cannot be written.
  std::string oniguruma_pattern() const;
};

// The regular expression of a named pattern (autoresearch; gpt2; cl100k or gpt4; o200k; llama3; qwen2), or `pattern`
// itself when it is no such name. cl100k is tiktoken's: white space at the end of a text stays in one chunk, where
// llama3 and Hugging Face's conversions of GPT-4's tokenizer cut it behind its last line end.
std::string_view named_pattern(std::string_view pattern);

// Cuts by one or more stages, each applied to every chunk of the one before. Patterns in common use are cut by the
// scanners of scanner.h, all others by PCRE2. Immutable: threads share it, each with a Walker of its own.
//
// Text that is not UTF-8: every maximal run of ill-formed bytes is a chunk by itself, and the well-formed text on
// either side is cut as if it stood alone. So no byte is lost and well-formed text gives the same chunks everywhere.
class Splitter {
 public:
  // Throws Error for a pattern that is not a regular expression. No stage at all leaves well-formed text whole.
  explicit Splitter(std::vector<SplitStage> stages);
  // One stage by a name or a regular expression (Rust's dialect).
  explicit Splitter(std::string_view pattern);
  ~Splitter();
  Splitter(Splitter&&) noexcept;
  Splitter& operator=(Splitter&&) noexcept;

  const std::vector<SplitStage>& stages() const { return stages_; }

  // The least position at or behind `from` where cutting the text in two changes no chunk; text.size() when there is
  // none before or when the pattern is not one whose cuts are known.
  size_t safe_cut(std::string_view text, size_t from) const;

  class Walker {
   public:
    // The splitter must outlive the walker.
    explicit Walker(const Splitter& splitter);
    ~Walker();
    Walker(Walker&&) noexcept;

    // Calls sink(std::span<const std::string_view>) with the chunks of `text` in order, some hundred at a time; the
    // views point into `text`. Throws what sink throws, and Error when a pattern runs into PCRE2's limits.
    template <typename Sink>
    void walk(std::string_view text, Sink&& sink) {
      using Plain = std::remove_reference_t<Sink>;
      walk_to(
          text, [](void* f, std::span<const std::string_view> chunks) { (*static_cast<Plain*>(f))(chunks); },
          const_cast<void*>(static_cast<const void*>(&sink)));
    }

   private:
    struct State;
    using Trampoline = void (*)(void*, std::span<const std::string_view>);
    void walk_to(std::string_view text, Trampoline call, void* sink);
    std::unique_ptr<State> state_;
  };

 private:
  struct Cutter;
  std::vector<SplitStage> stages_;
  std::vector<Cutter> cutters_;
};

}  // namespace propane
