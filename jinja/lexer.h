// A template's text as tokens, by the rules of Jinja's lexer with trim_blocks and lstrip_blocks on.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "jinja/value.h"

namespace propane::jinja {

enum class TokenKind : uint8_t {
  data,
  block_begin,
  block_end,
  variable_begin,
  variable_end,
  name,
  string,
  integer,
  real,
  op,
  end
};

struct Token {
  TokenKind kind;
  int line;
  std::string text;  // of data, names and operators; a string's content with its escapes resolved
  Value number = {};
};

// All tokens; the last is `end`. Throws RenderError; `line` then holds the line that it is about.
std::vector<Token> tokenize(std::string_view source, int& line);

// How messages call a token: "end of print statement", or its text.
std::string describe(const Token& token);

}  // namespace propane::jinja
