#include "jinja/lexer.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/utf8.h"
#include "jinja/printing.h"
#include "jinja/unicode.h"

namespace propane::jinja {

namespace {

bool is_white(char32_t code) { return char_flags(code) & kWhite; }

// Every line end as \n, and the last one left out: Jinja's newline_sequence and keep_trailing_newline.
std::string normalized(std::string_view source) {
  std::string out;
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') out += source[i];
    else if (i + 1 == source.size() || source[i + 1] != '\n') out += '\n';
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

class Lexer {
 public:
  Lexer(std::string_view source, int& line) : source_(normalized(source)), text_(source_), line_(line) {}

  std::vector<Token> run() {
    line_ = 1;
    while (at_ < text_.size()) lex_data();
    push(TokenKind::end, "");
    return std::move(tokens_);
  }

 private:
  void push(TokenKind kind, std::string text) { tokens_.push_back({kind, line_, std::move(text)}); }

  bool looking_at(std::string_view what, size_t at) const { return text_.substr(at).starts_with(what); }
  bool looking_at(std::string_view what) const { return looking_at(what, at_); }

  void advance(size_t to) {
    line_ += static_cast<int>(
        std::count(text_.begin() + static_cast<ptrdiff_t>(at_), text_.begin() + static_cast<ptrdiff_t>(to), '\n'));
    line_starting_ = to > at_ ? text_[to - 1] == '\n' : line_starting_;
    at_ = to;
  }

  size_t skip_white(size_t at) const {
    while (at < text_.size()) {
      int length = 0;
      if (!is_white(utf8_code(text_.data() + at, length))) break;
      at += static_cast<size_t>(length);
    }
    return at;
  }

  // Where a tag's end stands at `at`: after it, with -%} and the white space that it eats or %} and its line end.
  // npos when none stands there.
  size_t after_end(std::string_view end, size_t at, bool block) const {
    if (text_.substr(at).starts_with('-') && looking_at(end, at + 1)) return skip_white(at + 1 + end.size());
    if (block && text_.substr(at).starts_with('+') && looking_at(end, at + 1)) return at + 1 + end.size();
    if (!looking_at(end, at)) return text_.npos;
    const size_t after = at + end.size();
    return block && looking_at("\n", after) ? after + 1 : after;
  }

  // {%- raw %}: after the tag, or npos. `sign` is the '-' or '+' after the bracket, or 0.
  size_t after_raw_begin(size_t at, char& sign) const {
    if (!looking_at("{%", at)) return text_.npos;
    at += 2;
    sign = looking_at("-", at) || looking_at("+", at) ? text_[at++] : '\0';
    at = skip_white(at);
    if (!looking_at("raw", at)) return text_.npos;
    at = skip_white(at + 3);
    if (looking_at("-%}", at)) return skip_white(at + 3);
    return looking_at("%}", at) ? at + 2 : text_.npos;
  }

  size_t next_tag() const {
    for (size_t at = at_; (at = text_.find('{', at)) != text_.npos; ++at) {
      if (at + 1 < text_.size() && (text_[at + 1] == '{' || text_[at + 1] == '%' || text_[at + 1] == '#')) return at;
    }
    return text_.size();
  }

  // Text up to `tag`, with the white space before it taken off as the tag's sign says.
  void push_data(size_t tag, char sign, bool may_lstrip) {
    std::string_view data = text_.substr(at_, tag - at_);
    if (sign == '-') {
      data = strip(data, nullptr, false, true);
    } else if (sign != '+' && may_lstrip) {
      const size_t begin = data.rfind('\n') == data.npos ? 0 : data.rfind('\n') + 1;
      const std::string_view last = data.substr(begin);
      if ((begin > 0 || line_starting_) && !last.empty() && strip(last, nullptr, true, true).empty()) {
        data = data.substr(0, begin);
      }
    }
    if (!data.empty()) push(TokenKind::data, std::string(data));
    advance(tag);
  }

  void lex_data() {
    const size_t tag = next_tag();
    if (tag == text_.size()) return push_data(tag, '+', false);
    char sign = 0;
    if (const size_t raw = after_raw_begin(tag, sign); raw != text_.npos) {
      push_data(tag, sign, true);
      advance(raw);
      return lex_raw();
    }
    const char type = text_[tag + 1];
    sign = tag + 2 < text_.size() && (text_[tag + 2] == '-' || text_[tag + 2] == '+') ? text_[tag + 2] : '\0';
    push_data(tag, sign, type != '{');
    const size_t inside = tag + 2 + (sign != 0);
    if (type == '#') return lex_comment(inside);
    push(type == '{' ? TokenKind::variable_begin : TokenKind::block_begin, "");
    advance(inside);
    lex_code(type == '%');
  }

  void lex_comment(size_t inside) {
    if (inside == text_.size()) return advance(inside);  // Jinja lets a template end so
    for (size_t at = inside; at < text_.size(); ++at) {
      if (const size_t after = after_end("#}", at, true); after != text_.npos) return advance(after);
    }
    fail_render("Missing end of comment tag");
  }

  void lex_raw() {
    if (at_ == text_.size()) return;
    for (size_t at = at_; (at = text_.find("{%", at)) != text_.npos; ++at) {
      size_t word = at + 2;
      const char sign = looking_at("-", word) || looking_at("+", word) ? text_[word++] : '\0';
      word = skip_white(word);
      if (!looking_at("endraw", word)) continue;
      const size_t after = after_end("%}", skip_white(word + 6), true);
      if (after == text_.npos) continue;
      push_data(at, sign, true);
      return advance(after);
    }
    fail_render("Missing end of raw directive");
  }

  void lex_code(bool block) {
    std::string open;  // the brackets that are still open, by what closes them
    for (;;) {
      if (open.empty()) {
        if (const size_t after = after_end(block ? "%}" : "}}", at_, block); after != text_.npos) {
          push(block ? TokenKind::block_end : TokenKind::variable_end, "");
          return advance(after);
        }
      }
      if (at_ == text_.size()) return;  // the parser says what is missing
      if (const size_t next = skip_white(at_); next > at_) advance(next);
      else if (!lex_number() && !lex_name() && !lex_string()) lex_operator(open);
    }
  }

  // Digits with single underscores between them, from `at`; where they end.
  size_t digits(size_t at, std::string_view set) const {
    const auto is_digit = [&](size_t i) { return i < text_.size() && set.find(text_[i]) != set.npos; };
    if (!is_digit(at)) return at;
    while (is_digit(at) || (at < text_.size() && text_[at] == '_' && is_digit(at + 1))) ++at;
    return at;
  }

  bool lex_number() {
    constexpr std::string_view kTen = "0123456789";
    const size_t whole = digits(at_, kTen);
    if (whole == at_) return false;
    size_t end = whole;
    bool real = false;
    if (at_ == 0 || text_[at_ - 1] != '.') {
      size_t point = whole;
      if (looking_at(".", point)) point = digits(point + 1, kTen) > point + 1 ? digits(point + 1, kTen) : whole;
      size_t mark = point;
      if (mark < text_.size() && (text_[mark] == 'e' || text_[mark] == 'E')) {
        ++mark;
        if (mark < text_.size() && (text_[mark] == '+' || text_[mark] == '-')) ++mark;
        if (const size_t exponent = digits(mark, kTen); exponent > mark) point = exponent;
      }
      real = point > whole;
      end = point;
    }
    real ? push_real(end) : push_integer();
    return true;
  }

  void push_real(size_t end) {
    std::string literal(text_.substr(at_, end - at_));
    std::erase(literal, '_');
    push(TokenKind::real, literal);
    tokens_.back().number = Value::real(std::strtod(literal.c_str(), nullptr));
    advance(end);
  }

  void push_integer() {
    struct Base {
      std::string_view prefix, digits;
      Int base;
    };
    static constexpr Base kBases[] = {{"0b", "01", 2}, {"0o", "01234567", 8}, {"0x", "0123456789abcdefABCDEF", 16}};
    size_t begin = at_, end = at_;
    Int base = 10;
    for (const Base& b : kBases) {
      const bool prefixed = text_[at_] == '0' && at_ + 1 < text_.size() && (text_[at_ + 1] | 0x20) == b.prefix[1];
      if (!prefixed) continue;
      const size_t from = looking_at("_", at_ + 2) ? at_ + 3 : at_ + 2;
      if (digits(from, b.digits) > from) begin = from, end = digits(from, b.digits), base = b.base;
    }
    if (base == 10) end = digits(at_, text_[at_] == '0' ? "0" : "0123456789");
    Int value = 0;
    for (size_t i = begin; i < end; ++i) {
      if (text_[i] == '_') continue;
      const Int digit = text_[i] <= '9' ? text_[i] - '0' : (text_[i] | 0x20) - 'a' + 10;
      if (__builtin_mul_overflow(value, base, &value) || __builtin_add_overflow(value, digit, &value)) {
        fail_render("a whole number has more than 128 bits, which are supported at most");
      }
    }
    push(TokenKind::integer, std::string(text_.substr(at_, end - at_)));
    tokens_.back().number = Value::integer(value);
    advance(end);
  }

  bool lex_name() {
    size_t end = at_;
    while (end < text_.size()) {
      int length = 0;
      const uint16_t flags = char_flags(utf8_code(text_.data() + end, length));
      if (!(flags & (end == at_ ? kIdStart : kIdContinue))) break;
      end += static_cast<size_t>(length);
    }
    if (end == at_) return false;
    push(TokenKind::name, std::string(text_.substr(at_, end - at_)));
    advance(end);
    return true;
  }

  bool lex_string() {
    const char quote = text_[at_];
    if (quote != '\'' && quote != '"') return false;
    size_t end = at_ + 1;
    while (end < text_.size() && text_[end] != quote) end += text_[end] == '\\' ? 2 : 1;
    if (end >= text_.size()) return false;
    push(TokenKind::string, unescaped(text_.substr(at_ + 1, end - at_ - 1)));
    advance(end + 1);
    return true;
  }

  // The escapes of Python's string literals.
  static std::string unescaped(std::string_view raw) {
    std::string out;
    for (size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] != '\\') {
        out += raw[i];
        continue;
      }
      const char c = raw[++i];
      constexpr std::string_view kNames = "abfnrtv\\'\"", kCodes = "\a\b\f\n\r\t\v\\'\"";
      if (const size_t found = kNames.find(c); found != kNames.npos) out += kCodes[found];
      else if (c == '\n') continue;
      else if (c >= '0' && c <= '7') i = append_number(raw, i, 8, 3, false, out);
      else if (c == 'x') i = append_number(raw, i + 1, 16, 2, true, out);
      else if (c == 'u') i = append_number(raw, i + 1, 16, 4, true, out);
      else if (c == 'U') i = append_number(raw, i + 1, 16, 8, true, out);
      else if (c == 'N') fail_render("characters by name (\\N{{...}}) are not supported");
      else (out += '\\') += c;
    }
    return out;
  }

  // Appends the character of the digits from `at` on; gives the place of the last one.
  static size_t append_number(std::string_view raw, size_t at, int base, size_t most, bool exact, std::string& out) {
    const std::string_view text = raw.substr(std::min(at, raw.size()), most);
    uint32_t code = 0;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), code, base).ptr;
    const auto count = static_cast<size_t>(end - text.data());
    if (exact && count < most)
      fail_render("truncated \\{} escape", most == 2 ? "xXX" : most == 4 ? "uXXXX" : "UXXXXXXXX");
    if (code > 0x10FFFF) fail_render("illegal Unicode character");
    // Half of a pair is no character; Python would fail where the rendered text is encoded.
    append_utf8(code >= 0xD800 && code <= 0xDFFF ? 0xFFFD : static_cast<char32_t>(code), out);
    return at + count - 1;
  }

  void lex_operator(std::string& open) {
    static constexpr std::string_view kOperators[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                                      "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                                      ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};
    for (std::string_view op : kOperators) {
      if (!looking_at(op)) continue;
      if (op == "{") open += '}';
      else if (op == "(") open += ')';
      else if (op == "[") open += ']';
      else if (op == "}" || op == ")" || op == "]") {
        if (open.empty()) fail_render("unexpected '{}'", op);
        if (open.back() != op[0]) fail_render("unexpected '{}', expected '{}'", op, open.back());
        open.pop_back();
      }
      push(TokenKind::op, std::string(op));
      return advance(at_ + op.size());
    }
    int length = 0;
    utf8_code(text_.data() + at_, length);
    fail_render("unexpected char {} at {}", quoted_repr(text_.substr(at_, static_cast<size_t>(length))),
                code_count(text_.substr(0, at_)));
  }

  std::string source_;
  std::string_view text_;
  int& line_;
  size_t at_ = 0;
  bool line_starting_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source, int& line) { return Lexer(source, line).run(); }

std::string describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::data: return "template data / text";
    case TokenKind::block_begin: return "begin of statement block";
    case TokenKind::block_end: return "end of statement block";
    case TokenKind::variable_begin: return "begin of print statement";
    case TokenKind::variable_end: return "end of print statement";
    case TokenKind::string: return "string";
    case TokenKind::integer: return "integer";
    case TokenKind::real: return "float";
    case TokenKind::end: return "end of template";
    default: return token.text;
  }
}

}  // namespace propane::jinja
