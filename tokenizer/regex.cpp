#include "tokenizer/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <cstdint>
#include <new>

#include "base/error.h"
#include "base/utf8.h"

namespace propane {

namespace {

// Far above what a pre-tokenizer's pattern needs for one chunk, and low enough that a hostile pattern ends in an error.
constexpr uint32_t kMatchLimit = 2'000'000;
constexpr uint32_t kHeapLimitKib = 64 * 1024;
constexpr size_t kJitStackStart = 32 * 1024, kJitStackMax = 1024 * 1024;

std::string pcre2_message(int code) {
  PCRE2_UCHAR8 text[256];
  pcre2_get_error_message(code, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

// A pattern piece by piece: an escape (\p{...} included) or one byte, and whether it stands in a [class].
template <typename Piece>
void for_each_piece(std::string_view pattern, Piece&& piece) {
  int depth = 0;
  for (size_t i = 0; i < pattern.size();) {
    size_t length = 1;
    if (pattern[i] == '\\' && i + 1 < pattern.size()) {
      length = 2;
      const char kind = pattern[i + 1];
      if ((kind == 'p' || kind == 'P' || kind == 'x') && i + 2 < pattern.size() && pattern[i + 2] == '{')
        length = std::min(pattern.find('}', i), pattern.size() - 1) + 1 - i;
    }
    const std::string_view text = pattern.substr(i, length);
    // A ']' that opens a class ("[]...", "[^]...") is a member of it.
    const bool first = i > 0 && (pattern[i - 1] == '[' || (i > 1 && pattern[i - 1] == '^' && pattern[i - 2] == '['));
    if (text == "]" && depth > 0 && !first) --depth;
    piece(text, depth > 0);
    if (text == "[" && depth == 0) ++depth;
    i += length;
  }
}

// Oniguruma reads x{1,3}+ as (?:x{1,3})+, everyone else as possessive.
void refuse_possessive_interval(std::string_view pattern) {
  bool interval = false;
  for_each_piece(pattern, [&](std::string_view piece, bool in_class) {
    if (!in_class && interval && piece == "+")
      fail(
          "the pattern \"{}\" has an interval followed by '+', whose meaning differs between regex engines; write "
          "(?:x{{n,m}})+ or (?>x{{n,m}})",
          pattern);
    interval = !in_class && piece == "}";
  });
}

// The pattern in PCRE2's words: `\s` and `\S` become White_Space.
std::string to_pcre2(std::string_view pattern) {
  std::string out;
  for_each_piece(pattern, [&](std::string_view piece, bool) {
    if (piece == "\\s") out += "\\p{wspace}";
    else if (piece == "\\S") out += "\\P{wspace}";
    else out += piece;
  });
  return out;
}

}  // namespace

std::string rust_to_oniguruma(std::string_view pattern) {
  refuse_possessive_interval(pattern);
  std::string out;
  for_each_piece(pattern, [&](std::string_view piece, bool in_class) {
    if (piece == "$" && !in_class) out += "\\z";
    else if (piece == "^" && !in_class) out += "\\A";
    else out += piece;
  });
  return out;
}

struct Regex::Code {
  pcre2_code_8* code = nullptr;
  ~Code() { pcre2_code_free(code); }
};

Regex::Regex(std::string_view pattern, RegexDialect dialect) : pattern_(pattern), code_(std::make_unique<Code>()) {
  if (!utf8_valid(pattern)) fail("the pattern \"{}\" is not UTF-8", utf8_replace_invalid(pattern));
  if (dialect == RegexDialect::oniguruma) refuse_possessive_interval(pattern);
  const std::string translated = to_pcre2(pattern);
  uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_NO_UTF_CHECK | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C;
  if (dialect == RegexDialect::oniguruma) options |= PCRE2_MULTILINE;
  int error = 0;
  size_t offset = 0;
  code_->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR8>(translated.data()), translated.size(), options, &error,
                              &offset, nullptr);
  if (!code_->code)
    fail("the pattern \"{}\" is not a regular expression: {} at offset {}", pattern, pcre2_message(error), offset);
  // Without JIT (not built in, or refused by a hardened system) the same matches come more slowly.
  pcre2_jit_compile(code_->code, PCRE2_JIT_COMPLETE);
}

Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;

struct Regex::Matcher::State {
  pcre2_match_data_8* data = nullptr;
  pcre2_match_context_8* context = nullptr;
  pcre2_jit_stack_8* stack = nullptr;
  ~State() {
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    pcre2_jit_stack_free(stack);
  }
};

Regex::Matcher::Matcher(const Regex& regex) : regex_(regex), state_(std::make_unique<State>()) {
  state_->data = pcre2_match_data_create(1, nullptr);
  state_->context = pcre2_match_context_create(nullptr);
  state_->stack = pcre2_jit_stack_create(kJitStackStart, kJitStackMax, nullptr);
  if (!state_->data || !state_->context) throw std::bad_alloc();
  pcre2_set_match_limit(state_->context, kMatchLimit);
  pcre2_set_heap_limit(state_->context, kHeapLimitKib);
  if (state_->stack) pcre2_jit_stack_assign(state_->context, nullptr, state_->stack);
}

Regex::Matcher::~Matcher() = default;

bool Regex::Matcher::find(std::string_view text, size_t from, size_t& begin, size_t& end) {
  const auto match = [&](uint32_t options) {
    return pcre2_match(regex_.code_->code, reinterpret_cast<PCRE2_SPTR8>(text.data()), text.size(), from,
                       PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY | options, state_->data, state_->context);
  };
  int result = match(0);
  if (result == PCRE2_ERROR_JIT_STACKLIMIT) result = match(PCRE2_NO_JIT);
  if (result == PCRE2_ERROR_NOMATCH) return false;
  if (result < 0)
    fail("the pattern \"{}\" fails at byte {} of a text of {} bytes: {}", regex_.pattern_, from, text.size(),
         pcre2_message(result));
  const size_t* span = pcre2_get_ovector_pointer(state_->data);
  begin = span[0];
  end = span[1];
  return true;
}

}  // namespace propane
