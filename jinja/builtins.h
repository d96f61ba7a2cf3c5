// The filters, tests, functions and methods of Jinja's sandbox as transformers sets it up: each a function of the value
// that it is applied to and the arguments, throwing RenderError with Python's message.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jinja/value.h"

namespace propane::jinja {

class Budget;

using Builtin = Value (*)(Interpreter& in, const Value& self, CallArgs& args);

struct Named {
  std::string_view name;
  Builtin call;
};

// Null when there is none of that name.
Builtin find_filter(std::string_view name);
Builtin find_test(std::string_view name);
Builtin find_function(std::string_view name);

// A method of the value's type; none when it has no method of that name.
std::optional<Value> find_method(const Value& self, std::string_view name);

// The tables that find_filter() and find_method() look into, by subject.
const std::vector<Named>& text_filters();
const std::vector<Named>& list_filters();
const std::vector<Named>& number_filters();
const std::vector<Named>& string_methods();

// A call's arguments by the names of a Python signature: `names` in order, the first `required` of them without a
// default. Throws RenderError for what is missing, too much, unknown or given twice.
class Params {
 public:
  Params(std::string_view function, CallArgs& args, std::initializer_list<std::string_view> names, size_t required = 0);

  bool has(size_t i) const { return values_[i] != nullptr; }
  const Value& operator[](size_t i) const { return *values_[i]; }
  bool flag(size_t i, bool absent) const { return has(i) ? truth(*values_[i]) : absent; }
  Value value(size_t i, Value absent) const { return has(i) ? *values_[i] : absent; }
  // Throw RenderError for another type.
  Int integer(size_t i, Int absent) const;
  std::string text(size_t i, std::string absent) const;

 private:
  std::string function_;
  std::vector<const Value*> values_;
};

// strftime() of the rendering's clock: strftime_now's format is the C library's, in the C locale.
Value strftime_now(Interpreter& in, const Value& self, CallArgs& args);

}  // namespace propane::jinja
