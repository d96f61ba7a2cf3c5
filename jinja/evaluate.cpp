// Expressions.
#include "jinja/interpreter.h"
#include "jinja/operators.h"
#include "jinja/printing.h"
#include "jinja/unicode.h"

namespace propane::jinja {

namespace {

// jinja2.utils.object_type_repr: how messages call what has no such attribute.
std::string described(const Value& value) {
  if (value.is_none()) return "None";
  return type_name(value) + " object";
}

Value missing_member(const Value& value, const Value& key) {
  if (!key.is_string()) return Value::undefined(fmt::format("{} has no element {}", described(value), to_repr(key)));
  return Value::undefined(fmt::format("'{}' has no attribute {}", described(value), quoted_repr(key.as_string())));
}

// What the sandbox hides: the inside of Python's objects, and the methods that would change a list or a dict.
bool is_unsafe(const Value& value, std::string_view name) {
  static constexpr std::string_view kListMethods[] = {"append", "clear",  "pop",  "reverse",
                                                      "insert", "extend", "sort", "remove"};
  static constexpr std::string_view kDictMethods[] = {"clear", "pop", "popitem", "setdefault", "update"};
  const auto among = [&](const auto& names) {
    return std::find(std::begin(names), std::end(names), name) != std::end(names);
  };
  if (value.is(Kind::list) && among(kListMethods)) return true;
  if (value.is(Kind::dict) && among(kDictMethods)) return true;
  static constexpr std::string_view kInternals[] = {"__class__",        "__dict__",      "__doc__",  "__init__",
                                                    "__globals__",      "__len__",       "__iter__", "__getitem__",
                                                    "__getattribute__", "__subclasses__"};
  return among(kInternals);
}

Value unsafe_member(const Value& value, const std::string& name) {
  return Value::undefined(
      fmt::format("access to attribute {} of '{}' object is unsafe.", quoted_repr(name), type_name(value)));
}

// Python's getattr(): none when there is no such attribute.
std::optional<Value> find_attribute(const Value& value, const std::string& name) {
  if (value.is(Kind::object)) {
    const Value* found = value.as_object()->attribute(name);
    return found ? std::optional<Value>(*found) : std::nullopt;
  }
  if (is_unsafe(value, name)) return unsafe_member(value, name);
  return find_method(value, name);
}

// Python's value[key]: none for a TypeError or LookupError.
std::optional<Value> find_item(Interpreter& in, const Value& value, const Value& key) {
  if (value.is(Kind::dict)) {
    if (key.is(Kind::list) || key.is(Kind::dict)) return std::nullopt;
    const Value* found = value.as_dict().find(key);
    return found ? std::optional<Value>(*found) : std::nullopt;
  }
  if (!key.is_integral()) return std::nullopt;
  if (value.is_sequence()) {
    const size_t at = index_of(key, value.items().size());
    return at < value.items().size() ? std::optional<Value>(value.items()[at]) : std::nullopt;
  }
  if (!value.is_string()) return std::nullopt;
  const std::string& text = value.as_string();
  in.budget().step(static_cast<int64_t>(text.size() / 256));
  const size_t size = code_count(text), at = index_of(key, size);
  if (at >= size) return std::nullopt;
  const size_t begin = byte_offset(text, at);
  return in.text(text.substr(begin, byte_offset(std::string_view(text).substr(begin), 1)));
}

}  // namespace

Value Interpreter::attribute(const Value& value, const std::string& name) {
  if (value.is_undefined()) fail_undefined(value);
  if (auto found = find_attribute(value, name)) return *found;
  const Value key = Value::string(name);
  if (auto found = find_item(*this, value, key)) return *found;
  return missing_member(value, key);
}

Value Interpreter::item(const Value& value, const Value& key) {
  if (value.is_undefined()) fail_undefined(value);
  if (auto found = find_item(*this, value, key)) return *found;
  if (key.is_string()) {
    if (auto found = find_attribute(value, key.as_string())) return *found;
  }
  return missing_member(value, key);
}

Value Interpreter::call(const Value& callee, CallArgs& args) {
  const Budget::Level level(budget_);
  budget_.step();
  if (callee.is_undefined()) fail_undefined(callee);
  if (callee.is(Kind::function)) return callee.as_function().call(*this, callee.as_function().self, args);
  if (callee.is(Kind::object)) {
    if (auto* macro = dynamic_cast<Macro*>(callee.as_object())) return invoke(*macro, args);
    if (auto* loop = dynamic_cast<Loop*>(callee.as_object())) return loop->call(args);
  }
  fail_render("'{}' object is not callable", type_name(callee));
}

Value Interpreter::apply_filter(const std::string& name, const Value& value, CallArgs& args) {
  const Builtin filter = find_filter(name);
  if (!filter) fail_render("No filter named {}.", quoted_repr(name));
  const Budget::Level level(budget_);
  budget_.step();
  return filter(*this, value, args);
}

bool Interpreter::apply_test(const std::string& name, const Value& value, CallArgs& args) {
  const Builtin test = find_test(name);
  if (!test) fail_render("No test named {}.", quoted_repr(name));
  budget_.step();
  return truth(test(*this, value, args));
}

Value Interpreter::evaluate(const Expr& expr, Scope* scope) {
  const Budget::Level level(budget_);
  budget_.step();
  switch (expr.kind) {
    case ExprKind::constant: return expr.value;
    case ExprKind::name: return evaluate_name(expr, scope);
    case ExprKind::tuple: return Value::tuple(evaluate_parts(expr, scope));
    case ExprKind::list: return Value::list(evaluate_parts(expr, scope));
    case ExprKind::dict: return Value::dict(evaluate_dict(expr, scope));
    case ExprKind::attribute: {
      const Value value = evaluate(*expr.parts[0], scope);
      line_ = expr.line;
      return attribute(value, expr.text);
    }
    case ExprKind::item: {
      const Value value = evaluate(*expr.parts[0], scope), key = evaluate(*expr.parts[1], scope);
      line_ = expr.line;
      return item(value, key);
    }
    case ExprKind::slice: return evaluate_slice(expr, scope);
    case ExprKind::call: {
      const Value callee = evaluate(*expr.parts[0], scope);
      CallArgs args = evaluate_arguments(*expr.arguments, scope);
      line_ = expr.line;
      return call(callee, args);
    }
    case ExprKind::filter: return evaluate_filter(expr, scope);
    case ExprKind::test: {
      const Value value = evaluate(*expr.parts[0], scope);
      CallArgs args = evaluate_arguments(*expr.arguments, scope);
      line_ = expr.line;
      if (!find_test(expr.text)) fail_render("No test named {} found.", quoted_repr(expr.text));
      return Value::boolean(apply_test(expr.text, value, args));
    }
    case ExprKind::unary: {
      const Value value = evaluate(*expr.parts[0], scope);
      line_ = expr.line;
      if (expr.text == "not") return Value::boolean(!truth(value));
      if (expr.text == "-") return negate(value);
      if (value.is_undefined()) fail_undefined(value);
      if (!value.is_number()) fail_render("bad operand type for unary +: '{}'", type_name(value));
      return value.is_integral() ? Value::integer(value.as_integer()) : value;
    }
    case ExprKind::binary: return evaluate_binary(expr, scope);
    case ExprKind::compare: return evaluate_compare(expr, scope);
    case ExprKind::concat: {
      std::string joined;
      for (const Value& part : evaluate_parts(expr, scope)) {
        budget_.walk(part);
        joined += to_text(part);
      }
      return text(std::move(joined));
    }
    case ExprKind::condition:
      if (truth(evaluate(*expr.parts[1], scope))) return evaluate(*expr.parts[0], scope);
      if (expr.parts[2]) return evaluate(*expr.parts[2], scope);
      return Value::undefined(fmt::format(
          "the inline if-expression on line {} evaluated to false and no else section was defined.", expr.line));
    case ExprKind::attribute_of_namespace: break;  // only a target
  }
  return {};
}

Value Interpreter::evaluate_name(const Expr& expr, Scope* scope) {
  if (const Value* found = scope->find(expr.text)) return *found;
  if (const Builtin function = find_function(expr.text)) return Value::function({expr.text, {}, function});
  return Value::undefined(fmt::format("{} is undefined", quoted_repr(expr.text)));
}

List Interpreter::evaluate_parts(const Expr& expr, Scope* scope) {
  List parts;
  parts.reserve(expr.parts.size());
  budget_.make(expr.parts.size() * sizeof(Value));
  for (const ExprPtr& part : expr.parts) parts.push_back(evaluate(*part, scope));
  return parts;
}

Dict Interpreter::evaluate_dict(const Expr& expr, Scope* scope) {
  Dict dict;
  const List parts = evaluate_parts(expr, scope);
  for (size_t i = 0; i < parts.size(); i += 2) dict.set(parts[i], parts[i + 1]);
  return dict;
}

Value Interpreter::evaluate_binary(const Expr& expr, Scope* scope) {
  Value left = evaluate(*expr.parts[0], scope);
  if (expr.text == "and" || expr.text == "or") {
    return truth(left) == (expr.text == "or") ? left : evaluate(*expr.parts[1], scope);
  }
  const Value right = evaluate(*expr.parts[1], scope);
  line_ = expr.line;
  return arithmetic(budget_, expr.text, left, right);
}

Value Interpreter::evaluate_compare(const Expr& expr, Scope* scope) {
  Value left = evaluate(*expr.parts[0], scope);
  for (size_t i = 0; i < expr.ops.size(); ++i) {
    Value right = evaluate(*expr.parts[i + 1], scope);
    line_ = expr.line;
    const std::string& op = expr.ops[i];
    budget_.walk(right);
    budget_.walk(left);
    const bool holds = op == "in"       ? contains(right, left)
                       : op == "not in" ? !contains(right, left)
                                        : compare(op, left, right);
    if (!holds) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Value Interpreter::evaluate_slice(const Expr& expr, Scope* scope) {
  const auto bound = [&](size_t i) { return expr.parts[i] ? evaluate(*expr.parts[i], scope) : Value(); };
  const Value value = evaluate(*expr.parts[0], scope);
  const Value start = bound(1), stop = bound(2), step = bound(3);
  line_ = expr.line;
  return slice(budget_, value, start, stop, step);
}

Value Interpreter::evaluate_filter(const Expr& expr, Scope* scope) {
  const Value value = expr.parts[0] ? evaluate(*expr.parts[0], scope) : text(std::move(filter_input_));
  CallArgs args = evaluate_arguments(*expr.arguments, scope);
  line_ = expr.line;
  if (!find_filter(expr.text)) fail_render("No filter named {} found.", quoted_repr(expr.text));
  return apply_filter(expr.text, value, args);
}

CallArgs Interpreter::evaluate_arguments(const Arguments& arguments, Scope* scope) {
  CallArgs args;
  for (const ExprPtr& part : arguments.positional) args.positional.push_back(evaluate(*part, scope));
  for (const auto& [name, part] : arguments.named) args.named.emplace_back(name, evaluate(*part, scope));
  if (arguments.list) {
    for (Value& value : iterate(budget_, evaluate(*arguments.list, scope))) args.positional.push_back(std::move(value));
  }
  if (!arguments.dict) return args;
  const Value dict = evaluate(*arguments.dict, scope);
  if (!dict.is(Kind::dict)) fail_render("argument after ** must be a mapping, not {}", type_name(dict));
  for (const auto& [key, value] : dict.as_dict().items()) {
    if (!key.is_string()) fail_render("keywords must be strings");
    args.named.emplace_back(key.as_string(), value);
  }
  return args;
}

}  // namespace propane::jinja
