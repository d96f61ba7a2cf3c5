// Runs a parsed template: statements (interpreter.cpp), loops and macros (loops.cpp) and expressions (evaluate.cpp).
#pragma once

#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "jinja/ast.h"
#include "jinja/budget.h"
#include "jinja/builtins.h"
#include "jinja/value.h"

namespace propane::jinja {

using Clock = std::function<std::tm()>;

// The variables of a body, and where to look for the others. A macro keeps the scope that it was defined in, so scopes
// live as long as the rendering.
struct Scope {
  Scope* parent = nullptr;
  std::vector<std::pair<std::string_view, Value>> variables = {};

  const Value* find(std::string_view name) const;  // here or further out; null when there is none
  void set(std::string_view name, Value value);    // here
};

struct Macro : Object {
  std::string name;
  const Signature* signature = nullptr;
  const Body* body = nullptr;
  Scope* scope = nullptr;
  std::string type_name() const override { return "Macro"; }
  const Value* attribute(std::string_view name) override;
};

// The variable `loop`: what it says of the turns of a for loop, which are filtered as they come.
class Loop : public Object {
 public:
  Loop(Interpreter& in, const Stmt& stmt, Scope* outer, List items, int level);

  bool advance(Value& item);   // the next turn's item; false after the last
  Value call(CallArgs& args);  // loop(children) of a recursive loop

  std::string type_name() const override { return "jinja2.runtime.LoopContext"; }
  const Value* attribute(std::string_view name) override;

  Value cycle(const List& values) const;
  bool changed(List values);
  size_t taken() const { return at_; }

 private:
  bool pull(Value& item);
  const Value* peek();
  Int length();

  Interpreter& in_;
  const Stmt& stmt_;
  Scope* outer_;
  List items_;
  size_t at_ = 0;
  bool filtered_;  // the rest of items_ has been through the loop's `if` already
  int level_;
  Int index0_ = -1;
  std::unique_ptr<Value> before_, current_, after_, changed_;
};

class Interpreter {
 public:
  Interpreter(const Limits& limits, Clock clock) : budget_(limits), clock_(std::move(clock)) {}

  // The rendered text. Throws RenderError; line() then is where.
  std::string run(const Body& body, Dict variables);
  int line() const { return line_; }

  Budget& budget() { return budget_; }
  std::tm now() const { return clock_(); }

  // A string that counts against the budget.
  Value text(std::string text, bool markup = false);

  // value.name, where attributes come first, and value[key], where items do.
  Value attribute(const Value& value, const std::string& name);
  Value item(const Value& value, const Value& key);

  Value call(const Value& callee, CallArgs& args);
  Value apply_filter(const std::string& name, const Value& value, CallArgs& args);
  bool apply_test(const std::string& name, const Value& value, CallArgs& args);

  // An object that lives as long as the rendering.
  template <typename T, typename... Args>
  T* create(Args&&... args) {
    budget_.make(sizeof(T) + 64);
    auto object = std::make_unique<T>(std::forward<Args>(args)...);
    T* result = object.get();
    objects_.push_back(std::move(object));
    return result;
  }
  Scope* create_scope(Scope* parent);

  // What a for loop's body writes, with `level` outer turns of the same recursive loop.
  std::string run_recursive(const Stmt& stmt, Scope* outer, List items, int level);
  bool passes(const Stmt& loop, Scope* outer, const Value& item);

 private:
  enum class Flow { normal, break_, continue_ };
  friend class Loop;

  Flow execute(const Body& body, Scope* scope);
  Flow execute(const Stmt& stmt, Scope* scope);
  Flow execute_if(const Stmt& stmt, Scope* scope);
  Flow execute_for(const Stmt& stmt, Scope* scope);
  Flow execute_set_block(const Stmt& stmt, Scope* scope);
  Flow execute_filter_block(const Stmt& stmt, Scope* scope);
  void execute_macro(const Stmt& stmt, Scope* scope);
  void execute_call_block(const Stmt& stmt, Scope* scope);
  Flow run_loop(const Stmt& stmt, Scope* outer, List items, int level, size_t* taken);
  void assign(const Expr& target, Value value, Scope* scope);
  Flow captured(const Body& body, Scope* scope, std::string& text);
  void write(std::string_view text);

  Value evaluate(const Expr& expr, Scope* scope);
  Value evaluate_binary(const Expr& expr, Scope* scope);
  Value evaluate_compare(const Expr& expr, Scope* scope);
  Value evaluate_slice(const Expr& expr, Scope* scope);
  Value evaluate_filter(const Expr& expr, Scope* scope);
  Value evaluate_name(const Expr& expr, Scope* scope);
  List evaluate_parts(const Expr& expr, Scope* scope);
  Dict evaluate_dict(const Expr& expr, Scope* scope);
  CallArgs evaluate_arguments(const Arguments& arguments, Scope* scope);
  Value invoke(Macro& macro, CallArgs& args);

  Budget budget_;
  Clock clock_;
  int line_ = 1;
  std::string output_;
  std::string* out_ = &output_;
  Scope* root_ = nullptr;
  std::string filter_input_;  // what the body of a filter block wrote
  std::vector<std::unique_ptr<Object>> objects_;
  std::vector<std::unique_ptr<Scope>> scopes_;
};

}  // namespace propane::jinja
