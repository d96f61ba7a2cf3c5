#include "jinja/builtins.h"
#include "jinja/parser.h"
#include "jinja/printing.h"

namespace propane::jinja {

namespace {

constexpr int kMaxHeight = 400;  // of an expression's tree: every walk over it recurses

bool is_comparison(const std::string& op) {
  return op == "==" || op == "!=" || op == "<" || op == "<=" || op == ">" || op == ">=";
}

}  // namespace

ExprPtr Parser::make(ExprKind kind, int line, std::string text) const {
  auto node = std::make_unique<Expr>(Expr{.kind = kind, .line = line});
  node->text = std::move(text);
  return node;
}

ExprPtr Parser::make(ExprKind kind, int line, std::string text, ExprPtr a, ExprPtr b) const {
  auto node = make(kind, line, std::move(text));
  node->parts.push_back(std::move(a));
  if (b) node->parts.push_back(std::move(b));
  return grown(std::move(node));
}

ExprPtr Parser::grown(ExprPtr node) const {
  const auto grow = [&](const ExprPtr& part) {
    if (part) node->height = std::max(node->height, part->height + 1);
  };
  for (const ExprPtr& part : node->parts) grow(part);
  if (node->arguments) {
    for (const ExprPtr& part : node->arguments->positional) grow(part);
    for (const auto& [name, part] : node->arguments->named) grow(part);
    grow(node->arguments->list);
    grow(node->arguments->dict);
  }
  if (node->height > kMaxHeight)
    fail_render("an expression has more than {} operations inside one another", kMaxHeight);
  return node;
}

void Parser::note_lack(std::string_view what, const std::string& name) {
  if (!may_lack_) lacks_.push_back({now().line, fmt::format("No {} named {}.", what, quoted_repr(name))});
}

bool Parser::at_tuple_end(std::string_view end) const {
  return is(TokenKind::variable_end) || is(TokenKind::block_end) || is_op(")") || (!end.empty() && is_name(end));
}

ExprPtr Parser::parse_tuple(bool with_condition, std::string_view end, bool parenthesized) {
  auto tuple = make(ExprKind::tuple, now().line);
  bool is_tuple = false;
  for (;;) {
    if (!tuple->parts.empty()) expect_op(",");
    if (at_tuple_end(end)) break;
    tuple->parts.push_back(parse_expression(with_condition));
    if (!is_op(",")) break;
    is_tuple = true;
  }
  if (!is_tuple) {
    if (!tuple->parts.empty()) return std::move(tuple->parts[0]);
    if (!parenthesized) fail_render("Expected an expression, got {}", quoted_repr(describe(now())));
  }
  return grown(std::move(tuple));
}

ExprPtr Parser::parse_expression(bool with_condition) {
  const Nested nested(*this);
  int line = now().line;
  const size_t lacks = lacks_.size();
  ExprPtr node = parse_or();
  while (with_condition && is_name("if")) {
    next();
    while (lacks_.size() > lacks) lacks_.pop_back();  // the branch before may not be reached
    auto condition = make(ExprKind::condition, line);
    const Restored<bool> restored(may_lack_, true);
    condition->parts.push_back(std::move(node));
    condition->parts.push_back(parse_or());
    condition->parts.push_back(skip_name("else") ? parse_expression() : nullptr);
    node = grown(std::move(condition));
    line = now().line;
  }
  return node;
}

ExprPtr Parser::parse_or() {
  ExprPtr left = parse_and();
  while (is_name("or")) {
    const int line = next().line;
    left = make(ExprKind::binary, line, "or", std::move(left), parse_and());
  }
  return left;
}

ExprPtr Parser::parse_and() {
  ExprPtr left = parse_not();
  while (is_name("and")) {
    const int line = next().line;
    left = make(ExprKind::binary, line, "and", std::move(left), parse_not());
  }
  return left;
}

ExprPtr Parser::parse_not() {
  if (!is_name("not")) return parse_comparison();
  const Nested nested(*this);
  const int line = next().line;
  return make(ExprKind::unary, line, "not", parse_not());
}

ExprPtr Parser::parse_comparison() {
  auto node = make(ExprKind::compare, now().line);
  node->parts.push_back(parse_sum());
  for (;;) {
    if (is(TokenKind::op) && is_comparison(now().text)) node->ops.push_back(next().text);
    else if (skip_name("in")) node->ops.push_back("in");
    else if (is_name("not") && look().kind == TokenKind::name && look().text == "in")
      next(), next(), node->ops.push_back("not in");
    else break;
    node->parts.push_back(parse_sum());
  }
  return node->ops.empty() ? std::move(node->parts[0]) : grown(std::move(node));
}

ExprPtr Parser::parse_sum() {
  ExprPtr left = parse_concat();
  while (is_op("+") || is_op("-")) {
    const Token op = next();
    left = make(ExprKind::binary, op.line, op.text, std::move(left), parse_concat());
  }
  return left;
}

ExprPtr Parser::parse_concat() {
  auto node = make(ExprKind::concat, now().line);
  node->parts.push_back(parse_product());
  while (skip_op("~")) node->parts.push_back(parse_product());
  return node->parts.size() == 1 ? std::move(node->parts[0]) : grown(std::move(node));
}

ExprPtr Parser::parse_product() {
  ExprPtr left = parse_power();
  while (is_op("*") || is_op("/") || is_op("//") || is_op("%")) {
    const Token op = next();
    left = make(ExprKind::binary, op.line, op.text, std::move(left), parse_power());
  }
  return left;
}

ExprPtr Parser::parse_power() {
  // Jinja's grammar lets ** associate to the left, but hands it to Python, where it associates to the right: the code
  // that it generates puts every operation in brackets, so the left it is.
  ExprPtr left = parse_unary();
  while (is_op("**")) {
    const int line = next().line;
    left = make(ExprKind::binary, line, "**", std::move(left), parse_unary());
  }
  return left;
}

ExprPtr Parser::parse_unary(bool with_filters) {
  const Nested nested(*this);
  const int line = now().line;
  ExprPtr node;
  if (skip_op("-")) node = make(ExprKind::unary, line, "-", parse_unary(false));
  else if (skip_op("+")) node = make(ExprKind::unary, line, "+", parse_unary(false));
  else node = parse_primary();
  node = parse_postfix(std::move(node));
  return with_filters ? parse_filters_and_tests(std::move(node)) : std::move(node);
}

ExprPtr Parser::parse_primary(bool with_namespace) {
  const Token token = now();
  auto node = make(ExprKind::constant, token.line);
  switch (token.kind) {
    case TokenKind::name: return parse_name(with_namespace);
    case TokenKind::string: {
      std::string text;
      while (is(TokenKind::string)) text += next().text;
      node->value = Value::string(std::move(text));
      return node;
    }
    case TokenKind::integer:
    case TokenKind::real: node->value = next().number; return node;
    default: break;
  }
  if (skip_op("(")) {
    ExprPtr inside = parse_tuple(true, "", true);
    expect_op(")");
    return inside;
  }
  if (is_op("[")) return parse_list();
  if (is_op("{")) return parse_dict();
  fail_render("unexpected {}", quoted_repr(describe(token)));
}

ExprPtr Parser::parse_name(bool with_namespace) {
  const Token token = next();
  const std::string& name = token.text;
  auto node = make(ExprKind::constant, token.line);
  if (name == "true" || name == "True" || name == "false" || name == "False") {
    node->value = Value::boolean(name == "true" || name == "True");
    return node;
  }
  if (name == "none" || name == "None") return node;
  if (with_namespace && skip_op(".")) {
    node = make(ExprKind::attribute_of_namespace, token.line, name);
    node->value = Value::string(expect_name());
    return node;
  }
  for (Signature* macro : macros_) {
    macro->uses_caller |= name == "caller";
    macro->uses_varargs |= name == "varargs";
    macro->uses_kwargs |= name == "kwargs";
  }
  return make(ExprKind::name, token.line, name);
}

ExprPtr Parser::parse_list() {
  auto node = make(ExprKind::list, next().line);
  while (!is_op("]")) {
    if (!node->parts.empty()) expect_op(",");
    if (is_op("]")) break;
    node->parts.push_back(parse_expression());
  }
  next();
  return grown(std::move(node));
}

ExprPtr Parser::parse_dict() {
  auto node = make(ExprKind::dict, next().line);
  while (!is_op("}")) {
    if (!node->parts.empty()) expect_op(",");
    if (is_op("}")) break;
    node->parts.push_back(parse_expression());
    expect_op(":");
    node->parts.push_back(parse_expression());
  }
  next();
  return grown(std::move(node));
}

ExprPtr Parser::parse_postfix(ExprPtr node) {
  for (;;) {
    if (is_op(".") || is_op("[")) node = parse_subscript(std::move(node));
    else if (is_op("(")) node = parse_call(std::move(node));
    else return node;
  }
}

ExprPtr Parser::parse_filters_and_tests(ExprPtr node) {
  for (;;) {
    if (is_op("|")) node = parse_filter(std::move(node));
    else if (is_name("is")) node = parse_test(std::move(node));
    else if (is_op("(")) node = parse_call(std::move(node));
    else return node;
  }
}

ExprPtr Parser::parse_subscript(ExprPtr node) {
  const Token open = next();
  if (open.text == ".") {
    const Token token = next();
    if (token.kind == TokenKind::name) return make(ExprKind::attribute, open.line, token.text, std::move(node));
    if (token.kind != TokenKind::integer) fail_render("expected name or number");
    auto index = make(ExprKind::constant, token.line);
    index->value = token.number;
    return make(ExprKind::item, open.line, "", std::move(node), std::move(index));
  }
  auto bounds = make(ExprKind::slice, open.line);
  bounds->parts.push_back(nullptr);
  std::vector<ExprPtr> keys;
  bool is_slice = false;
  while (!is_op("]")) {
    if (!keys.empty() || is_slice) expect_op(",");
    if (is_slice) fail_render("slices inside a tuple are not supported");
    ExprPtr first = is_op(":") ? nullptr : parse_expression();
    if (!is_op(":")) {
      keys.push_back(std::move(first));
      continue;
    }
    next();
    is_slice = true;
    if (!keys.empty()) fail_render("slices inside a tuple are not supported");
    const auto bound = [&] { return is_op(":") || is_op("]") || is_op(",") ? nullptr : parse_expression(); };
    bounds->parts.push_back(std::move(first));
    bounds->parts.push_back(bound());
    bounds->parts.push_back(skip_op(":") ? bound() : nullptr);
  }
  next();
  if (is_slice) {
    bounds->parts[0] = std::move(node);
    return grown(std::move(bounds));
  }
  if (keys.size() == 1) return make(ExprKind::item, open.line, "", std::move(node), std::move(keys[0]));
  auto tuple = make(ExprKind::tuple, open.line);
  tuple->parts = std::move(keys);
  return make(ExprKind::item, open.line, "", std::move(node), grown(std::move(tuple)));
}

ExprPtr Parser::parse_call(ExprPtr node) {
  auto call = make(ExprKind::call, now().line, "");
  call->parts.push_back(std::move(node));
  call->arguments = parse_arguments();
  return grown(std::move(call));
}

std::unique_ptr<Arguments> Parser::parse_arguments() {
  const Nested nested(*this);
  auto arguments = std::make_unique<Arguments>();
  const auto ensure = [](bool valid) {
    if (!valid) fail_render("invalid syntax for function call expression");
  };
  expect_op("(");
  for (bool first = true; !is_op(")"); first = false) {
    if (!first) {
      expect_op(",");
      if (is_op(")")) break;
    }
    if (skip_op("*")) {
      ensure(!arguments->list && !arguments->dict);
      arguments->list = parse_expression();
    } else if (skip_op("**")) {
      ensure(!arguments->dict);
      arguments->dict = parse_expression();
    } else if (is(TokenKind::name) && look().kind == TokenKind::op && look().text == "=") {
      ensure(!arguments->dict);
      const std::string name = next().text;
      next();
      for (const auto& [other, value] : arguments->named) {
        if (other == name) fail_render("keyword argument repeated: {}", name);
      }
      arguments->named.emplace_back(name, parse_expression());
    } else {
      ensure(!arguments->list && !arguments->dict && arguments->named.empty());
      arguments->positional.push_back(parse_expression());
    }
  }
  next();
  return arguments;
}

ExprPtr Parser::parse_filter(ExprPtr node) {
  const bool in_block = !node && !is_op("|");  // {% filter upper %} starts without a bar
  if (!in_block) next();
  auto filter = make(ExprKind::filter, now().line, expect_name());
  while (skip_op(".")) filter->text += "." + expect_name();
  if (!find_filter(filter->text)) note_lack("filter", filter->text);
  filter->parts.push_back(std::move(node));
  filter->arguments = is_op("(") ? parse_arguments() : std::make_unique<Arguments>();
  ExprPtr result = grown(std::move(filter));
  return in_block && is_op("|") ? parse_filter(std::move(result)) : std::move(result);
}

ExprPtr Parser::parse_test(ExprPtr node) {
  const int line = next().line;
  const bool negated = skip_name("not");
  auto test = make(ExprKind::test, line, expect_name());
  while (skip_op(".")) test->text += "." + expect_name();
  if (!find_test(test->text)) note_lack("test", test->text);
  test->parts.push_back(std::move(node));
  test->arguments = std::make_unique<Arguments>();
  const bool argument = is(TokenKind::name) || is(TokenKind::string) || is(TokenKind::integer) || is(TokenKind::real) ||
                        is_op("[") || is_op("{");
  if (is_op("(")) {
    test->arguments = parse_arguments();
  } else if (argument && !is_name("else") && !is_name("or") && !is_name("and")) {
    if (is_name("is")) fail_render("You cannot chain multiple tests with is");
    const Nested nested(*this);
    test->arguments->positional.push_back(parse_postfix(parse_primary()));
  }
  ExprPtr result = grown(std::move(test));
  return negated ? make(ExprKind::unary, line, "not", std::move(result)) : std::move(result);
}

}  // namespace propane::jinja
