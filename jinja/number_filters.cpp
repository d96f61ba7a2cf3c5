// The filters that make numbers.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "jinja/builtins.h"
#include "jinja/interpreter.h"
#include "jinja/operators.h"
#include "jinja/printing.h"
#include "jinja/unicode.h"

namespace propane::jinja {

namespace {

using In = Interpreter&;
using V = const Value&;
using A = CallArgs&;

// A literal without the underscores that Python allows between digits; none when they stand elsewhere.
std::optional<std::string> without_underscores(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out += text[i];
      continue;
    }
    const bool between = i > 0 && i + 1 < text.size() && std::isalnum(static_cast<unsigned char>(text[i - 1])) &&
                         std::isalnum(static_cast<unsigned char>(text[i + 1]));
    if (!between) return std::nullopt;
  }
  return out;
}

// Python's int(text, base).
std::optional<Int> parse_integer(std::string_view raw, Int base) {
  const auto clean = without_underscores(strip(raw, nullptr, true, true));
  if (!clean || clean->empty()) return std::nullopt;
  std::string_view text = *clean;
  const bool negative = text[0] == '-';
  if (text[0] == '-' || text[0] == '+') text.remove_prefix(1);
  const auto prefixed = [&](char letter) { return text.size() > 2 && text[0] == '0' && (text[1] | 0x20) == letter; };
  for (const auto& [letter, meant] : {std::pair('x', 16), std::pair('o', 8), std::pair('b', 2)}) {
    if (!prefixed(letter) || (base != 0 && base != meant)) continue;
    text.remove_prefix(2);
    base = meant;
    break;
  }
  if (base == 0) base = 10;
  if (base < 2 || base > 36 || text.empty()) return std::nullopt;
  Int value = 0;
  for (const char c : text) {
    const Int digit = c >= '0' && c <= '9'                          ? c - '0'
                      : std::isalpha(static_cast<unsigned char>(c)) ? (c | 0x20) - 'a' + 10
                                                                    : 99;
    if (digit >= base) return std::nullopt;
    if (__builtin_mul_overflow(value, base, &value) || __builtin_add_overflow(value, digit, &value)) {
      fail_render("a whole number has more than 128 bits, which are supported at most");
    }
  }
  return negative ? -value : value;
}

// Python's float(text).
std::optional<double> parse_real(std::string_view raw) {
  const auto clean = without_underscores(strip(raw, nullptr, true, true));
  if (!clean) return std::nullopt;
  std::string text = to_lower(*clean);
  const bool negative = text.starts_with("-");
  if (negative || text.starts_with("+")) text.erase(0, 1);
  double value = 0;
  if (text == "inf" || text == "infinity") {
    value = HUGE_VAL;
  } else if (text == "nan") {
    value = std::nan("");
  } else {
    if (text.empty() || text.find_first_not_of("0123456789.e+-") != text.npos || text[0] == '+' || text[0] == '-') {
      return std::nullopt;
    }
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (end != text.data() + text.size()) return std::nullopt;
    if (error == std::errc::result_out_of_range) value = std::strtod(text.c_str(), nullptr);
  }
  return negative ? -value : value;
}

std::optional<Value> truncated(double value) {
  if (!(std::fabs(value) < 1e38)) return std::nullopt;
  return Value::integer(static_cast<Int>(value));
}

Value to_integer(In, V value, A args) {
  const Params params("do_int", args, {"default", "base"});
  const Value otherwise = params.value(0, Value::integer(0));
  if (value.is_undefined()) fail_undefined(value);
  if (value.is_integral()) return Value::integer(value.as_integer());
  if (value.is(Kind::real)) {
    if (std::isinf(value.as_real())) fail_render("cannot convert float infinity to integer");
    return truncated(value.as_real()).value_or(otherwise);
  }
  if (!value.is_string()) return otherwise;
  if (const auto whole = parse_integer(value.as_string(), params.integer(1, 10))) return Value::integer(*whole);
  const auto real = parse_real(value.as_string());
  return real ? truncated(*real).value_or(otherwise) : otherwise;
}

Value to_real(In, V value, A args) {
  const Params params("do_float", args, {"default"});
  const Value otherwise = params.value(0, Value::real(0));
  if (value.is_undefined()) fail_undefined(value);
  if (value.is_number()) return Value::real(value.as_real());
  const auto real = value.is_string() ? parse_real(value.as_string()) : std::nullopt;
  return real ? Value::real(*real) : otherwise;
}

// Python's round(): of decimal digits, half to even on the exact value, which is what printf does.
Value rounded(double value, Int digits) {
  if (!std::isfinite(value) || digits > 330) return Value::real(value);
  if (digits < -330) return Value::real(std::copysign(0.0, value));
  if (digits >= 0) {
    char buffer[1024];
    std::snprintf(buffer, sizeof buffer, "%.*f", static_cast<int>(digits), value);
    return Value::real(std::strtod(buffer, nullptr));
  }
  const double power = std::pow(10.0, static_cast<double>(-digits));
  return Value::real(std::nearbyint(value / power) * power);
}

Value round(In in, V value, A args) {
  const Params params("do_round", args, {"precision", "method"});
  const std::string method = params.text(1, "common");
  if (method != "common" && method != "ceil" && method != "floor") fail_render("method must be common, ceil or floor");
  if (value.is_undefined()) fail_undefined(value);
  if (!value.is_number()) fail_render("type {} doesn't define __round__ method", type_name(value));
  const Int digits = params.integer(0, 0);
  if (method == "common") {
    if (value.is_integral() && digits >= 0) return Value::integer(value.as_integer());
    if (value.is(Kind::real)) return rounded(value.as_real(), digits);
    return truncated(rounded(value.as_real(), digits).as_real()).value_or(value);
  }
  const Value power = arithmetic(in.budget(), "**", Value::integer(10), Value::integer(digits));
  const double scaled = arithmetic(in.budget(), "*", value, power).as_real();
  const auto whole = truncated(method == "ceil" ? std::ceil(scaled) : std::floor(scaled));
  if (!whole) fail_render("cannot convert float to integer");
  return arithmetic(in.budget(), "/", *whole, power);
}

Value absolute(In, V value, A) {
  if (value.is_undefined()) fail_undefined(value);
  if (!value.is_number()) fail_render("bad operand type for abs(): '{}'", type_name(value));
  if (value.is(Kind::real)) return Value::real(std::fabs(value.as_real()));
  return value.as_integer() < 0 ? negate(value) : Value::integer(value.as_integer());
}

Value sum(In in, V value, A args) {
  const Params params("do_sum", args, {"attribute", "start"});
  List items = iterate(in.budget(), value);
  if (params.has(0) && !params[0].is_none()) {
    CallArgs map_args;
    map_args.named.emplace_back("attribute", params[0]);
    items = iterate(in.budget(), in.apply_filter("map", Value::list(std::move(items)), map_args));
  }
  Value total = params.value(1, Value::integer(0));
  if (total.is_string()) fail_render("sum() can't sum strings [use ''.join(seq) instead]");
  for (V item : items) {
    in.budget().step();
    total = arithmetic(in.budget(), "+", total, item);
  }
  return total;
}

Value filesizeformat(In in, V value, A args) {
  const Params params("do_filesizeformat", args, {"binary"});
  CallArgs none;
  const double bytes = to_real(in, value, none).as_real();
  const bool binary = params.flag(0, false);
  const double base = binary ? 1024 : 1000;
  if (bytes == 1) return in.text("1 Byte");
  if (bytes < base) return in.text(fmt::format("{:.0f} Bytes", std::trunc(bytes)));
  double unit = base;
  size_t at = 0;
  while (at + 1 < 8 && bytes >= unit * base) unit *= base, ++at;
  return in.text(fmt::format("{:.1f} {}{}", bytes / unit, (binary ? "KMGTPEZY" : "kMGTPEZY")[at], binary ? "iB" : "B"));
}

}  // namespace

const std::vector<Named>& number_filters() {
  static const std::vector<Named> table = {
      {"int", to_integer}, {"float", to_real}, {"round", round},
      {"abs", absolute},   {"sum", sum},       {"filesizeformat", filesizeformat},
  };
  return table;
}

}  // namespace propane::jinja
