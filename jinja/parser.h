// Jinja's grammar, as the parser of Jinja 3.1 reads it, with the tags break, continue and generation.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "jinja/ast.h"
#include "jinja/lexer.h"

namespace propane::jinja {

class Parser {
 public:
  // `line` holds the line that a thrown RenderError is about.
  Parser(std::string_view source, int& line);

  Body parse();

 private:
  // Statements (parser.cpp).
  Body parse_until(std::initializer_list<std::string_view> ends);
  Body parse_body(std::initializer_list<std::string_view> ends);
  StmtPtr parse_statement();
  StmtPtr parse_for();
  StmtPtr parse_if();
  StmtPtr parse_set();
  StmtPtr parse_with();
  StmtPtr parse_macro();
  StmtPtr parse_call_block();
  StmtPtr parse_filter_block();
  StmtPtr parse_block();
  StmtPtr parse_print();
  StmtPtr parse_loop_control();
  void parse_signature(Signature& signature);
  Body parse_macro_body(Signature& signature, std::string_view end);
  ExprPtr parse_target(bool with_namespace, std::string_view end = "");
  void check_target(Expr& target);
  [[noreturn]] void fail_tag(const std::string& name);

  // Expressions (parse_expression.cpp), each named after what binds loosest in it.
  ExprPtr parse_tuple(bool with_condition = true, std::string_view end = "", bool parenthesized = false);
  ExprPtr parse_target_tuple(bool with_namespace, std::string_view end);
  ExprPtr parse_expression(bool with_condition = true);
  ExprPtr parse_or();
  ExprPtr parse_and();
  ExprPtr parse_not();
  ExprPtr parse_comparison();
  ExprPtr parse_sum();
  ExprPtr parse_concat();
  ExprPtr parse_product();
  ExprPtr parse_power();
  ExprPtr parse_unary(bool with_filters = true);
  ExprPtr parse_primary(bool with_namespace = false);
  ExprPtr parse_name(bool with_namespace);
  ExprPtr parse_postfix(ExprPtr node);
  ExprPtr parse_filters_and_tests(ExprPtr node);
  ExprPtr parse_subscript(ExprPtr node);
  ExprPtr parse_call(ExprPtr node);
  ExprPtr parse_filter(ExprPtr node);
  ExprPtr parse_test(ExprPtr node);
  ExprPtr parse_list();
  ExprPtr parse_dict();
  std::unique_ptr<Arguments> parse_arguments();
  bool at_tuple_end(std::string_view end) const;

  void note_lack(std::string_view what, const std::string& name);
  ExprPtr make(ExprKind kind, int line, std::string text = "") const;
  ExprPtr make(ExprKind kind, int line, std::string text, ExprPtr a, ExprPtr b = nullptr) const;
  ExprPtr grown(ExprPtr node) const;  // with its height set, and checked

  // Tokens.
  const Token& now() const { return tokens_[at_]; }
  const Token& look() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  bool is(TokenKind kind) const { return now().kind == kind; }
  bool is_op(std::string_view op) const { return is(TokenKind::op) && now().text == op; }
  bool is_name(std::string_view name) const { return is(TokenKind::name) && now().text == name; }
  Token next();
  bool skip_op(std::string_view op);
  bool skip_name(std::string_view name);
  void expect_op(std::string_view op);
  void expect(TokenKind kind, std::string_view what);
  std::string expect_name();
  [[noreturn]] void fail_expected(std::string_view what) const;

  // One level of nesting for as long as it lives; and a value that is put back when a body ends.
  struct Nested;
  template <typename T>
  struct Restored {
    T& place;
    T old;
    Restored(T& p, T now) : place(p), old(p) { p = now; }
    ~Restored() { place = old; }
  };

  int& line_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
  std::vector<std::string> open_tags_;
  std::vector<std::vector<std::string_view>> ends_;  // the tags that each open body may end with
  std::vector<Signature*> macros_;                   // around this place
  std::set<std::string> blocks_;
  bool in_loop_ = false;   // where break may stand
  int for_depth_ = 0;      // for loops around this place, through macros too
  bool may_lack_ = false;  // inside an if: a filter that does not exist is an error only when it is reached
  struct Lack {
    int line;
    std::string message;
  };
  std::vector<Lack> lacks_;  // filters and tests that do not exist, an error once all is parsed
};

struct Parser::Nested {
  explicit Nested(Parser& parser) : depth(parser.depth_) {
    if (++depth > 200) fail_render("the template nests more than 200 levels deep");
  }
  ~Nested() { --depth; }
  int& depth;
};

}  // namespace propane::jinja
