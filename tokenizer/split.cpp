#include "tokenizer/split.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/utf8.h"
#include "tokenizer/scanner.h"

namespace propane {

namespace {

using ScanChunk = const char* (*)(const char* at, const char* end);

// A pattern that a scanner knows, as one of its users writes it. The first entry with a name is that name's pattern,
// written so that every engine reads it alike.
struct KnownPattern {
  std::string_view name;
  std::string_view regex;
  ScanChunk scan;
  ScannerRules rules;
};

#define PROPANE_CONTRACTIONS R"((?i:'s|'t|'re|'ve|'m|'ll|'d))"
#define PROPANE_CASED_WORDS                                                                              \
  R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)" PROPANE_CONTRACTIONS \
  R"(?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)" PROPANE_CONTRACTIONS "?"

constexpr KnownPattern kKnown[] = {
    {"autoresearch",
     R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)",
     scan_chunk<kAutoresearchRules>, kAutoresearchRules},
    {"gpt2", R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", scan_chunk<kGpt2Rules>,
     kGpt2Rules},
    {"gpt2", R"('(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s)",
     scan_chunk<kGpt2Rules>, kGpt2Rules},
    {"cl100k",
     R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++\z|\s*[\r\n]|\s+(?!\S)|\s)",
     scan_chunk<kCl100kRules>, kCl100kRules},
    {"cl100k",
     R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s)",
     scan_chunk<kCl100kRules>, kCl100kRules},
    {"llama3",
     PROPANE_CONTRACTIONS R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     scan_chunk<kLlama3Rules>, kLlama3Rules},
    {"qwen2",
     PROPANE_CONTRACTIONS R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     scan_chunk<kQwen2Rules>, kQwen2Rules},
    {"o200k", PROPANE_CASED_WORDS R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     scan_chunk<kO200kRules>, kO200kRules},
};

#undef PROPANE_CASED_WORDS
#undef PROPANE_CONTRACTIONS

const KnownPattern* find_regex(std::string_view regex) {
  for (const KnownPattern& known : kKnown)
    if (known.regex == regex) return &known;
  return nullptr;
}

const KnownPattern* find_name(std::string_view name) {
  if (name == "gpt4") name = "cl100k";
  for (const KnownPattern& known : kKnown)
    if (known.name == name) return &known;
  return nullptr;
}

bool ascii_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

}  // namespace

std::string_view named_pattern(std::string_view pattern) {
  const KnownPattern* known = find_name(pattern);
  return known ? known->regex : pattern;
}

std::string SplitStage::oniguruma_pattern() const {
  if (dialect == RegexDialect::oniguruma) return pattern;
  if (const KnownPattern* known = find_regex(pattern)) return std::string(find_name(known->name)->regex);
  return rust_to_oniguruma(pattern);
}

// How one stage cuts: by a scanner when it has one, else by its regex.
struct Splitter::Cutter {
  const KnownPattern* known = nullptr;
  std::optional<Regex> regex;
  bool keep_gaps = true;
};

Splitter::Splitter(std::vector<SplitStage> stages) : stages_(std::move(stages)) {
  for (const SplitStage& stage : stages_) {
    Cutter cutter{.known = find_regex(stage.pattern), .regex = {}, .keep_gaps = stage.keep_gaps};
    // `$` and `{1,3}+` in tiktoken's patterns mean something else to Oniguruma: no known pattern then.
    if (cutter.known && stage.dialect == RegexDialect::oniguruma &&
        stage.pattern != find_name(cutter.known->name)->regex)
      cutter.known = nullptr;
    if (!cutter.known) cutter.regex.emplace(stage.pattern, stage.dialect);
    cutters_.push_back(std::move(cutter));
  }
}

Splitter::Splitter(std::string_view pattern)
    : Splitter(std::vector<SplitStage>{{.pattern = std::string(named_pattern(pattern))}}) {}

Splitter::~Splitter() = default;
Splitter::Splitter(Splitter&&) noexcept = default;
Splitter& Splitter::operator=(Splitter&&) noexcept = default;

// Between a line end and an ASCII letter every known pattern cuts, and the scanners' only state is the position. Where
// white space gives its last character to what follows (no rule for newlines), a lone line end is needed, for two
// would be cut apart inside the text but not at its end.
size_t Splitter::safe_cut(std::string_view text, size_t from) const {
  if (cutters_.size() != 1 || !cutters_[0].known) return text.size();
  const bool lone = !cutters_[0].known->rules.newlines;
  for (size_t at = std::max<size_t>(from, 2); (at = text.find('\n', at - 1)) != text.npos; at += 2) {
    const size_t cut = at + 1;
    if (cut >= text.size()) break;
    const bool behind_sign = at > 0 && text[at - 1] > ' ' && text[at - 1] < '\x7f';
    if (ascii_letter(text[cut]) && (!lone || behind_sign)) return cut;
  }
  return text.size();
}

struct Splitter::Walker::State {
  static constexpr size_t kBatch = 256;

  explicit State(const Splitter& s) : splitter(s) {
    for (const Cutter& cutter : splitter.cutters_)
      matchers.push_back(cutter.regex ? std::make_unique<Regex::Matcher>(*cutter.regex) : nullptr);
  }

  void add(const char* begin, const char* end) {
    batch[size++] = {begin, static_cast<size_t>(end - begin)};
    if (size == kBatch) flush();
  }
  void flush() {
    const size_t n = std::exchange(size, 0);
    if (n) call(sink, {batch.data(), n});
  }

  // Cuts well-formed text by the stages from `stage` on.
  void cut(size_t stage, const char* at, const char* end) {
    if (stage == matchers.size()) return add(at, end);
    const Cutter& cutter = splitter.cutters_[stage];
    const bool last = stage + 1 == matchers.size();
    const auto emit = [&](const char* begin, const char* behind) {
      if (last) add(begin, behind);
      else cut(stage + 1, begin, behind);
    };
    if (cutter.known) {
      const ScanChunk scan = cutter.known->scan;
      while (at < end) {
        const char* behind = scan(at, end);
        emit(at, behind);
        at = behind;
      }
      return;
    }
    const std::string_view text(at, static_cast<size_t>(end - at));
    size_t done = 0;
    for (size_t begin, behind = 0; matchers[stage]->find(text, behind, begin, behind); done = behind) {
      if (begin > done && cutter.keep_gaps) emit(at + done, at + begin);
      emit(at + begin, at + behind);
    }
    if (done < text.size() && cutter.keep_gaps) emit(at + done, end);
  }

  const Splitter& splitter;
  std::vector<std::unique_ptr<Regex::Matcher>> matchers;  // by stage; null where a scanner cuts
  std::array<std::string_view, kBatch> batch;
  size_t size = 0;
  Trampoline call = nullptr;
  void* sink = nullptr;
};

Splitter::Walker::Walker(const Splitter& splitter) : state_(std::make_unique<State>(splitter)) {}
Splitter::Walker::~Walker() = default;
Splitter::Walker::Walker(Walker&&) noexcept = default;

void Splitter::Walker::walk_to(std::string_view text, Trampoline call, void* sink) {
  state_->call = call;
  state_->sink = sink;
  state_->size = 0;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    const size_t valid = utf8_valid_prefix({at, static_cast<size_t>(end - at)});
    if (valid) state_->cut(0, at, at + valid);
    at += valid;
    const char* behind = at;
    while (behind < end) {
      const Utf8Step step = utf8_step(behind, end);
      if (step.valid) break;
      behind += step.length;
    }
    if (behind > at) state_->add(at, behind);
    at = behind;
  }
  state_->flush();
}

}  // namespace propane
