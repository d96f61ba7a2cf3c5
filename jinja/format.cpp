#include "jinja/format.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "jinja/printing.h"
#include "jinja/unicode.h"

namespace propane::jinja {

namespace {

struct Spec {
  std::string fill = " ";
  char align = 0;  // one of < > ^ =
  char sign = '-';
  bool alternate = false;
  int width = 0;
  char grouping = 0;
  int precision = -1;
  char type = 0;
};

int number_at(Budget& budget, std::string_view text, size_t& at) {
  int64_t number = 0;
  while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
    number = std::min<int64_t>(number * 10 + (text[at++] - '0'), int64_t{1} << 40);
  }
  budget.make(static_cast<size_t>(number));  // what it pads to; fails for what is out of bounds
  return static_cast<int>(number);
}

Spec parse_spec(Budget& budget, std::string_view text) {
  Spec spec;
  const auto is_align = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
  size_t at = 0;
  const size_t first = byte_offset(text, 1);
  if (first < text.size() && is_align(text[first])) {
    spec.fill = text.substr(0, first);
    spec.align = text[first];
    at = first + 1;
  } else if (!text.empty() && is_align(text[0])) {
    spec.align = text[at++];
  }
  const auto next = [&](std::string_view set) { return at < text.size() && set.find(text[at]) != set.npos; };
  if (next("+- ")) spec.sign = text[at++];
  if (next("#")) spec.alternate = true, ++at;
  if (next("0")) {
    if (!spec.align) spec.fill = "0", spec.align = '=';
    ++at;
  }
  spec.width = number_at(budget, text, at);
  if (next(",_")) spec.grouping = text[at++];
  if (next(".")) {
    const size_t digits = ++at;
    spec.precision = number_at(budget, text, at);
    if (at == digits) fail_render("Format specifier missing precision");
  }
  if (at < text.size()) spec.type = text[at++];
  if (at < text.size()) fail_render("Invalid format specifier");
  return spec;
}

std::string padded(const Spec& spec, std::string_view sign, std::string_view body, char align) {
  const size_t length = code_count(sign) + code_count(body);
  const size_t missing = static_cast<size_t>(spec.width) > length ? static_cast<size_t>(spec.width) - length : 0;
  const size_t before = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
  std::string out;
  if (align == '=') out += sign;
  for (size_t i = 0; i < before; ++i) out += spec.fill;
  if (align != '=') out += sign;
  out += body;
  for (size_t i = before; i < missing; ++i) out += spec.fill;
  return out;
}

std::string grouped(std::string digits, char separator, size_t every) {
  if (!separator) return digits;
  const size_t end = std::min(digits.find_first_not_of("0123456789abcdefABCDEF"), digits.size());
  for (size_t i = end; i > every; i -= every) digits.insert(i - every, 1, separator);
  return digits;
}

std::string in_base(Int value, unsigned base, bool upper) {
  const char* digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
  std::string out;
  do {
    out.insert(out.begin(), digits[static_cast<size_t>(value % static_cast<Int>(base))]);
    value /= static_cast<Int>(base);
  } while (value > 0);
  return out;
}

std::string sign_of(bool negative, char sign) { return negative ? "-" : sign == '-' ? "" : std::string(1, sign); }

std::string format_integer(const Spec& spec, Int value) {
  const bool negative = value < 0;
  if (negative && __builtin_sub_overflow(Int{0}, value, &value)) fail_render("a whole number is too large to format");
  std::string prefix, digits;
  switch (spec.type) {
    case 'b': prefix = "0b", digits = in_base(value, 2, false); break;
    case 'o': prefix = "0o", digits = in_base(value, 8, false); break;
    case 'x': prefix = "0x", digits = in_base(value, 16, false); break;
    case 'X': prefix = "0X", digits = in_base(value, 16, true); break;
    default: digits = in_base(value, 10, false);
  }
  if (spec.precision >= 0 && static_cast<size_t>(spec.precision) > digits.size()) {
    digits.insert(0, static_cast<size_t>(spec.precision) - digits.size(), '0');  // only % has a precision here
  }
  const std::string sign = sign_of(negative, spec.sign) + (spec.alternate ? prefix : "");
  digits = grouped(digits, spec.grouping, prefix.empty() ? 3 : 4);
  return padded(spec, sign, digits, spec.align ? spec.align : '>');
}

// A printf of the C library, whose rounding is exact as Python's is.
std::string printed(Budget& budget, double value, const char* format, int precision) {
  const int size = std::snprintf(nullptr, 0, format, precision, value);
  budget.make(static_cast<size_t>(size));
  std::string out(static_cast<size_t>(size) + 1, '\0');
  std::snprintf(out.data(), out.size(), format, precision, value);
  out.pop_back();
  return out;
}

std::string format_real(Budget& budget, const Spec& spec, double value) {
  const bool negative = std::signbit(value) && !std::isnan(value);
  const double magnitude = std::fabs(value);
  const int precision = spec.precision < 0 ? 6 : spec.precision;
  std::string body;
  switch (spec.type) {
    case 'e': body = printed(budget, magnitude, spec.alternate ? "%#.*e" : "%.*e", precision); break;
    case 'E': body = printed(budget, magnitude, "%.*E", precision); break;
    case 'f':
    case 'F': body = printed(budget, magnitude, spec.alternate ? "%#.*f" : "%.*f", precision); break;
    case '%': body = printed(budget, magnitude * 100, "%.*f", precision) + "%"; break;
    case 'g': body = printed(budget, magnitude, spec.alternate ? "%#.*g" : "%.*g", precision); break;
    case 'G': body = printed(budget, magnitude, "%.*G", precision); break;
    default:  // without a type: repr(), or %g that keeps a digit after the point
      if (spec.precision < 0) {
        body = real_repr(magnitude);
      } else {
        body = printed(budget, magnitude, "%.*g", spec.precision);
        if (body.find_first_not_of("0123456789") == body.npos) body += ".0";
      }
  }
  body = grouped(body, spec.grouping, 3);
  return padded(spec, sign_of(negative, spec.sign), body, spec.align ? spec.align : '>');
}

std::string format_text(const Spec& spec, std::string_view text) {
  if (spec.type && spec.type != 's') fail_render("Unknown format code '{}' for object of type 'str'", spec.type);
  if (spec.align == '=' && spec.fill != "0") fail_render("'=' alignment not allowed in string format specifier");
  if (spec.precision >= 0) text = text.substr(0, byte_offset(text, static_cast<size_t>(spec.precision)));
  return padded(spec, "", text, spec.align && spec.align != '=' ? spec.align : '<');
}

// The values that % takes one after the other, or by name.
class PercentValues {
 public:
  explicit PercentValues(const Value& values) : values_(values) {}

  const Value& next() {
    const bool tuple = values_.is(Kind::tuple);
    const size_t size = tuple ? values_.items().size() : 1;
    if (used_ >= size) fail_render("not enough arguments for format string");
    return tuple ? values_.items()[used_++] : (++used_, values_);
  }
  const Value& named(const std::string& key) {
    if (!values_.is(Kind::dict)) fail_render("format requires a mapping");
    by_name_ = true;
    const Value* found = values_.as_dict().find(key);
    if (!found) fail_render("{}", quoted_repr(key));
    return *found;
  }
  void finish() const {
    const size_t size = values_.is(Kind::tuple) ? values_.items().size() : 1;
    if (used_ < size && !by_name_ && !values_.is(Kind::dict) && !values_.is(Kind::list)) {
      fail_render("not all arguments converted during string formatting");
    }
  }

 private:
  const Value& values_;
  size_t used_ = 0;
  bool by_name_ = false;
};

std::string percent_item(Budget& budget, Spec spec, const Value& value, bool left) {
  if (left) spec.align = '<', spec.fill = " ";
  else if (spec.fill == "0") spec.align = '=';
  switch (spec.type) {
    case 's':
    case 'r':
    case 'a': {
      Spec text = spec;
      text.type = 's';
      text.fill = " ";
      text.align = left ? '<' : '>';
      budget.walk(value);
      return format_text(text, spec.type == 's' ? to_text(value) : to_repr(value));
    }
    case 'c': {
      Spec text = spec;
      text.type = 's', text.fill = " ", text.align = left ? '<' : '>';
      if (value.is_integral())
        return format_text(text, from_codes(std::u32string(1, static_cast<char32_t>(value.as_integer()))));
      return format_text(text, to_text(value));
    }
    case 'd':
    case 'i':
    case 'u':
    case 'x':
    case 'X':
    case 'o':
      if (value.is_undefined()) fail_undefined(value);
      if (!value.is_number()) {
        fail_render("%{} format: a real number is required, not {}", spec.type, type_name(value));
      }
      if (value.is(Kind::real)) {
        if (!(std::fabs(value.as_real()) < 1e37)) fail_render("cannot convert float to integer");
        return format_integer(spec, static_cast<Int>(value.as_real()));
      }
      return format_integer(spec, value.as_integer());
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
      if (value.is_undefined()) fail_undefined(value);
      if (!value.is_number()) fail_render("must be real number, not {}", type_name(value));
      return format_real(budget, spec, value.as_real());
    default: fail_render("unsupported format character '{}' (0x{:x})", spec.type, static_cast<int>(spec.type));
  }
}

}  // namespace

Value format_percent(Budget& budget, const Value& text, const Value& values) {
  const std::string& format = text.as_string();
  PercentValues given(values);
  std::string out;
  for (size_t at = 0; at < format.size();) {
    if (format[at] != '%') {
      out += format[at++];
      continue;
    }
    if (++at < format.size() && format[at] == '%') {
      out += format[at++];
      continue;
    }
    std::optional<std::string> key;
    if (at < format.size() && format[at] == '(') {
      const size_t end = format.find(')', at);
      if (end == format.npos) fail_render("incomplete format key");
      key = format.substr(at + 1, end - at - 1);
      at = end + 1;
    }
    Spec spec;
    bool left = false;
    for (; at < format.size() && std::string_view("-+ #0").find(format[at]) != std::string_view::npos; ++at) {
      if (format[at] == '-') left = true;
      else if (format[at] == '0') spec.fill = "0";
      else if (format[at] == '#') spec.alternate = true;
      else if (format[at] == '+' || spec.sign != '+') spec.sign = format[at];
    }
    const auto bounded = [&]() {
      if (at >= format.size() || format[at] != '*') return number_at(budget, format, at);
      ++at;
      const Value& value = given.next();
      if (!value.is_integral()) fail_render("* wants int");
      const Int size = value.as_integer() < 0 ? Int{0} : value.as_integer();
      budget.make(static_cast<size_t>(std::min<Int>(size, Int{1} << 40)));
      return static_cast<int>(size);
    };
    spec.width = bounded();
    if (at < format.size() && format[at] == '.') ++at, spec.precision = bounded();
    while (at < format.size() && std::string_view("hlL").find(format[at]) != std::string_view::npos) ++at;
    if (at >= format.size()) fail_render("incomplete format");
    spec.type = format[at++];
    out += percent_item(budget, spec, key ? given.named(*key) : given.next(), left);
    budget.make(out.size() / 8);
  }
  given.finish();
  budget.make(out.size());
  return Value::string(std::move(out), text.is_markup());
}

std::string format_value(Budget& budget, const Value& value, std::string_view specification) {
  const Spec spec = parse_spec(budget, specification);
  budget.walk(value);
  if (specification.empty()) return to_text(value);
  const bool real_type = spec.type && std::string_view("eEfFgG%").find(spec.type) != std::string_view::npos;
  if (value.is_string()) return format_text(spec, value.as_string());
  if (value.is(Kind::real) || (value.is_integral() && real_type)) {
    if (spec.type && !real_type && spec.type != 'n') {
      fail_render("Unknown format code '{}' for object of type 'float'", spec.type);
    }
    return format_real(budget, spec, value.as_real());
  }
  if (value.is_integral()) {
    if (spec.precision >= 0) fail_render("Precision not allowed in integer format specifier");
    if (spec.type == 'c')
      return format_text(Spec{}, from_codes(std::u32string(1, static_cast<char32_t>(value.as_integer()))));
    if (spec.type && std::string_view("bdoxXn").find(spec.type) == std::string_view::npos) {
      fail_render("Unknown format code '{}' for object of type 'int'", spec.type);
    }
    return format_integer(spec, value.as_integer());
  }
  fail_render("unsupported format string passed to {}.__format__", type_name(value));
}

namespace {

class BraceFormat {
 public:
  BraceFormat(Budget& budget, const CallArgs& args, const Access& access)
      : budget_(budget), args_(args), access_(access) {}

  std::string run(std::string_view text, int depth = 0) {
    if (depth > 2) fail_render("Max string recursion exceeded");
    std::string out;
    for (size_t at = 0; at < text.size();) {
      const char c = text[at];
      if ((c == '{' || c == '}') && at + 1 < text.size() && text[at + 1] == c) {
        out += c, at += 2;
      } else if (c == '}') {
        fail_render("Single '}}' encountered in format string");
      } else if (c == '{') {
        const size_t end = closing(text, at);
        out += field(text.substr(at + 1, end - at - 1), depth);
        at = end + 1;
      } else {
        out += c, ++at;
      }
      budget_.make(1);
    }
    budget_.make(out.size());
    return out;
  }

 private:
  static size_t closing(std::string_view text, size_t open) {
    int depth = 0;
    for (size_t at = open; at < text.size(); ++at) {
      depth += (text[at] == '{') - (text[at] == '}');
      if (depth == 0) return at;
    }
    fail_render("{}", open + 1 == text.size() ? "Single '{' encountered in format string"
                                              : "expected '}' before end of string");
  }

  std::string field(std::string_view text, int depth) {
    const size_t stop = std::min(text.find_first_of("!:"), text.size());
    const Value value = access(text.substr(0, stop));
    text.remove_prefix(stop);
    char conversion = 's';
    bool converts = false;
    if (!text.empty() && text[0] == '!') {
      if (text.size() < 2 || (text.size() > 2 && text[2] != ':'))
        fail_render("expected ':' after conversion specifier");
      conversion = text[1], converts = true;
      text.remove_prefix(2);
    }
    const std::string spec = text.empty() ? "" : run(text.substr(1), depth + 1);
    if (!converts) return format_value(budget_, value, spec);
    if (std::string_view("sra").find(conversion) == std::string_view::npos) {
      fail_render("Unknown conversion specifier '{}'", conversion);
    }
    return format_value(budget_, Value::string(conversion == 's' ? to_text(value) : to_repr(value)), spec);
  }

  Value access(std::string_view name) {
    const size_t stop = std::min(name.find_first_of(".["), name.size());
    Value value = argument(std::string(name.substr(0, stop)));
    for (size_t at = stop; at < name.size();) {
      if (name[at] == '.') {
        const size_t end = std::min(name.find_first_of(".[", at + 1), name.size());
        value = access_(value, Value::string(std::string(name.substr(at + 1, end - at - 1))), true);
        at = end;
      } else {
        const size_t end = name.find(']', at);
        if (name[at] != '[' || end == name.npos) fail_render("Missing ']' in format string");
        const std::string key(name.substr(at + 1, end - at - 1));
        value = access_(value, is_number(key) ? Value::integer(std::stoi(key)) : Value::string(key), false);
        at = end + 1;
      }
    }
    return value;
  }

  static bool is_number(const std::string& text) {
    return !text.empty() && text.size() < 9 && text.find_first_not_of("0123456789") == text.npos;
  }

  Value argument(const std::string& name) {
    if (!name.empty() && !is_number(name)) {
      for (const auto& [key, value] : args_.named)
        if (key == name) return value;
      fail_render("{}", quoted_repr(name));
    }
    if (numbering_ != 0 && (numbering_ == 1) != name.empty()) {
      fail_render("cannot switch from {}", name.empty() ? "manual field specification to automatic field numbering"
                                                        : "automatic field numbering to manual field specification");
    }
    numbering_ = name.empty() ? 1 : 2;
    const size_t index = name.empty() ? next_++ : static_cast<size_t>(std::stoi(name));
    if (index >= args_.positional.size()) {
      fail_render("Replacement index {} out of range for positional args tuple", index);
    }
    return args_.positional[index];
  }

  Budget& budget_;
  const CallArgs& args_;
  const Access& access_;
  size_t next_ = 0;
  int numbering_ = 0;  // 1 automatic, 2 by number
};

}  // namespace

std::string format_braces(Budget& budget, std::string_view text, const CallArgs& args, const Access& access) {
  return BraceFormat(budget, args, access).run(text);
}

}  // namespace propane::jinja
