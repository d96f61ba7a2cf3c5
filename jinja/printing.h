// Values as text, the way Python writes them: str(), repr() and json.dumps().
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "jinja/value.h"

namespace propane::jinja {

// str(value).
std::string to_text(const Value& value);

// repr(value).
std::string to_repr(const Value& value);

// repr() of a float: the shortest digits that give it back, an exponent below 1e-4 and from 1e16 on.
std::string real_repr(double value);

// repr() of a string: single quotes unless only double ones need no escape, what cannot be printed escaped.
std::string quoted_repr(std::string_view text);

struct JsonStyle {
  bool ensure_ascii = false;
  std::optional<std::string> indent;  // one level of it; none puts everything on one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool sort_keys = false;
};

// json.dumps(value). Throws RenderError for what JSON cannot say, and when the text grows past `most` bytes.
std::string to_json(const Value& value, const JsonStyle& style, size_t most);

}  // namespace propane::jinja
