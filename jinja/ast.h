// A parsed template.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "jinja/value.h"

namespace propane::jinja {

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

struct Arguments {
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string, ExprPtr>> named;
  ExprPtr list, dict;  // *list and **dict, or null
};

enum class ExprKind : uint8_t {
  constant,                // value
  name,                    // text
  tuple,                   // parts
  list,                    // parts
  dict,                    // parts: key, value, key, value, ...
  attribute,               // parts[0] . text
  item,                    // parts[0] [ parts[1] ]
  slice,                   // parts[0] [ parts[1] : parts[2] : parts[3] ], absent ones null
  call,                    // parts[0] ( arguments )
  filter,                  // parts[0] | text ( arguments ); parts[0] null in a filter block
  test,                    // parts[0] is text ( arguments )
  unary,                   // text ("not", "-", "+") parts[0]
  binary,                  // parts[0] text parts[1]; "and" and "or" too
  compare,                 // parts[0] ops[0] parts[1] ops[1] parts[2] ...
  concat,                  // parts joined by ~
  condition,               // parts[0] if parts[1] else parts[2], the last one perhaps null
  attribute_of_namespace,  // text . value, as a target of set
};

struct Expr {
  ExprKind kind;
  int line;
  int height = 1;  // of the tree below, this one included
  std::string text = {};
  Value value = {};
  std::vector<ExprPtr> parts = {};
  std::vector<std::string> ops = {};
  std::unique_ptr<Arguments> arguments = {};
};

struct Stmt;
using StmtPtr = std::unique_ptr<Stmt>;
using Body = std::vector<StmtPtr>;

// What a macro or the body of a call block takes.
struct Signature {
  std::vector<std::string> names;
  std::vector<ExprPtr> defaults;  // of the last names
  bool uses_caller = false, uses_varargs = false, uses_kwargs = false;
};

enum class StmtKind : uint8_t {
  text,          // text
  output,        // value
  if_,           // value, body, otherwise (an elif is an `if` alone in it)
  for_,          // target in value if test; body, otherwise; recursive
  set,           // target = value
  set_block,     // target = body, through the filter `value` when there is one
  with,          // targets = values; body
  macro,         // text, signature, body
  call_block,    // value (a call), signature, body
  filter_block,  // value (a filter), body
  block,         // body
  scope,         // body, with variables of its own
  break_,
  continue_,
};

struct Stmt {
  StmtKind kind;
  int line;
  std::string text = {};
  ExprPtr target = {}, value = {}, test = {};
  bool recursive = false;
  std::vector<ExprPtr> targets = {}, values = {};
  Body body = {}, otherwise = {};
  std::unique_ptr<Signature> signature = {};
};

}  // namespace propane::jinja
