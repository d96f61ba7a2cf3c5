#include "jinja/printing.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/utf8.h"
#include "jinja/operators.h"
#include "jinja/unicode.h"

namespace propane::jinja {

namespace {

void append_repr(const Value& value, std::string& out);

void append_items(const List& items, std::string& out) {
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += ", ";
    append_repr(items[i], out);
  }
}

void append_dict(const Dict& dict, std::string& out) {
  out += '{';
  bool first = true;
  for (const auto& [key, value] : dict.items()) {
    if (!first) out += ", ";
    first = false;
    append_repr(key, out);
    out += ": ";
    append_repr(value, out);
  }
  out += '}';
}

void append_object(const Value& value, std::string& out) {
  // A namespace may hold itself, so its content is not walked into.
  out += fmt::format("<{}>", value.is(Kind::object) ? value.as_object()->type_name() : "generator object");
}

void append_repr(const Value& value, std::string& out) {
  switch (value.kind()) {
    case Kind::undefined: out += "Undefined"; break;
    case Kind::none: out += "None"; break;
    case Kind::boolean: out += value.as_boolean() ? "True" : "False"; break;
    case Kind::integer: out += fmt::format("{}", value.as_integer()); break;
    case Kind::real: out += real_repr(value.as_real()); break;
    case Kind::string:
      out += value.is_markup() ? "Markup(" + quoted_repr(value.as_string()) + ")" : quoted_repr(value.as_string());
      break;
    case Kind::list:
      out += '[';
      append_items(value.items(), out);
      out += ']';
      break;
    case Kind::tuple:
      out += '(';
      append_items(value.items(), out);
      out += value.items().size() == 1 ? ",)" : ")";
      break;
    case Kind::range: out += value.sequence_name(); break;
    case Kind::dict: append_dict(value.as_dict(), out); break;
    case Kind::view:
      out += value.sequence_name() + "([";
      append_items(value.items(), out);
      out += "])";
      break;
    case Kind::function: out += fmt::format("<built-in method {}>", value.as_function().name); break;
    case Kind::iterator:
    case Kind::object: append_object(value, out); break;
  }
}

void append_json_string(std::string_view text, bool ensure_ascii, std::string& out) {
  out += '"';
  for (size_t at = 0; at < text.size();) {
    int length = 0;
    const char32_t code = utf8_code(text.data() + at, length);
    if (code == '"') out += "\\\"";
    else if (code == '\\') out += "\\\\";
    else if (code == '\n') out += "\\n";
    else if (code == '\r') out += "\\r";
    else if (code == '\t') out += "\\t";
    else if (code == '\f') out += "\\f";
    else if (code == '\b') out += "\\b";
    else if (code < 0x20 || (ensure_ascii && code >= 0x7F && code <= 0xFFFF)) {
      out += fmt::format("\\u{:04x}", static_cast<uint32_t>(code));
    } else if (ensure_ascii && code > 0xFFFF) {
      const auto rest = static_cast<uint32_t>(code) - 0x10000;
      out += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF));
    } else {
      out.append(text, at, static_cast<size_t>(length));
    }
    at += static_cast<size_t>(length);
  }
  out += '"';
}

class JsonWriter {
 public:
  JsonWriter(const JsonStyle& style, size_t most) : style_(style), most_(most) {}

  std::string write(const Value& value) {
    append(value, 0);
    return std::move(out_);
  }

 private:
  void append(const Value& value, int level) {
    if (out_.size() > most_) fail_render("tojson makes a text of more than {} bytes", most_);
    switch (value.kind()) {
      case Kind::none: out_ += "null"; break;
      case Kind::boolean: out_ += value.as_boolean() ? "true" : "false"; break;
      case Kind::integer: out_ += fmt::format("{}", value.as_integer()); break;
      case Kind::real: out_ += number(value.as_real()); break;
      case Kind::string: append_json_string(value.as_string(), style_.ensure_ascii, out_); break;
      case Kind::list:
      case Kind::tuple: append_list(value.items(), level); break;
      case Kind::dict: append_dict(value.as_dict(), level); break;
      default: fail_render("Object of type {} is not JSON serializable", type_name(value));
    }
  }

  static std::string number(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
    return real_repr(value);
  }

  void new_line(int level) {
    if (!style_.indent) return;
    out_ += '\n';
    if (static_cast<size_t>(level) * style_.indent->size() > most_) fail_render("tojson indents too far");
    for (int i = 0; i < level; ++i) out_ += *style_.indent;
  }

  void append_list(const List& items, int level) {
    if (items.empty()) {
      out_ += "[]";
      return;
    }
    out_ += '[';
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_ += style_.item_separator;
      new_line(level + 1);
      append(items[i], level + 1);
    }
    new_line(level);
    out_ += ']';
  }

  // A key as a string: json.dumps() takes strings, numbers, booleans and None.
  static std::string key_text(const Value& key) {
    switch (key.kind()) {
      case Kind::string: return key.as_string();
      case Kind::none: return "null";
      case Kind::boolean: return key.as_boolean() ? "true" : "false";
      case Kind::integer: return fmt::format("{}", key.as_integer());
      case Kind::real: return number(key.as_real());
      default: fail_render("keys must be str, int, float, bool or None, not {}", type_name(key));
    }
  }

  void append_dict(const Dict& dict, int level) {
    if (dict.size() == 0) {
      out_ += "{}";
      return;
    }
    std::vector<const Dict::Item*> items;
    for (const auto& item : dict.items()) items.push_back(&item);
    if (style_.sort_keys) {
      std::stable_sort(items.begin(), items.end(),
                       [](const auto* a, const auto* b) { return compare("<", a->first, b->first); });
    }
    out_ += '{';
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_ += style_.item_separator;
      new_line(level + 1);
      append_json_string(key_text(items[i]->first), style_.ensure_ascii, out_);
      out_ += style_.key_separator;
      append(items[i]->second, level + 1);
    }
    new_line(level);
    out_ += '}';
  }

  const JsonStyle& style_;
  size_t most_;
  std::string out_;
};

}  // namespace

std::string to_text(const Value& value) {
  if (value.is_string()) return value.as_string();
  if (value.is_undefined()) return "";
  return to_repr(value);
}

std::string to_repr(const Value& value) {
  std::string out;
  append_repr(value, out);
  return out;
}

std::string real_repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  const std::string_view shortest(buffer, static_cast<size_t>(end - buffer));
  const size_t mark = shortest.find('e');
  const int exponent = std::atoi(std::string(shortest.substr(mark + 1)).c_str());
  if (exponent < -4 || exponent >= 16)
    return std::string(shortest);  // Python, too, writes two digits of exponent at least
  const auto fixed = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed).ptr;
  std::string text(buffer, fixed);
  if (text.find('.') == text.npos) text += ".0";
  return text;
}

std::string quoted_repr(std::string_view text) {
  const bool double_quotes = text.find('\'') != text.npos && text.find('"') == text.npos;
  const char quote = double_quotes ? '"' : '\'';
  std::string out(1, quote);
  for (size_t at = 0; at < text.size();) {
    int length = 0;
    const char32_t code = utf8_code(text.data() + at, length);
    const auto number = static_cast<uint32_t>(code);
    if (code == static_cast<char32_t>(quote) || code == '\\') out += fmt::format("\\{}", static_cast<char>(code));
    else if (code == '\n') out += "\\n";
    else if (code == '\r') out += "\\r";
    else if (code == '\t') out += "\\t";
    else if (char_flags(code) & kPrintable) out.append(text, at, static_cast<size_t>(length));
    else if (code < 0x100) out += fmt::format("\\x{:02x}", number);
    else if (code < 0x10000) out += fmt::format("\\u{:04x}", number);
    else out += fmt::format("\\U{:08x}", number);
    at += static_cast<size_t>(length);
  }
  return out + quote;
}

std::string to_json(const Value& value, const JsonStyle& style, size_t most) {
  return JsonWriter(style, most).write(value);
}

}  // namespace propane::jinja
