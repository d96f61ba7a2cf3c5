// Python's three ways of formatting: "%s" % value, "{}".format(value), and the specifications after a colon in it.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "jinja/budget.h"
#include "jinja/value.h"

namespace propane::jinja {

// text % values. Throws RenderError as Python does.
Value format_percent(Budget& budget, const Value& text, const Value& values);

// format(value, specification): "{:>8.2f}" has the specification ">8.2f".
std::string format_value(Budget& budget, const Value& value, std::string_view specification);

// A step into a value: value.name or value[name].
using Access = std::function<Value(const Value& value, const Value& name, bool attribute)>;

// text.format(*positional, **named).
std::string format_braces(Budget& budget, std::string_view text, const CallArgs& args, const Access& access);

}  // namespace propane::jinja
