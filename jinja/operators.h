// Python's operators on values. Each throws RenderError with Python's message for kinds that it does not take.
#pragma once

#include <string_view>

#include "jinja/budget.h"
#include "jinja/value.h"

namespace propane::jinja {

// One of + - * / // % **.
Value arithmetic(Budget& budget, std::string_view op, const Value& a, const Value& b);

Value negate(const Value& value);

// One of == != < <= > >=.
bool compare(std::string_view op, const Value& a, const Value& b);

// item in container.
bool contains(const Value& container, const Value& item);

// len(value).
size_t length_of(const Value& value);

// What iterating over the value gives, as a list; an iterator is used up.
List iterate(Budget& budget, const Value& value);

// value[start:stop:step]; each bound None or a number.
Value slice(Budget& budget, const Value& value, const Value& start, const Value& stop, const Value& step);

// An index of Python (negative: from the end) into `size` items; `size` when it is outside.
size_t index_of(const Value& index, size_t size);

// range(start, stop, step); as many items as the sandbox allows, 100,000.
Value make_range(Budget& budget, Int start, Int stop, Int step);

// HTML's &, <, >, ' and " as entities; what is markup already stays as it is. The result is markup.
Value escape_html(const Value& value);

}  // namespace propane::jinja
