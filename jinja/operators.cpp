#include "jinja/operators.h"

#include <algorithm>
#include <cmath>

#include "jinja/format.h"
#include "jinja/printing.h"
#include "jinja/unicode.h"

namespace propane::jinja {

namespace {

constexpr Int kMostOfRange = 100'000;

[[noreturn]] void fail_operands(std::string_view op, const Value& a, const Value& b) {
  fail_render("unsupported operand type(s) for {}: '{}' and '{}'", op == "**" ? "** or pow()" : op, type_name(a),
              type_name(b));
}

[[noreturn]] void fail_large() { fail_render("a whole number has more than 128 bits, which are supported at most"); }

Int floor_divide(Int a, Int b) {
  const Int quotient = a / b;
  return (a % b != 0 && (a < 0) != (b < 0)) ? quotient - 1 : quotient;
}

Value integer_power(Int base, Int exponent) {
  if (exponent < 0) {
    if (base == 0) fail_render("0.0 cannot be raised to a negative power");
    return Value::real(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  Int result = 1;
  for (Int square = base; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, square, &result)) fail_large();
    if (exponent > 1 && __builtin_mul_overflow(square, square, &square)) fail_large();
  }
  return Value::integer(result);
}

Value integer_arithmetic(std::string_view op, Int a, Int b) {
  Int result = 0;
  if (op == "+"   ? __builtin_add_overflow(a, b, &result)
      : op == "-" ? __builtin_sub_overflow(a, b, &result)
                  : op == "*" && __builtin_mul_overflow(a, b, &result)) {
    fail_large();
  }
  if (op == "+" || op == "-" || op == "*") return Value::integer(result);
  if (op == "**") return integer_power(a, b);
  if (b == 0) fail_render("{}", op == "/" ? "division by zero" : "integer division or modulo by zero");
  if (op == "/") return Value::real(static_cast<double>(a) / static_cast<double>(b));
  if (b == -1) {  // the one divisor whose quotient may not fit
    if (op == "%") return Value::integer(0);
    if (__builtin_sub_overflow(Int{0}, a, &result)) fail_large();
    return Value::integer(result);
  }
  return Value::integer(op == "//" ? floor_divide(a, b) : a - floor_divide(a, b) * b);
}

Value real_arithmetic(std::string_view op, double a, double b) {
  if (op == "+") return Value::real(a + b);
  if (op == "-") return Value::real(a - b);
  if (op == "*") return Value::real(a * b);
  if (op == "**") {
    if (a == 0 && b < 0) fail_render("0.0 cannot be raised to a negative power");
    const double power = std::pow(a, b);
    if (std::isinf(power) && std::isfinite(a) && std::isfinite(b)) fail_render("(34, 'Numerical result out of range')");
    if (std::isnan(power) && !std::isnan(a) && !std::isnan(b)) fail_render("complex numbers are not supported");
    return Value::real(power);
  }
  if (b == 0) {
    fail_render("{}", op == "/"    ? "float division by zero"
                      : op == "//" ? "float floor division by zero"
                                   : "float modulo");
  }
  if (op == "/") return Value::real(a / b);
  double rest = std::fmod(a, b);
  if (rest != 0 && (rest < 0) != (b < 0)) rest += b;
  else if (rest == 0) rest = std::copysign(0.0, b);
  if (op == "%") return Value::real(rest);
  const double quotient = (a - rest) / b;
  return Value::real(quotient == 0 ? std::copysign(0.0, a / b) : std::floor(quotient + 0.5));
}

Value repeat(Budget& budget, const Value& value, Int times) {
  const size_t size = value.is_string() ? value.as_string().size() : value.items().size() * sizeof(Value);
  if (times <= 0 || size == 0) times = 0;
  if (times > Int{1} << 32) times = Int{1} << 32;
  budget.make(size * static_cast<size_t>(times));
  if (value.is_string()) {
    std::string text;
    text.reserve(size * static_cast<size_t>(times));
    for (Int i = 0; i < times; ++i) text += value.as_string();
    return Value::string(std::move(text), value.is_markup());
  }
  List items;
  for (Int i = 0; i < times; ++i) items.insert(items.end(), value.items().begin(), value.items().end());
  return value.is(Kind::list) ? Value::list(std::move(items)) : Value::tuple(std::move(items));
}

bool is_repeatable(const Value& value) { return value.is_string() || value.is(Kind::list) || value.is(Kind::tuple); }

Value concatenate(Budget& budget, const Value& a, const Value& b) {
  if (a.is_string()) {
    if (a.is_markup() != b.is_markup()) {  // what is not HTML yet becomes it
      const Value left = escape_html(a), right = escape_html(b);
      budget.make(left.as_string().size() + right.as_string().size());
      return Value::string(left.as_string() + right.as_string(), true);
    }
    budget.make(a.as_string().size() + b.as_string().size());
    return Value::string(a.as_string() + b.as_string(), a.is_markup());
  }
  budget.make((a.items().size() + b.items().size()) * sizeof(Value));
  List items = a.items();
  items.insert(items.end(), b.items().begin(), b.items().end());
  return a.is(Kind::list) ? Value::list(std::move(items)) : Value::tuple(std::move(items));
}

// -1, 0 or 1; 2 where a NaN is compared.
int order(std::string_view op, const Value& a, const Value& b) {
  const auto sign = [](auto x, auto y) { return x < y ? -1 : x > y ? 1 : 0; };
  if (a.is_integral() && b.is_integral()) return sign(a.as_integer(), b.as_integer());
  if (a.is_number() && b.is_number()) {
    const double x = a.as_real(), y = b.as_real();
    return std::isnan(x) || std::isnan(y) ? 2 : sign(x, y);
  }
  if (a.is_string() && b.is_string()) return sign(a.as_string().compare(b.as_string()), 0);
  if (a.kind() == b.kind() && (a.is(Kind::list) || a.is(Kind::tuple))) {
    const List &x = a.items(), &y = b.items();
    for (size_t i = 0; i < std::min(x.size(), y.size()); ++i)
      if (!equal(x[i], y[i])) return order(op, x[i], y[i]);
    return sign(x.size(), y.size());
  }
  if (a.is_undefined()) fail_undefined(a);
  if (b.is_undefined()) fail_undefined(b);
  fail_render("'{}' not supported between instances of '{}' and '{}'", op, type_name(a), type_name(b));
}

struct Bounds {
  int64_t start, stop, step;
};

// PySlice_AdjustIndices.
Bounds bounds(const Value& start, const Value& stop, const Value& step, size_t size) {
  const auto number = [](const Value& value, int64_t absent) {
    if (value.is_none()) return absent;
    if (!value.is_integral()) {
      fail_render("slice indices must be integers or None or have an __index__ method");
    }
    return static_cast<int64_t>(std::clamp<Int>(value.as_integer(), -(Int{1} << 62), Int{1} << 62));
  };
  const auto length = static_cast<int64_t>(size);
  Bounds result{0, 0, number(step, 1)};
  if (result.step == 0) fail_render("slice step cannot be zero");
  const bool back = result.step < 0;
  const auto adjust = [&](int64_t at) {
    if (at < 0) return std::max(at + length, back ? int64_t{-1} : int64_t{0});
    return std::min(at, back ? length - 1 : length);
  };
  result.start = start.is_none() ? (back ? length - 1 : 0) : adjust(number(start, 0));
  result.stop = stop.is_none() ? (back ? -1 : length) : adjust(number(stop, 0));
  return result;
}

}  // namespace

Value arithmetic(Budget& budget, std::string_view op, const Value& a, const Value& b) {
  if (a.is_integral() && b.is_integral()) return integer_arithmetic(op, a.as_integer(), b.as_integer());
  if (a.is_number() && b.is_number()) return real_arithmetic(op, a.as_real(), b.as_real());
  if (op == "%" && a.is_string()) return format_percent(budget, a, b);
  if (a.is_undefined()) fail_undefined(a);
  if (b.is_undefined()) fail_undefined(b);
  if (op == "+" && a.kind() == b.kind() && is_repeatable(a)) return concatenate(budget, a, b);
  if (op == "+" && a.is_string()) {
    if (a.is_markup()) fail_operands(op, a, b);
    fail_render("can only concatenate str (not \"{}\") to str", type_name(b));
  }
  if (op == "+" && (a.is(Kind::list) || a.is(Kind::tuple))) {
    fail_render("can only concatenate {} (not \"{}\") to {}", type_name(a), type_name(b), type_name(a));
  }
  if (op == "*" && is_repeatable(a) && b.is_integral()) return repeat(budget, a, b.as_integer());
  if (op == "*" && is_repeatable(b) && a.is_integral()) return repeat(budget, b, a.as_integer());
  if (op == "*" && (is_repeatable(a) || is_repeatable(b))) {
    fail_render("can't multiply sequence by non-int of type '{}'", type_name(is_repeatable(a) ? b : a));
  }
  fail_operands(op, a, b);
}

Value negate(const Value& value) {
  if (value.is_undefined()) fail_undefined(value);
  if (value.is_integral()) return integer_arithmetic("-", 0, value.as_integer());
  if (value.is_number()) return Value::real(-value.as_real());
  fail_render("bad operand type for unary -: '{}'", type_name(value));
}

bool compare(std::string_view op, const Value& a, const Value& b) {
  if (op == "==") return equal(a, b);
  if (op == "!=") return !equal(a, b);
  const int sign = order(op, a, b);
  if (sign == 2) return false;
  if (op == "<") return sign < 0;
  if (op == "<=") return sign <= 0;
  if (op == ">") return sign > 0;
  return sign >= 0;
}

bool contains(const Value& container, const Value& item) {
  const auto among = [&](const List& items, size_t from = 0) {
    return std::any_of(items.begin() + static_cast<ptrdiff_t>(from), items.end(),
                       [&](const Value& other) { return equal(item, other); });
  };
  switch (container.kind()) {
    case Kind::string:
      if (!item.is_string()) {
        fail_render("'in <string>' requires string as left operand, not {}", type_name(item));
      }
      return container.as_string().find(item.as_string()) != std::string::npos;
    case Kind::list:
    case Kind::tuple:
    case Kind::range:
    case Kind::view: return among(container.items());
    case Kind::dict: return container.as_dict().find(item) != nullptr;
    case Kind::iterator: return among(container.as_iterator().items, container.as_iterator().next);
    case Kind::undefined: return false;
    default: fail_render("argument of type '{}' is not iterable", type_name(container));
  }
}

size_t length_of(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined: return 0;
    case Kind::string: return code_count(value.as_string());
    case Kind::list:
    case Kind::tuple:
    case Kind::range:
    case Kind::view: return value.items().size();
    case Kind::dict: return value.as_dict().size();
    case Kind::object:
      if (const Value* length = value.as_object()->attribute("length"))
        return static_cast<size_t>(length->as_integer());
      [[fallthrough]];
    default: fail_render("object of type '{}' has no len()", type_name(value));
  }
}

List iterate(Budget& budget, const Value& value) {
  List result;
  switch (value.kind()) {
    case Kind::undefined: break;
    case Kind::string: {
      const auto parts = characters(value.as_string());
      budget.make(parts.size() * sizeof(Value));
      for (std::string_view part : parts) result.push_back(Value::string(std::string(part)));
      break;
    }
    case Kind::list:
    case Kind::tuple:
    case Kind::range:
    case Kind::view: result = value.items(); break;
    case Kind::dict:
      for (const auto& [key, item] : value.as_dict().items()) result.push_back(key);
      break;
    case Kind::iterator: {
      Iterator& iterator = value.as_iterator();
      result.assign(iterator.items.begin() + static_cast<ptrdiff_t>(iterator.next), iterator.items.end());
      iterator.next = iterator.items.size();
      break;
    }
    default: fail_render("'{}' object is not iterable", type_name(value));
  }
  budget.make(result.size() * sizeof(Value));
  budget.step(static_cast<int64_t>(result.size()) / 16);
  return result;
}

Value slice(Budget& budget, const Value& value, const Value& start, const Value& stop, const Value& step) {
  if (value.is_undefined()) fail_undefined(value);
  if (!value.is_string() && !value.is_sequence()) {
    if (value.is(Kind::dict)) fail_render("unhashable type: 'slice'");
    fail_render("'{}' object is not subscriptable", type_name(value));
  }
  const std::u32string codes = value.is_string() ? to_codes(value.as_string()) : U"";
  const size_t size = value.is_string() ? codes.size() : value.items().size();
  budget.make(value.is_string() ? value.as_string().size() : size);
  budget.step(static_cast<int64_t>(size / 64));
  const Bounds range = bounds(start, stop, step, size);
  const auto inside = [&](int64_t at) { return range.step > 0 ? at < range.stop : at > range.stop; };
  if (value.is_string()) {
    std::u32string part;
    for (int64_t i = range.start; inside(i); i += range.step) part += codes[static_cast<size_t>(i)];
    return Value::string(from_codes(part), value.is_markup());
  }
  List items;
  for (int64_t i = range.start; inside(i); i += range.step) items.push_back(value.items()[static_cast<size_t>(i)]);
  if (value.is(Kind::list)) return Value::list(std::move(items));
  if (value.is(Kind::tuple)) return Value::tuple(std::move(items));
  return Value::range(std::move(items), "a slice of " + value.sequence_name());
}

size_t index_of(const Value& index, size_t size) {
  Int at = index.as_integer();
  if (at < 0) at += static_cast<Int>(size);
  return at < 0 || at >= static_cast<Int>(size) ? size : static_cast<size_t>(at);
}

Value make_range(Budget& budget, Int start, Int stop, Int step) {
  if (step == 0) fail_render("range() arg 3 must not be zero");
  constexpr Int kFar = Int{1} << 100;  // far enough from the type's ends to count without overflow
  start = std::clamp(start, -kFar, kFar), stop = std::clamp(stop, -kFar, kFar), step = std::clamp(step, -kFar, kFar);
  const Int count = step > 0 ? (stop - start + step - 1) / step : (start - stop - step - 1) / -step;
  if (count > kMostOfRange) {
    fail_render("Range too big. The sandbox blocks ranges larger than MAX_RANGE ({}).", kMostOfRange);
  }
  List items;
  budget.make(static_cast<size_t>(std::max<Int>(count, 0)) * sizeof(Value));
  for (Int i = 0; i < count; ++i) items.push_back(Value::integer(start + i * step));
  const std::string tail = step == 1 ? "" : fmt::format(", {}", step);
  return Value::range(std::move(items), fmt::format("range({}, {}{})", start, stop, tail));
}

Value escape_html(const Value& value) {
  if (value.is_markup()) return value;
  std::string out;
  for (char c : to_text(value)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '\'': out += "&#39;"; break;
      case '"': out += "&#34;"; break;
      default: out += c;
    }
  }
  return Value::string(std::move(out), true);
}

}  // namespace propane::jinja
