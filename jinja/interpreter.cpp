#include "jinja/interpreter.h"

#include "jinja/operators.h"
#include "jinja/printing.h"

namespace propane::jinja {

const Value* Scope::find(std::string_view name) const {
  for (const Scope* scope = this; scope; scope = scope->parent)
    for (const auto& [key, value] : scope->variables)
      if (key == name) return &value;
  return nullptr;
}

void Scope::set(std::string_view name, Value value) {
  for (auto& [key, old] : variables) {
    if (key != name) continue;
    old = std::move(value);
    return;
  }
  variables.emplace_back(name, std::move(value));
}

Scope* Interpreter::create_scope(Scope* parent) {
  budget_.make(sizeof(Scope) + 64);
  scopes_.push_back(std::make_unique<Scope>(Scope{parent}));
  return scopes_.back().get();
}

std::string Interpreter::run(const Body& body, Dict variables) {
  Scope* globals = create_scope(nullptr);
  for (const auto& [name, value] : variables.items()) globals->set(name.as_string(), value);
  root_ = create_scope(globals);
  execute(body, root_);
  return std::move(output_);
}

Value Interpreter::text(std::string text, bool markup) {
  budget_.make(text.size());
  return Value::string(std::move(text), markup);
}

void Interpreter::write(std::string_view text) {
  budget_.output(out_->size() + text.size());
  budget_.make(text.size());
  out_->append(text);
}

Interpreter::Flow Interpreter::captured(const Body& body, Scope* scope, std::string& text) {
  struct Redirected {
    std::string*& out;
    std::string* old;
    ~Redirected() { out = old; }
  } const redirected{out_, out_};
  out_ = &text;
  return execute(body, scope);
}

Interpreter::Flow Interpreter::execute(const Body& body, Scope* scope) {
  for (const StmtPtr& stmt : body)
    if (const Flow flow = execute(*stmt, scope); flow != Flow::normal) return flow;
  return Flow::normal;
}

Interpreter::Flow Interpreter::execute(const Stmt& stmt, Scope* scope) {
  const Budget::Level level(budget_);
  budget_.step();
  line_ = stmt.line;
  switch (stmt.kind) {
    case StmtKind::text: write(stmt.text); break;
    case StmtKind::output: {
      const Value value = evaluate(*stmt.value, scope);
      budget_.walk(value);
      write(value.is_string() ? value.as_string() : to_text(value));
      break;
    }
    case StmtKind::if_: return execute_if(stmt, scope);
    case StmtKind::for_: return execute_for(stmt, scope);
    case StmtKind::set: {
      Value value = evaluate(*stmt.value, scope);
      line_ = stmt.line;
      assign(*stmt.target, std::move(value), scope);
      break;
    }
    case StmtKind::set_block: return execute_set_block(stmt, scope);
    case StmtKind::filter_block: return execute_filter_block(stmt, scope);
    case StmtKind::with: {
      Scope* inner = create_scope(scope);
      for (size_t i = 0; i < stmt.targets.size(); ++i)
        assign(*stmt.targets[i], evaluate(*stmt.values[i], scope), inner);
      return execute(stmt.body, inner);
    }
    case StmtKind::macro: execute_macro(stmt, scope); break;
    case StmtKind::call_block: execute_call_block(stmt, scope); break;
    case StmtKind::block: return execute(stmt.body, create_scope(root_));
    case StmtKind::scope: return execute(stmt.body, create_scope(scope));
    case StmtKind::break_: return Flow::break_;
    case StmtKind::continue_: return Flow::continue_;
  }
  return Flow::normal;
}

Interpreter::Flow Interpreter::execute_if(const Stmt& stmt, Scope* scope) {
  const Stmt* branch = &stmt;
  for (;;) {  // an elif is the next one's only statement: walked along, not down
    line_ = branch->line;
    if (truth(evaluate(*branch->value, scope))) return execute(branch->body, scope);
    const Body& otherwise = branch->otherwise;
    const bool elif = otherwise.size() == 1 && otherwise[0]->kind == StmtKind::if_;
    if (!elif) return execute(otherwise, scope);
    branch = otherwise[0].get();
    budget_.step();
  }
}

Interpreter::Flow Interpreter::execute_set_block(const Stmt& stmt, Scope* scope) {
  std::string body;
  Scope* inner = create_scope(scope);
  if (const Flow flow = captured(stmt.body, inner, body); flow != Flow::normal) return flow;
  line_ = stmt.line;
  Value value = text(std::move(body));
  if (stmt.value) {
    filter_input_ = value.as_string();
    value = evaluate(*stmt.value, inner);
  }
  assign(*stmt.target, std::move(value), scope);
  return Flow::normal;
}

Interpreter::Flow Interpreter::execute_filter_block(const Stmt& stmt, Scope* scope) {
  std::string body;
  Scope* inner = create_scope(scope);
  if (const Flow flow = captured(stmt.body, inner, body); flow != Flow::normal) return flow;
  line_ = stmt.line;
  filter_input_ = std::move(body);
  write(to_text(evaluate(*stmt.value, inner)));
  return Flow::normal;
}

void Interpreter::assign(const Expr& target, Value value, Scope* scope) {
  budget_.step();
  if (target.kind == ExprKind::name) return scope->set(target.text, std::move(value));
  if (target.kind == ExprKind::attribute_of_namespace) {
    const Value* object = scope->find(target.text);
    auto* ns = object && object->is(Kind::object) ? dynamic_cast<Namespace*>(object->as_object()) : nullptr;
    if (!ns) fail_render("cannot assign attribute on non-namespace object");
    const std::string& name = target.value.as_string();
    if (name.starts_with("_")) {
      fail_render(
          "Chat templates cannot store underscore-prefixed attributes on a namespace, but got {}. Please rename "
          "the attribute.",
          quoted_repr(name));
    }
    return ns->attributes.set(name, std::move(value));
  }
  if (value.is_none() || value.is_number()) fail_render("cannot unpack non-iterable {} object", type_name(value));
  const List items = iterate(budget_, value);
  const size_t wanted = target.parts.size();
  if (items.size() < wanted) fail_render("not enough values to unpack (expected {}, got {})", wanted, items.size());
  if (items.size() > wanted) fail_render("too many values to unpack (expected {})", wanted);
  for (size_t i = 0; i < wanted; ++i) assign(*target.parts[i], items[i], scope);
}

}  // namespace propane::jinja
