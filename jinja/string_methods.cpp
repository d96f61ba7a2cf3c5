// The methods of Python's str.
#include <algorithm>

#include "jinja/builtins.h"
#include "jinja/format.h"
#include "jinja/interpreter.h"
#include "jinja/operators.h"
#include "jinja/printing.h"
#include "jinja/unicode.h"

namespace propane::jinja {

namespace {

using In = Interpreter&;
using V = const Value&;
using A = CallArgs&;

template <std::string (*convert)(std::string_view)>
Value converted(In in, V self, A args) {
  const Params params("the method of str", args, {});
  in.budget().walk(self);
  return in.text(convert(self.as_string()), self.is_markup());
}

template <bool left, bool right>
Value stripped(In in, V self, A args) {
  const Params params("strip", args, {"chars"});
  in.budget().walk(self);
  if (!params.has(0) || params[0].is_none())
    return in.text(std::string(strip(self.as_string(), nullptr, left, right)), self.is_markup());
  const std::string chars = params.text(0, "");
  return in.text(std::string(strip(self.as_string(), &chars, left, right)), self.is_markup());
}

Value list_of(In in, const std::vector<std::string_view>& parts) {
  List items;
  in.budget().make(parts.size() * sizeof(Value));
  for (std::string_view part : parts) items.push_back(in.text(std::string(part)));
  return Value::list(std::move(items));
}

// split() at white space: runs of it separate, the ends are stripped; after `most` cuts the rest stays whole.
std::vector<std::string_view> words(std::string_view text, Int most, bool from_right) {
  std::vector<std::string_view> parts;
  const auto white = [](std::string_view c) { return (char_flags(to_codes(c)[0]) & kWhite) != 0; };
  text = strip(text, nullptr, !from_right, from_right);
  std::string_view rest = text;
  while (!rest.empty()) {
    rest = strip(rest, nullptr, !from_right, from_right);
    if (rest.empty()) break;
    if (most >= 0 && static_cast<Int>(parts.size()) >= most) {
      parts.push_back(strip(rest, nullptr, from_right, !from_right));
      if (!from_right) parts.back() = rest;
      break;
    }
    const auto letters = characters(rest);
    size_t bytes = 0;
    if (from_right) {
      for (size_t i = letters.size(); i > 0 && !white(letters[i - 1]); --i) bytes += letters[i - 1].size();
      parts.push_back(rest.substr(rest.size() - bytes));
      rest.remove_suffix(bytes);
    } else {
      for (size_t i = 0; i < letters.size() && !white(letters[i]); ++i) bytes += letters[i].size();
      parts.push_back(rest.substr(0, bytes));
      rest.remove_prefix(bytes);
    }
  }
  if (from_right) std::reverse(parts.begin(), parts.end());
  return parts;
}

template <bool from_right>
Value split(In in, V self, A args) {
  const Params params("split", args, {"sep", "maxsplit"});
  const Int most = params.integer(1, -1);
  std::string_view text = self.as_string();
  in.budget().walk(self);
  if (!params.has(0) || params[0].is_none()) {
    in.budget().step(static_cast<int64_t>(text.size()));
    if (most < 0 && !from_right) {  // one pass over the whole text
      std::vector<std::string_view> parts;
      size_t begin = text.npos, at = 0;
      for (std::string_view c : characters(text)) {
        const bool white = (char_flags(to_codes(c)[0]) & kWhite) != 0;
        if (white && begin != text.npos) parts.push_back(text.substr(begin, at - begin)), begin = text.npos;
        else if (!white && begin == text.npos) begin = at;
        at += c.size();
      }
      if (begin != text.npos) parts.push_back(text.substr(begin));
      return list_of(in, parts);
    }
    in.budget().step(static_cast<int64_t>(text.size() / 8) *
                     static_cast<int64_t>(most < 0 || most > 4096 ? 4096 : most));
    return list_of(in, words(text, most, from_right));
  }
  const std::string separator = params.text(0, "");
  if (separator.empty()) fail_render("empty separator");
  std::vector<std::string_view> parts;
  for (Int count = 0; most < 0 || count < most; ++count) {
    const size_t at = from_right ? text.rfind(separator) : text.find(separator);
    if (at == text.npos) break;
    parts.push_back(from_right ? text.substr(at + separator.size()) : text.substr(0, at));
    text = from_right ? text.substr(0, at) : text.substr(at + separator.size());
  }
  parts.push_back(text);
  if (from_right) std::reverse(parts.begin(), parts.end());
  return list_of(in, parts);
}

template <bool from_right>
Value partition(In in, V self, A args) {
  const Params params("partition", args, {"sep"}, 1);
  const std::string separator = params.text(0, "");
  if (separator.empty()) fail_render("empty separator");
  const std::string& text = self.as_string();
  const size_t at = from_right ? text.rfind(separator) : text.find(separator);
  if (at == text.npos) {
    const Value none = Value::string("");
    return from_right ? Value::tuple({none, none, self}) : Value::tuple({self, none, none});
  }
  return Value::tuple({in.text(text.substr(0, at)), in.text(separator), in.text(text.substr(at + separator.size()))});
}

// text[start:stop] as find(), count(), startswith() and endswith() take it, and where it begins.
std::string_view window(const Params& params, std::string_view text, size_t& begin) {
  const auto size = static_cast<Int>(code_count(text));
  const auto bound = [&](size_t i, Int absent) {
    Int at = params.has(i) && !params[i].is_none() ? params.integer(i, absent) : absent;
    if (at < 0) at = std::max<Int>(at + size, 0);
    return static_cast<size_t>(std::min(at, size));
  };
  const size_t start = bound(1, 0), stop = bound(2, size);
  begin = start;
  const size_t from = byte_offset(text, start), to = byte_offset(text, stop);
  return to < from ? std::string_view() : text.substr(from, to - from);
}

enum class Missing { minus_one, error };

template <bool from_right, Missing missing>
Value find(In in, V self, A args) {
  const Params params("find", args, {"sub", "start", "end"}, 1);
  in.budget().walk(self);
  size_t begin = 0;
  const std::string_view text = window(params, self.as_string(), begin);
  const std::string sub = params.text(0, "");
  const size_t at = from_right ? text.rfind(sub) : text.find(sub);
  if (at != text.npos) return Value::integer(static_cast<Int>(begin + code_count(text.substr(0, at))));
  if (missing == Missing::error) fail_render("substring not found");
  return Value::integer(-1);
}

Value count(In in, V self, A args) {
  const Params params("count", args, {"sub", "start", "end"}, 1);
  in.budget().walk(self);
  size_t begin = 0;
  const std::string_view text = window(params, self.as_string(), begin);
  const std::string sub = params.text(0, "");
  if (sub.empty()) return Value::integer(static_cast<Int>(code_count(text)) + 1);
  Int found = 0;
  for (size_t at = 0; (at = text.find(sub, at)) != text.npos; at += sub.size()) ++found;
  return Value::integer(found);
}

template <bool at_end>
Value affix(In in, V self, A args) {
  const std::string_view name = at_end ? "endswith" : "startswith";
  const Params params(name, args, {"prefix", "start", "end"}, 1);
  in.budget().step();
  size_t begin = 0;
  const std::string_view text = window(params, self.as_string(), begin);
  const auto matches = [&](V part) {
    if (!part.is_string()) {
      fail_render("{} first arg must be str or a tuple of str, not {}", name, type_name(part));
    }
    return at_end ? text.ends_with(part.as_string()) : text.starts_with(part.as_string());
  };
  if (!params[0].is(Kind::tuple)) return Value::boolean(matches(params[0]));
  const List& parts = params[0].items();
  return Value::boolean(std::any_of(parts.begin(), parts.end(), matches));
}

template <bool at_end>
Value without_affix(In in, V self, A args) {
  const Params params(at_end ? "removesuffix" : "removeprefix", args, {"affix"}, 1);
  const std::string affix = params.text(0, "");
  const std::string& text = self.as_string();
  if (!(at_end ? text.ends_with(affix) : text.starts_with(affix))) return self;
  return in.text(at_end ? text.substr(0, text.size() - affix.size()) : text.substr(affix.size()));
}

Value replace(In in, V self, A args) {
  const Params params("replace", args, {"old", "new", "count"}, 2);
  params.text(0, ""), params.text(1, "");
  CallArgs filter_args{args.positional, args.named};
  if (params.has(2) && params.integer(2, -1) < 0) filter_args = {{params[0], params[1]}, {}};
  return in.apply_filter("replace", self, filter_args);
}

Value join(In in, V self, A args) {
  const Params params("join", args, {"iterable"}, 1);
  const List items = iterate(in.budget(), params[0]);
  for (size_t i = 0; i < items.size(); ++i) {
    if (!items[i].is_string()) fail_render("sequence item {}: expected str instance, {} found", i, type_name(items[i]));
  }
  CallArgs filter_args{{self}, {}};
  return in.apply_filter("join", Value::list(items), filter_args);
}

enum class Side { left, right, both };

template <Side side>
Value justified(In in, V self, A args) {
  const Params params("center", args, {"width", "fillchar"}, 1);
  const std::string fill = params.text(1, " ");
  if (code_count(fill) != 1) fail_render("The fill character must be exactly one character long");
  const auto size = static_cast<Int>(code_count(self.as_string()));
  const Int missing = std::max<Int>(params.integer(0, 0) - size, 0);
  in.budget().make(static_cast<size_t>(std::min<Int>(missing, Int{1} << 40)) * fill.size());
  // Python puts the odd one of a centred text to the left when the width is odd.
  const Int left = side == Side::left    ? Int{0}
                   : side == Side::right ? missing
                                         : missing / 2 + (missing & params.integer(0, 0) & 1);
  std::string out;
  for (Int i = 0; i < left; ++i) out += fill;
  out += self.as_string();
  for (Int i = left; i < missing; ++i) out += fill;
  return in.text(std::move(out));
}

Value zfill(In in, V self, A args) {
  const Params params("zfill", args, {"width"}, 1);
  const std::string& text = self.as_string();
  const Int missing = std::max<Int>(params.integer(0, 0) - static_cast<Int>(code_count(text)), 0);
  in.budget().make(static_cast<size_t>(std::min<Int>(missing, Int{1} << 40)));
  const size_t sign = text.starts_with('-') || text.starts_with('+') ? 1 : 0;
  return in.text(text.substr(0, sign) + std::string(static_cast<size_t>(missing), '0') + text.substr(sign));
}

Value expandtabs(In in, V self, A args) {
  const Params params("expandtabs", args, {"tabsize"});
  const Int size = std::max<Int>(params.integer(0, 8), 0);
  std::string out;
  Int column = 0;
  for (std::string_view c : characters(self.as_string())) {
    const Int spaces = c == "\t" && size > 0 ? size - column % size : Int{0};
    in.budget().make(static_cast<size_t>(std::min<Int>(spaces, Int{1} << 40)));
    if (c == "\t") out.append(static_cast<size_t>(spaces), ' ');
    else out += c;
    column = c == "\n" || c == "\r" ? 0 : column + (c == "\t" ? spaces : Int{1});
  }
  return in.text(std::move(out));
}

// isalpha() and its like: some characters, and each with one of these properties.
template <uint16_t flags>
Value all_are(In in, V self, A) {
  in.budget().walk(self);
  const std::u32string codes = to_codes(self.as_string());
  return Value::boolean(!codes.empty() && std::all_of(codes.begin(), codes.end(),
                                                      [](char32_t c) { return (char_flags(c) & flags) != 0; }));
}

Value is_title(In, V self, A) {
  bool cased_before = false, some = false;
  for (char32_t code : to_codes(self.as_string())) {
    const uint16_t flags = char_flags(code);
    const bool upper = flags & (kUpperCase | kTitleCase), lower = flags & kLowerCase;
    if ((upper && cased_before) || (lower && !cased_before)) return Value::boolean(false);
    some |= upper || lower;
    cased_before = upper || lower;
  }
  return Value::boolean(some);
}

Value format(In in, V self, A args) {
  const Access access = [&in](V value, V name, bool attribute) {
    return attribute ? in.attribute(value, name.as_string()) : in.item(value, name);
  };
  return in.text(format_braces(in.budget(), self.as_string(), args, access), self.is_markup());
}

}  // namespace

const std::vector<Named>& string_methods() {
  static const std::vector<Named> table = {
      {"strip", stripped<true, true>},
      {"lstrip", stripped<true, false>},
      {"rstrip", stripped<false, true>},
      {"split", split<false>},
      {"rsplit", split<true>},
      {"splitlines",
       [](In in, V self, A args) {
         const Params params("splitlines", args, {"keepends"});
         in.budget().walk(self);
         return list_of(in, split_lines(self.as_string(), params.flag(0, false)));
       }},
      {"partition", partition<false>},
      {"rpartition", partition<true>},
      {"startswith", affix<false>},
      {"endswith", affix<true>},
      {"removeprefix", without_affix<false>},
      {"removesuffix", without_affix<true>},
      {"find", find<false, Missing::minus_one>},
      {"rfind", find<true, Missing::minus_one>},
      {"index", find<false, Missing::error>},
      {"rindex", find<true, Missing::error>},
      {"count", count},
      {"replace", replace},
      {"join", join},
      {"upper", converted<to_upper>},
      {"lower", converted<to_lower>},
      {"title", converted<to_title>},
      {"capitalize", converted<capitalize>},
      {"swapcase", converted<swap_case>},
      {"center", justified<Side::both>},
      {"ljust", justified<Side::left>},
      {"rjust", justified<Side::right>},
      {"zfill", zfill},
      {"expandtabs", expandtabs},
      {"isalpha", all_are<kAlpha>},
      {"isdigit", all_are<kDigit>},
      {"isdecimal", all_are<kDecimal>},
      {"isnumeric", all_are<kNumeric>},
      {"isalnum", all_are<kAlpha | kDecimal | kDigit | kNumeric>},
      {"isspace", all_are<kWhite>},
      {"isupper", [](In in, V self, A args) { return Value::boolean(in.apply_test("upper", self, args)); }},
      {"islower", [](In in, V self, A args) { return Value::boolean(in.apply_test("lower", self, args)); }},
      {"istitle", is_title},
      {"isascii",
       [](In, V self, A) { return Value::boolean(code_count(self.as_string()) == self.as_string().size()); }},
      {"format", format},
  };
  return table;
}

}  // namespace propane::jinja
