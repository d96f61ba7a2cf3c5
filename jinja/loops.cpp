// For loops and macros: the statements that have a life of their own as values.
#include "jinja/interpreter.h"
#include "jinja/operators.h"
#include "jinja/printing.h"

namespace propane::jinja {

Loop::Loop(Interpreter& in, const Stmt& stmt, Scope* outer, List items, int level)
    : in_(in), stmt_(stmt), outer_(outer), items_(std::move(items)), filtered_(!stmt.test), level_(level) {}

bool Loop::pull(Value& item) {
  while (at_ < items_.size()) {
    const Value& next = items_[at_++];
    if (!filtered_ && !in_.passes(stmt_, outer_, next)) continue;
    item = next;
    return true;
  }
  return false;
}

const Value* Loop::peek() {
  Value next;
  if (!after_ && pull(next)) after_ = std::make_unique<Value>(std::move(next));
  return after_.get();
}

bool Loop::advance(Value& item) {
  if (!peek()) return false;
  item = *after_;
  before_ = std::move(current_);
  current_ = std::move(after_);
  ++index0_;
  return true;
}

// Asking for the length of a filtered loop filters what is left of it.
Int Loop::length() {
  if (!filtered_) {
    List rest;
    Value next;
    while (pull(next)) rest.push_back(next);
    items_ = std::move(rest);
    at_ = 0;
    filtered_ = true;
  }
  return static_cast<Int>(items_.size() - at_) + index0_ + 1 + (after_ ? 1 : 0);
}

Value Loop::cycle(const List& values) const {
  if (values.empty()) fail_render("no items for cycling given");
  return values[static_cast<size_t>(index0_ % static_cast<Int>(values.size()))];
}

bool Loop::changed(List values) {
  Value now = Value::tuple(std::move(values));
  if (changed_ && equal(*changed_, now)) return false;
  changed_ = std::make_unique<Value>(std::move(now));
  return true;
}

const Value* Loop::attribute(std::string_view name) {
  const auto number = [&](Int value) { return found = Value::integer(value), &found; };
  if (name == "index") return number(index0_ + 1);
  if (name == "index0") return number(index0_);
  if (name == "length") return number(length());
  if (name == "revindex") return number(length() - index0_);
  if (name == "revindex0") return number(length() - index0_ - 1);
  if (name == "depth") return number(level_ + 1);
  if (name == "depth0") return number(level_);
  if (name == "first") return found = Value::boolean(index0_ == 0), &found;
  if (name == "last") return found = Value::boolean(!peek()), &found;
  if (name == "previtem") return found = index0_ > 0 ? *before_ : Value::undefined("there is no previous item"), &found;
  if (name == "nextitem") return found = peek() ? *after_ : Value::undefined("there is no next item"), &found;
  Builtin method = nullptr;
  if (name == "cycle") {
    method = [](Interpreter&, const Value& self, CallArgs& args) {
      return static_cast<Loop*>(self.as_object())->cycle(args.positional);
    };
  } else if (name == "changed") {
    method = [](Interpreter&, const Value& self, CallArgs& args) {
      return Value::boolean(static_cast<Loop*>(self.as_object())->changed(args.positional));
    };
  }
  if (!method) return nullptr;
  return found = Value::function({std::string(name), Value::object(this), method}), &found;
}

Value Loop::call(CallArgs& args) {
  if (!stmt_.recursive) {
    fail_render("The loop must have the 'recursive' marker to be called recursively.");
  }
  const Params params("loop", args, {"iterable"}, 1);
  return in_.text(in_.run_recursive(stmt_, outer_, iterate(in_.budget(), params[0]), level_ + 1));
}

bool Interpreter::passes(const Stmt& loop, Scope* outer, const Value& item) {
  Scope scope{outer};
  budget_.step();
  assign(*loop.target, item, &scope);
  return truth(evaluate(*loop.test, &scope));
}

Interpreter::Flow Interpreter::run_loop(const Stmt& stmt, Scope* outer, List items, int level, size_t* taken) {
  Loop* loop = create<Loop>(*this, stmt, outer, std::move(items), level);
  Scope* scope =
      create_scope(outer);  // one for all turns, emptied before each: what a macro in it sees is the last turn's
  bool any = false;         // a turn that was not left: after nothing but break and continue, Jinja runs the else, too
  Value item;
  while (loop->advance(item)) {
    budget_.step();
    scope->variables.clear();
    scope->set("loop", Value::object(loop));
    line_ = stmt.line;
    assign(*stmt.target, item, scope);
    const Flow flow = execute(stmt.body, scope);
    if (flow == Flow::break_) break;
    any |= flow == Flow::normal;
  }
  if (taken) *taken = loop->taken();
  return any ? Flow::normal : execute(stmt.otherwise, create_scope(outer));
}

Interpreter::Flow Interpreter::execute_for(const Stmt& stmt, Scope* scope) {
  const Value value = evaluate(*stmt.value, scope);
  line_ = stmt.line;
  if (!value.is(Kind::iterator)) return run_loop(stmt, scope, iterate(budget_, value), 0, nullptr);
  // A loop that is left early leaves the rest in the iterator.
  Iterator& iterator = value.as_iterator();
  const size_t begin = iterator.next;
  size_t taken = 0;
  const Flow flow = run_loop(stmt, scope, iterate(budget_, value), 0, &taken);
  iterator.next = begin + taken;
  return flow;
}

std::string Interpreter::run_recursive(const Stmt& stmt, Scope* outer, List items, int level) {
  const Budget::Level nested(budget_);
  std::string text, *const old = out_;
  out_ = &text;
  try {
    run_loop(stmt, outer, std::move(items), level, nullptr);
  } catch (...) {
    out_ = old;
    throw;
  }
  out_ = old;
  return text;
}

const Value* Macro::attribute(std::string_view attribute) {
  if (attribute == "name") return found = Value::string(name), &found;
  if (attribute == "caller") return found = Value::boolean(signature->uses_caller), &found;
  if (attribute == "catch_kwargs") return found = Value::boolean(signature->uses_kwargs), &found;
  if (attribute == "catch_varargs") return found = Value::boolean(signature->uses_varargs), &found;
  if (attribute != "arguments") return nullptr;
  List names;
  for (const std::string& argument : signature->names) names.push_back(Value::string(argument));
  return found = Value::tuple(std::move(names)), &found;
}

void Interpreter::execute_macro(const Stmt& stmt, Scope* scope) {
  Macro* macro = create<Macro>();
  macro->name = stmt.text;
  macro->signature = stmt.signature.get();
  macro->body = &stmt.body;
  macro->scope = scope;
  scope->set(stmt.text, Value::object(macro));
}

void Interpreter::execute_call_block(const Stmt& stmt, Scope* scope) {
  Macro* caller = create<Macro>();
  caller->name = "caller";
  caller->signature = stmt.signature.get();
  caller->body = &stmt.body;
  caller->scope = scope;
  const Value callee = evaluate(*stmt.value->parts[0], scope);
  CallArgs args = evaluate_arguments(*stmt.value->arguments, scope);
  args.named.emplace_back("caller", Value::object(caller));
  line_ = stmt.line;
  write(to_text(call(callee, args)));
}

// Jinja's Macro.__call__: names are filled by position, then by keyword, then by default.
Value Interpreter::invoke(Macro& macro, CallArgs& args) {
  const Budget::Level level(budget_);
  const Signature& signature = *macro.signature;
  const std::vector<std::string>& names = signature.names;
  Scope* scope = create_scope(macro.scope);
  const auto take = [&](std::string_view name) -> std::unique_ptr<Value> {
    for (auto it = args.named.begin(); it != args.named.end(); ++it) {
      if (it->first != name) continue;
      auto value = std::make_unique<Value>(std::move(it->second));
      args.named.erase(it);
      return value;
    }
    return nullptr;
  };
  const size_t given = std::min(args.positional.size(), names.size());
  std::vector<size_t> missing;
  bool has_caller = given == names.size() && std::find(names.begin(), names.end(), "caller") != names.end();
  for (size_t i = 0; i < names.size(); ++i) {
    if (i < given) {
      scope->set(names[i], args.positional[i]);
    } else {
      has_caller |= names[i] == "caller";
      if (const auto value = take(names[i])) scope->set(names[i], *value);
      else missing.push_back(i);
    }
  }
  if (signature.uses_caller && !has_caller) {
    const auto caller = take("caller");
    scope->set("caller", caller && !caller->is_none() ? *caller : Value::undefined("No caller defined"));
  }
  if (signature.uses_kwargs) {
    Dict rest;
    for (auto& [name, value] : args.named) rest.set(name, value);
    scope->set("kwargs", Value::dict(std::move(rest)));
  } else if (!args.named.empty()) {
    if (take("caller")) {
      fail_render("macro {} was invoked with two values for the special caller argument. This is most likely a bug.",
                  quoted_repr(macro.name));
    }
    fail_render("macro {} takes no keyword argument {}", quoted_repr(macro.name), quoted_repr(args.named[0].first));
  }
  if (signature.uses_varargs) {
    scope->set("varargs",
               Value::tuple({args.positional.begin() + static_cast<ptrdiff_t>(given), args.positional.end()}));
  } else if (args.positional.size() > names.size()) {
    fail_render("macro {} takes not more than {} argument(s)", quoted_repr(macro.name), names.size());
  }
  const size_t without_default = names.size() - signature.defaults.size();
  for (size_t i : missing) {
    scope->set(names[i], i < without_default
                             ? Value::undefined(fmt::format("parameter {} was not provided", quoted_repr(names[i])))
                             : evaluate(*signature.defaults[i - without_default], scope));
  }
  std::string out;
  captured(*macro.body, scope, out);
  return text(std::move(out));
}

}  // namespace propane::jinja
