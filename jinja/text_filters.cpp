// The filters that make text.
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

// What filters do to their input first: soft_str(), a string that keeps being markup.
std::string soft(In in, V value) {
  in.budget().walk(value);
  return to_text(value);
}

template <std::string (*convert)(std::string_view)>
Value converted(In in, V value, A args) {
  const Params params("the filter", args, {});
  return in.text(convert(soft(in, value)), value.is_markup());
}

// Jinja's title: after white space, hyphens and brackets, where Python's is after anything but letters.
std::string words_title(std::string_view text) {
  std::string out, word;
  const auto flush = [&] {
    if (word.empty()) return;
    const size_t first = byte_offset(word, 1);
    out += to_upper(word.substr(0, first)) + to_lower(word.substr(first));
    word.clear();
  };
  for (std::string_view character : characters(text)) {
    const char32_t code = to_codes(character)[0];
    if ((char_flags(code) & kWhite) || code == '-' || code == '(' || code == '{' || code == '[' || code == '<') {
      flush();
      out += character;
    } else {
      word += character;
    }
  }
  flush();
  return out;
}

Value trim(In in, V value, A args) {
  const Params params("trim", args, {"chars"});
  const std::string text = soft(in, value);
  if (!params.has(0) || params[0].is_none())
    return in.text(std::string(strip(text, nullptr, true, true)), value.is_markup());
  const std::string chars = params.text(0, "");
  return in.text(std::string(strip(text, &chars, true, true)), value.is_markup());
}

std::string replaced(In in, const std::string& text, const std::string& from, const std::string& to, Int most) {
  std::string out;
  if (from.empty()) {  // Python puts it before every character and at the end
    const auto parts = characters(text);
    for (size_t i = 0; i <= parts.size(); ++i) {
      if (most < 0 || static_cast<Int>(i) < most) in.budget().make(to.size()), out += to;
      if (i < parts.size()) out += parts[i];
    }
    return out;
  }
  size_t at = 0;
  for (Int count = 0; most < 0 || count < most; ++count) {
    const size_t found = text.find(from, at);
    if (found == text.npos) break;
    in.budget().make(to.size());
    out.append(text, at, found - at) += to;
    at = found + from.size();
  }
  return out.append(text, at, text.npos);
}

Value replace(In in, V value, A args) {
  const Params params("do_replace", args, {"old", "new", "count"}, 2);
  const Int most = params.has(2) && !params[2].is_none() ? params.integer(2, -1) : Int{-1};
  return in.text(replaced(in, soft(in, value), to_text(params[0]), to_text(params[1]), most));
}

Value indent(In in, V value, A args) {
  const Params params("do_indent", args, {"width", "first", "blank"});
  if (value.is_undefined()) fail_undefined(value);
  if (!value.is_string()) fail_render("unsupported operand type(s) for +=: '{}' and 'str'", type_name(value));
  std::string by;
  if (params.has(0) && params[0].is_string()) {
    by = params[0].as_string();
  } else {
    const Int width = std::max<Int>(params.integer(0, 4), 0);
    in.budget().make(static_cast<size_t>(std::min<Int>(width, Int{1} << 40)));
    by.assign(static_cast<size_t>(width), ' ');
  }
  const std::string text = value.as_string() + "\n";
  const auto lines = split_lines(text);
  std::string out = params.flag(1, false) ? by : "";
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) {
      in.budget().make(by.size() + lines[i].size());
      out += "\n";
      if (params.flag(2, false) || !lines[i].empty()) out += by;
    }
    out += lines[i];
  }
  return in.text(std::move(out), value.is_markup());
}

Value tojson(In in, V value, A args) {
  const Params params("tojson", args, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ensure_ascii = params.flag(0, false);
  style.sort_keys = params.flag(3, false);
  if (params.has(1) && !params[1].is_none()) {
    style.item_separator = ",";
    if (params[1].is_string()) {
      style.indent = params[1].as_string();
    } else {
      const Int width = std::max<Int>(params.integer(1, 0), 0);
      in.budget().make(static_cast<size_t>(std::min<Int>(width, Int{1} << 40)));
      style.indent = std::string(static_cast<size_t>(width), ' ');
    }
  }
  if (params.has(2) && !params[2].is_none()) {
    const List separators = iterate(in.budget(), params[2]);
    if (separators.size() != 2 || !separators[0].is_string() || !separators[1].is_string()) {
      fail_render("tojson's separators are two strings, found {}", to_repr(params[2]));
    }
    style.item_separator = separators[0].as_string();
    style.key_separator = separators[1].as_string();
  }
  in.budget().walk(value);
  return in.text(to_json(value, style, in.budget().left()));
}

Value join(In in, V value, A args) {
  const Params params("do_join", args, {"d", "attribute"});
  const std::string between = params.has(0) ? to_text(params[0]) : "";
  List items = iterate(in.budget(), value);
  if (params.has(1) && !params[1].is_none()) {
    CallArgs map_args;
    map_args.named.emplace_back("attribute", params[1]);
    items = iterate(in.budget(), in.apply_filter("map", Value::list(std::move(items)), map_args));
  }
  std::string out;
  for (size_t i = 0; i < items.size(); ++i) {
    in.budget().make(between.size() + items[i].weight());
    in.budget().walk(items[i]);
    if (i > 0) out += between;
    out += to_text(items[i]);
  }
  return in.text(std::move(out));
}

Value center(In in, V value, A args) {
  const Params params("do_center", args, {"width"});
  CallArgs width{{Value::integer(params.integer(0, 80))}, {}};
  return in.call(*find_method(Value::string(soft(in, value)), "center"), width);
}

Value truncate(In in, V value, A args) {
  const Params params("do_truncate", args, {"length", "killwords", "end", "leeway"});
  const std::string text = soft(in, value), end = params.text(2, "...");
  const Int length = params.integer(0, 255), leeway = params.integer(3, 5);
  const auto ending = static_cast<Int>(code_count(end));
  if (length < ending) fail_render("expected length >= {}, got {}", ending, length);
  if (leeway < 0) fail_render("expected leeway >= 0, got {}", leeway);
  if (static_cast<Int>(code_count(text)) <= length + leeway) return value;
  std::string kept = text.substr(0, byte_offset(text, static_cast<size_t>(length - ending)));
  if (!params.flag(1, false)) kept = kept.substr(0, kept.rfind(' '));
  return in.text(kept + end);
}

Value wordcount(In in, V value, A) {
  Int words = 0;
  bool inside = false;
  for (char32_t code : to_codes(soft(in, value))) {
    const bool word = code == '_' || (char_flags(code) & (kAlpha | kDecimal | kDigit | kNumeric)) != 0;
    words += word && !inside;
    inside = word;
  }
  return Value::integer(words);
}

Value urlencode(In in, V value, A) {
  const auto quoted = [](const std::string& text, std::string_view safe) {
    std::string out;
    for (const char c : text) {
      const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                         std::string_view("_.-~").find(c) != std::string_view::npos || safe.find(c) != safe.npos;
      out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return out;
  };
  if (value.is_string() || value.is_number() || value.is_none()) return in.text(quoted(soft(in, value), "/"));
  CallArgs none;
  const Value pairs = value.is(Kind::dict) ? in.call(*find_method(value, "items"), none) : value;
  std::string out;
  for (const Value& pair : iterate(in.budget(), pairs)) {
    const List parts = iterate(in.budget(), pair);
    if (parts.size() != 2) fail_render("urlencode takes pairs, found {}", to_repr(pair));
    std::string part = quoted(to_text(parts[0]), "") + "=" + quoted(to_text(parts[1]), "");
    for (size_t at = 0; (at = part.find("%20", at)) != part.npos;) part.replace(at, 3, "+");
    out += (out.empty() ? "" : "&") + part;
  }
  return in.text(std::move(out));
}

Value format(In in, V value, A args) {
  if (!args.positional.empty() && !args.named.empty()) {
    fail_render("can't handle positional and keyword arguments at the same time");
  }
  if (args.named.empty()) return format_percent(in.budget(), in.text(soft(in, value)), Value::tuple(args.positional));
  Dict named;
  for (const auto& [name, item] : args.named) named.set(name, item);
  return format_percent(in.budget(), in.text(soft(in, value)), Value::dict(std::move(named)));
}

}  // namespace

const std::vector<Named>& text_filters() {
  static const std::vector<Named> table = {
      {"upper", converted<to_upper>},
      {"lower", converted<to_lower>},
      {"capitalize", converted<capitalize>},
      {"title", converted<words_title>},
      {"trim", trim},
      {"replace", replace},
      {"indent", indent},
      {"tojson", tojson},
      {"join", join},
      {"center", center},
      {"truncate", truncate},
      {"wordcount", wordcount},
      {"urlencode", urlencode},
      {"format", format},
      {"string", [](In in, V v, A) { return v.is_string() ? v : in.text(soft(in, v)); }},
      {"safe", [](In in, V v, A) { return in.text(soft(in, v), true); }},
      {"escape", [](In in, V v, A) { return in.budget().walk(v), escape_html(v); }},
      {"forceescape", [](In in, V v, A) { return escape_html(Value::string(soft(in, v))); }},
  };
  return table;
}

}  // namespace propane::jinja
