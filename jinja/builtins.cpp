#include "jinja/builtins.h"

#include <algorithm>
#include <cmath>

#include "jinja/interpreter.h"
#include "jinja/operators.h"
#include "jinja/printing.h"
#include "jinja/unicode.h"

namespace propane::jinja {

namespace {

Builtin find_in(const std::vector<Named>& table, std::string_view name) {
  for (const Named& named : table)
    if (named.name == name) return named.call;
  return nullptr;
}

Value yes(bool value) { return Value::boolean(value); }

const Value& only(CallArgs& args, std::string_view test) {
  if (args.positional.size() != 1 || !args.named.empty()) fail_render("the test {} takes one argument", test);
  return args.positional[0];
}

template <typename Compare>
Value compared(Interpreter& in, const Value& self, CallArgs& args, Compare&& compare_them) {
  const Value& other = only(args, "of a comparison");
  in.budget().walk(self);
  in.budget().walk(other);
  return yes(compare_them(self, other));
}

bool remainder_is(Interpreter& in, const Value& value, Int divisor, Int rest) {
  return equal(arithmetic(in.budget(), "%", value, Value::integer(divisor)), Value::integer(rest));
}

// islower() and isupper(): some cased letters, and all of them of this case.
bool all_cased(const std::string& text, uint16_t wanted) {
  bool some = false;
  for (char32_t code : to_codes(text)) {
    const uint16_t flags = char_flags(code);
    if ((flags & (kUpperCase | kLowerCase | kTitleCase) & ~wanted) != 0) return false;
    some |= (flags & wanted) != 0;
  }
  return some;
}

bool is_iterable(const Value& value) {
  switch (value.kind()) {
    case Kind::none:
    case Kind::boolean:
    case Kind::integer:
    case Kind::real:
    case Kind::function: return false;
    case Kind::object: return dynamic_cast<Loop*>(value.as_object()) != nullptr;
    default: return true;
  }
}

const std::vector<Named>& tests() {
  using In = Interpreter&;
  using V = const Value&;
  using A = CallArgs&;
  static const std::vector<Named> table = {
      {"defined", [](In, V v, A) { return yes(!v.is_undefined()); }},
      {"undefined", [](In, V v, A) { return yes(v.is_undefined()); }},
      {"none", [](In, V v, A) { return yes(v.is_none()); }},
      {"boolean", [](In, V v, A) { return yes(v.is(Kind::boolean)); }},
      {"true", [](In, V v, A) { return yes(v.is(Kind::boolean) && v.as_boolean()); }},
      {"false", [](In, V v, A) { return yes(v.is(Kind::boolean) && !v.as_boolean()); }},
      {"integer", [](In, V v, A) { return yes(v.is(Kind::integer)); }},
      {"float", [](In, V v, A) { return yes(v.is(Kind::real)); }},
      {"number", [](In, V v, A) { return yes(v.is_number()); }},
      {"string", [](In, V v, A) { return yes(v.is_string()); }},
      {"mapping", [](In, V v, A) { return yes(v.is(Kind::dict)); }},
      {"iterable", [](In, V v, A) { return yes(is_iterable(v)); }},
      {"sequence",
       [](In, V v, A) { return yes(v.is_sequence() || v.is_string() || v.is(Kind::dict) || v.is_undefined()); }},
      {"callable",
       [](In, V v, A) {
         return yes(v.is(Kind::function) || v.is_undefined() ||
                    (v.is(Kind::object) && !dynamic_cast<Namespace*>(v.as_object())));
       }},
      {"escaped", [](In, V v, A) { return yes(v.is_markup()); }},
      {"odd", [](In in, V v, A) { return yes(remainder_is(in, v, 2, 1)); }},
      {"even", [](In in, V v, A) { return yes(remainder_is(in, v, 2, 0)); }},
      {"divisibleby",
       [](In in, V v, A a) {
         return yes(equal(arithmetic(in.budget(), "%", v, only(a, "divisibleby")), Value::integer(0)));
       }},
      {"lower", [](In, V v, A) { return yes(all_cased(to_text(v), kLowerCase)); }},
      {"upper", [](In, V v, A) { return yes(all_cased(to_text(v), kUpperCase)); }},
      {"sameas", [](In, V v, A a) { return yes(v.same_as(only(a, "sameas"))); }},
      {"filter", [](In, V v, A) { return yes(v.is_string() && find_filter(v.as_string()) != nullptr); }},
      {"test", [](In, V v, A) { return yes(v.is_string() && find_test(v.as_string()) != nullptr); }},
      {"in", [](In in, V v, A a) { return compared(in, v, a, [](V x, V y) { return contains(y, x); }); }},
      {"eq", [](In in, V v, A a) { return compared(in, v, a, [](V x, V y) { return equal(x, y); }); }},
      {"ne", [](In in, V v, A a) { return compared(in, v, a, [](V x, V y) { return !equal(x, y); }); }},
      {"lt", [](In in, V v, A a) { return compared(in, v, a, [](V x, V y) { return compare("<", x, y); }); }},
      {"le", [](In in, V v, A a) { return compared(in, v, a, [](V x, V y) { return compare("<=", x, y); }); }},
      {"gt", [](In in, V v, A a) { return compared(in, v, a, [](V x, V y) { return compare(">", x, y); }); }},
      {"ge", [](In in, V v, A a) { return compared(in, v, a, [](V x, V y) { return compare(">=", x, y); }); }},
  };
  return table;
}

Value dict_of(Interpreter& in, const CallArgs& args) {
  if (args.positional.size() > 1) fail_render("dict expected at most 1 argument, got {}", args.positional.size());
  Dict dict;
  if (!args.positional.empty()) {
    const Value& from = args.positional[0];
    if (from.is(Kind::dict)) {
      dict = from.as_dict();
    } else {
      for (const Value& pair : iterate(in.budget(), from)) {
        const List items = iterate(in.budget(), pair);
        if (items.size() != 2) {
          fail_render("dictionary update sequence element #{} has length {}; 2 is required", dict.size(), items.size());
        }
        dict.set(items[0], items[1]);
      }
    }
  }
  for (const auto& [name, value] : args.named) dict.set(name, value);
  in.budget().make(dict.size() * sizeof(Dict::Item));
  return Value::dict(std::move(dict));
}

Value make_namespace(Interpreter& in, const Value&, CallArgs& args) {
  Dict attributes = dict_of(in, args).as_dict();
  for (const auto& [name, value] : attributes.items()) {
    if (!name.is_string() || !name.as_string().starts_with("_")) continue;
    fail_render(
        "Chat templates cannot store underscore-prefixed attributes on a namespace, but got {}. Please rename "
        "the attribute.",
        to_repr(name));
  }
  auto* result = in.create<Namespace>();
  result->attributes = std::move(attributes);
  return Value::object(result);
}

Value range_of(Interpreter& in, const Value&, CallArgs& args) {
  const List& bounds = args.positional;
  if (!args.named.empty()) fail_render("range() takes no keyword arguments");
  if (bounds.empty() || bounds.size() > 3) fail_render("range expected 1 to 3 arguments, got {}", bounds.size());
  for (const Value& bound : bounds) {
    if (!bound.is_integral()) fail_render("'{}' object cannot be interpreted as an integer", type_name(bound));
  }
  if (bounds.size() == 1) return make_range(in.budget(), 0, bounds[0].as_integer(), 1);
  const Int step = bounds.size() == 3 ? bounds[2].as_integer() : Int{1};
  return make_range(in.budget(), bounds[0].as_integer(), bounds[1].as_integer(), step);
}

const std::vector<Named>& functions() {
  static const std::vector<Named> table = {
      {"range", range_of},
      {"namespace", make_namespace},
      {"dict", [](Interpreter& in, const Value&, CallArgs& args) { return dict_of(in, args); }},
      {"raise_exception",
       [](Interpreter&, const Value&, CallArgs& args) -> Value {
         const Params params("raise_exception", args, {"message"}, 1);
         fail_render("{}", to_text(params[0]));
       }},
      {"strftime_now", strftime_now},
  };
  return table;
}

Value view_of(const Value& self, std::string_view which) {
  List items;
  for (const auto& [key, value] : self.as_dict().items()) {
    items.push_back(which == "dict_keys" ? key : which == "dict_values" ? value : Value::tuple({key, value}));
  }
  return Value::view(std::move(items), std::string(which));
}

Value dict_view(Interpreter& in, const Value& self, CallArgs& args, std::string_view which) {
  if (!args.positional.empty() || !args.named.empty()) {
    fail_render("dict.{}() takes no arguments ({} given)", which.substr(5), args.positional.size() + args.named.size());
  }
  in.budget().make(self.as_dict().size() * 2 * sizeof(Value));
  in.budget().step(static_cast<int64_t>(self.as_dict().size() / 8));
  return view_of(self, which);
}

const std::vector<Named>& dict_methods() {
  using In = Interpreter&;
  using V = const Value&;
  using A = CallArgs&;
  static const std::vector<Named> table = {
      {"keys", [](In in, V v, A a) { return dict_view(in, v, a, "dict_keys"); }},
      {"values", [](In in, V v, A a) { return dict_view(in, v, a, "dict_values"); }},
      {"items", [](In in, V v, A a) { return dict_view(in, v, a, "dict_items"); }},
      {"copy", [](In, V v, A) { return v; }},
      {"get",
       [](In, V v, A a) {
         if (!a.named.empty()) fail_render("dict.get() takes no keyword arguments");
         if (a.positional.empty() || a.positional.size() > 2) {
           fail_render("get expected 1 or 2 arguments, got {}", a.positional.size());
         }
         const Value* found = v.as_dict().find(a.positional[0]);
         return found ? *found : a.positional.size() > 1 ? a.positional[1] : Value();
       }},
  };
  return table;
}

const std::vector<Named>& list_methods() {
  static const std::vector<Named> table = {
      {"count",
       [](Interpreter& in, const Value& self, CallArgs& args) {
         const Params params("count", args, {"value"}, 1);
         in.budget().walk(self);
         return Value::integer(std::count_if(self.items().begin(), self.items().end(),
                                             [&](const Value& item) { return equal(item, params[0]); }));
       }},
      {"index",
       [](Interpreter& in, const Value& self, CallArgs& args) {
         const Params params("index", args, {"value"}, 1);
         in.budget().walk(self);
         for (size_t i = 0; i < self.items().size(); ++i)
           if (equal(self.items()[i], params[0])) return Value::integer(static_cast<Int>(i));
         fail_render("{} is not in {}", to_repr(params[0]), type_name(self));
       }},
      {"copy", [](Interpreter&, const Value& self, CallArgs&) { return self; }},
  };
  return table;
}

Value is_whole(Interpreter&, const Value& self, CallArgs&) {
  return yes(std::trunc(self.as_real()) == self.as_real() && std::isfinite(self.as_real()));
}

}  // namespace

Builtin find_filter(std::string_view name) {
  if (name == "d") name = "default";
  if (name == "e") name = "escape";
  if (name == "count") name = "length";
  for (const auto* table : {&text_filters(), &list_filters(), &number_filters()})
    if (const Builtin found = find_in(*table, name)) return found;
  return nullptr;
}

Builtin find_test(std::string_view name) {
  static constexpr std::pair<std::string_view, std::string_view> kOtherNames[] = {
      {"==", "eq"}, {"equalto", "eq"}, {"!=", "ne"}, {">", "gt"},       {"greaterthan", "gt"},
      {">=", "ge"}, {"<", "lt"},       {"<=", "le"}, {"lessthan", "lt"}};
  for (const auto& [other, meant] : kOtherNames)
    if (name == other) return find_in(tests(), meant);
  return find_in(tests(), name);
}

Builtin find_function(std::string_view name) { return find_in(functions(), name); }

std::optional<Value> find_method(const Value& self, std::string_view name) {
  Builtin found = nullptr;
  switch (self.kind()) {
    case Kind::string: found = find_in(string_methods(), name); break;
    case Kind::dict: found = find_in(dict_methods(), name); break;
    case Kind::list: found = find_in(list_methods(), name); break;
    case Kind::tuple:
    case Kind::range: found = name == "copy" ? nullptr : find_in(list_methods(), name); break;
    case Kind::real: found = name == "is_integer" ? is_whole : nullptr; break;
    default: break;
  }
  if (!found) return std::nullopt;
  return Value::function({std::string(name), self, found});
}

Params::Params(std::string_view function, CallArgs& args, std::initializer_list<std::string_view> names,
               size_t required)
    : function_(function), values_(names.size(), nullptr) {
  if (names.size() == 0 && args.positional.size() + args.named.size() > 0) {
    fail_render("{}() takes no arguments ({} given)", function, args.positional.size() + args.named.size());
  }
  if (args.positional.size() > names.size()) {
    fail_render("{}() takes at most {} arguments ({} given)", function, names.size(), args.positional.size());
  }
  for (size_t i = 0; i < args.positional.size(); ++i) values_[i] = &args.positional[i];
  for (const auto& [name, value] : args.named) {
    const auto at = static_cast<size_t>(std::find(names.begin(), names.end(), name) - names.begin());
    if (at == names.size()) fail_render("{}() got an unexpected keyword argument '{}'", function, name);
    if (values_[at]) fail_render("{}() got multiple values for argument '{}'", function, name);
    values_[at] = &value;
  }
  for (size_t i = 0; i < required; ++i) {
    if (!values_[i]) fail_render("{}() missing 1 required positional argument: '{}'", function, names.begin()[i]);
  }
}

Int Params::integer(size_t i, Int absent) const {
  if (!has(i)) return absent;
  const Value& value = *values_[i];
  if (value.is_undefined()) fail_undefined(value);
  if (!value.is_integral()) fail_render("'{}' object cannot be interpreted as an integer", type_name(value));
  return value.as_integer();
}

std::string Params::text(size_t i, std::string absent) const {
  if (!has(i)) return absent;
  const Value& value = *values_[i];
  if (!value.is_string()) fail_render("{}() argument {} must be str, not {}", function_, i + 1, type_name(value));
  return value.as_string();
}

Value strftime_now(Interpreter& in, const Value&, CallArgs& args) {
  const Params params("strftime_now", args, {"format"}, 1);
  const std::string format = params.text(0, "");
  const std::tm now = in.now();
  if (format.empty()) return Value::string("");
  // strftime() says only that its buffer was too small, also for a text that is rightly empty: a mark makes it not so.
  const std::string marked = format + "x";
  std::string out(format.size() * 4 + 256, '\0');
  while (out.size() < format.size() * 256 + 4096) {
    in.budget().make(out.size());
    if (const size_t size = std::strftime(out.data(), out.size(), marked.c_str(), &now)) {
      out.resize(size - 1);
      return in.text(std::move(out));
    }
    out.resize(out.size() * 2);
  }
  fail_render("strftime_now makes too long a text of {}", quoted_repr(format));
}

}  // namespace propane::jinja
