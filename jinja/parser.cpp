#include "jinja/parser.h"

#include <fmt/ranges.h>

#include "jinja/builtins.h"
#include "jinja/printing.h"

namespace propane::jinja {

namespace {

StmtPtr statement(StmtKind kind, int line) { return std::make_unique<Stmt>(Stmt{.kind = kind, .line = line}); }

const char* kind_name(ExprKind kind) {
  switch (kind) {
    case ExprKind::constant: return "const";
    case ExprKind::list: return "list";
    case ExprKind::dict: return "dict";
    case ExprKind::tuple: return "tuple";
    default: return "expression";
  }
}

}  // namespace

Parser::Parser(std::string_view source, int& line) : line_(line), tokens_(tokenize(source, line)) { line_ = 1; }

Token Parser::next() {
  const Token token = now();
  if (at_ + 1 < tokens_.size()) ++at_;
  line_ = now().line;
  return token;
}

bool Parser::skip_op(std::string_view op) { return is_op(op) && (next(), true); }
bool Parser::skip_name(std::string_view name) { return is_name(name) && (next(), true); }

void Parser::fail_expected(std::string_view what) const {
  if (is(TokenKind::end)) fail_render("unexpected end of template, expected {}.", quoted_repr(what));
  fail_render("expected token {}, got {}", quoted_repr(what), quoted_repr(describe(now())));
}

void Parser::expect_op(std::string_view op) {
  if (!skip_op(op)) fail_expected(op);
}

void Parser::expect(TokenKind kind, std::string_view what) {
  if (!is(kind)) fail_expected(what);
  next();
}

std::string Parser::expect_name() {
  if (!is(TokenKind::name)) fail_expected("name");
  return next().text;
}

Body Parser::parse() {
  Body body = parse_until({});
  if (!lacks_.empty()) {
    line_ = lacks_[0].line;
    fail_render("{}", lacks_[0].message);
  }
  return body;
}

// What a body's tags are; the `end` that stops it is left for the caller.
Body Parser::parse_until(std::initializer_list<std::string_view> ends) {
  const Nested nested(*this);
  Body body;
  ends_.emplace_back(ends);
  while (!is(TokenKind::end)) {
    if (is(TokenKind::data)) {
      auto text = statement(StmtKind::text, now().line);
      text->text = next().text;
      body.push_back(std::move(text));
    } else if (is(TokenKind::variable_begin)) {
      next();
      auto output = statement(StmtKind::output, now().line);
      output->value = parse_tuple();
      expect(TokenKind::variable_end, "end of print statement");
      body.push_back(std::move(output));
    } else {
      expect(TokenKind::block_begin, "begin of statement block");
      if (std::any_of(ends.begin(), ends.end(), [&](std::string_view end) { return is_name(end); })) {
        ends_.pop_back();
        return body;
      }
      body.push_back(parse_statement());
      expect(TokenKind::block_end, "end of statement block");
    }
  }
  if (ends.size() > 0) fail_tag("");
  ends_.pop_back();
  return body;
}

Body Parser::parse_body(std::initializer_list<std::string_view> ends) {
  skip_op(":");
  expect(TokenKind::block_end, "end of statement block");
  return parse_until(ends);
}

// A tag that is unknown or out of place; an empty name at the template's end.
void Parser::fail_tag(const std::string& name) {
  std::string message =
      name.empty() ? "Unexpected end of template." : fmt::format("Encountered unknown tag '{}'.", name);
  std::vector<std::string> looking_for;
  for (std::string_view end : ends_.back()) looking_for.push_back(fmt::format("'{}'", end));
  bool nesting = false;
  for (const auto& ends : ends_) nesting |= !name.empty() && std::find(ends.begin(), ends.end(), name) != ends.end();
  if (!looking_for.empty()) {
    message += nesting ? " You probably made a nesting mistake. Jinja is expecting this tag, but currently looking for "
                       : " Jinja was looking for the following tags: ";
    message += fmt::format("{}.", fmt::join(looking_for, " or "));
  }
  if (!open_tags_.empty()) {
    message += fmt::format(" The innermost block that needs to be closed is '{}'.", open_tags_.back());
  }
  fail_render("{}", message);
}

StmtPtr Parser::parse_statement() {
  if (!is(TokenKind::name)) fail_render("tag name expected");
  const std::string tag = now().text;
  struct Handler {
    std::string_view tag;
    StmtPtr (Parser::*parse)();
  };
  static constexpr Handler kHandlers[] = {
      {"for", &Parser::parse_for},
      {"if", &Parser::parse_if},
      {"set", &Parser::parse_set},
      {"with", &Parser::parse_with},
      {"macro", &Parser::parse_macro},
      {"call", &Parser::parse_call_block},
      {"filter", &Parser::parse_filter_block},
      {"block", &Parser::parse_block},
      {"print", &Parser::parse_print},
      {"generation", &Parser::parse_block},
      {"break", &Parser::parse_loop_control},
      {"continue", &Parser::parse_loop_control},
  };
  for (std::string_view other : {"extends", "include", "import", "from", "autoescape"}) {
    if (tag == other) fail_render("the tag '{}' is not allowed: a chat template stands alone and is not HTML", tag);
  }
  for (const Handler& handler : kHandlers) {
    if (tag != handler.tag) continue;
    open_tags_.push_back(tag);
    StmtPtr result = (this->*handler.parse)();
    open_tags_.pop_back();
    return result;
  }
  fail_tag(tag);
}

void Parser::check_target(Expr& target) {
  switch (target.kind) {
    case ExprKind::attribute_of_namespace: return;
    case ExprKind::name:
      if (target.text == "loop" && for_depth_ > 0) {
        fail_render("Can't assign to special loop variable in for-loop target");
      }
      return;
    case ExprKind::tuple:
      for (const ExprPtr& part : target.parts) check_target(*part);
      return;
    default: fail_render("can't assign to '{}'", kind_name(target.kind));
  }
}

// A name, a namespace's attribute, or several with commas between them.
ExprPtr Parser::parse_target(bool with_namespace, std::string_view end) {
  ExprPtr target = parse_target_tuple(with_namespace, end);
  check_target(*target);
  return target;
}

ExprPtr Parser::parse_target_tuple(bool with_namespace, std::string_view end) {
  auto tuple = make(ExprKind::tuple, now().line);
  bool is_tuple = false;
  for (;;) {
    if (!tuple->parts.empty()) expect_op(",");
    if (at_tuple_end(end)) break;
    tuple->parts.push_back(parse_primary(with_namespace));
    if (!is_op(",")) break;
    is_tuple = true;
  }
  if (!is_tuple && tuple->parts.empty()) {
    fail_render("Expected an expression, got {}", quoted_repr(describe(now())));
  }
  return is_tuple ? grown(std::move(tuple)) : std::move(tuple->parts[0]);
}

StmtPtr Parser::parse_for() {
  auto loop = statement(StmtKind::for_, next().line);
  const Restored<int> depth(for_depth_, for_depth_ + 1);
  loop->target = parse_target(false, "in");
  if (!skip_name("in")) fail_expected("in");
  loop->value = parse_tuple(false, "recursive");
  if (skip_name("if")) loop->test = parse_expression();
  loop->recursive = skip_name("recursive");
  {
    const Restored<bool> inside(in_loop_, true), soft(may_lack_, false);
    loop->body = parse_body({"endfor", "else"});
  }
  const Restored<bool> soft(may_lack_, false);
  // The else of a recursive loop lies in a function of its own in Jinja, where the outer loop cannot be left.
  const Restored<bool> inside(in_loop_, in_loop_ && !loop->recursive);
  if (next().text == "else") {
    loop->otherwise = parse_body({"endfor"});
    next();
  }
  return loop;
}

StmtPtr Parser::parse_if() {
  auto result = statement(StmtKind::if_, next().line);
  const Restored<bool> soft(may_lack_, true);
  Stmt* branch = result.get();
  for (;;) {
    branch->value = parse_tuple(false);
    branch->body = parse_body({"elif", "else", "endif"});
    const Token token = next();
    if (token.text == "elif") {
      branch->otherwise.push_back(statement(StmtKind::if_, token.line));
      if (++depth_ > 200) fail_render("the template nests more than 200 levels deep");
      branch = branch->otherwise.back().get();
      continue;
    }
    if (token.text == "else") {
      branch->otherwise = parse_body({"endif"});
      next();
    }
    break;
  }
  for (const Stmt* elif = result.get(); elif != branch; elif = elif->otherwise[0].get()) --depth_;
  return result;
}

StmtPtr Parser::parse_set() {
  const int line = next().line;
  ExprPtr target = parse_target(true);
  if (skip_op("=")) {
    auto set = statement(StmtKind::set, line);
    set->target = std::move(target);
    set->value = parse_tuple();
    return set;
  }
  auto set = statement(StmtKind::set_block, line);
  set->target = std::move(target);
  while (is_op("|")) set->value = parse_filter(std::move(set->value));
  const Restored<bool> soft(may_lack_, false);
  set->body = parse_body({"endset"});
  next();
  return set;
}

StmtPtr Parser::parse_with() {
  auto with = statement(StmtKind::with, next().line);
  while (!is(TokenKind::block_end)) {
    if (!with->targets.empty()) expect_op(",");
    with->targets.push_back(parse_target(false));
    expect_op("=");
    with->values.push_back(parse_expression());
  }
  const Restored<bool> soft(may_lack_, false);
  with->body = parse_body({"endwith"});
  next();
  return with;
}

void Parser::parse_signature(Signature& signature) {
  expect_op("(");
  while (!is_op(")")) {
    if (!signature.names.empty()) expect_op(",");
    signature.names.push_back(expect_name());
    if (skip_op("=")) signature.defaults.push_back(parse_expression());
    else if (!signature.defaults.empty()) fail_render("non-default argument follows default argument");
  }
  next();
}

Body Parser::parse_macro_body(Signature& signature, std::string_view end) {
  macros_.push_back(&signature);
  const Restored<bool> inside(in_loop_, false), soft(may_lack_, false);
  Body body = parse_body({end});
  next();
  macros_.pop_back();
  const auto names = [&](std::string_view name) {
    return std::find(signature.names.begin(), signature.names.end(), name) != signature.names.end();
  };
  if (signature.uses_caller && names("caller")) {
    const auto at = std::find(signature.names.begin(), signature.names.end(), "caller") - signature.names.begin();
    if (static_cast<size_t>(at) < signature.names.size() - signature.defaults.size()) {
      fail_render(
          "When defining macros or call blocks the special \"caller\" argument must be omitted or be given a default.");
    }
  }
  signature.uses_varargs = signature.uses_varargs && !names("varargs");
  signature.uses_kwargs = signature.uses_kwargs && !names("kwargs");
  return body;
}

StmtPtr Parser::parse_macro() {
  auto macro = statement(StmtKind::macro, next().line);
  macro->text = expect_name();
  macro->signature = std::make_unique<Signature>();
  parse_signature(*macro->signature);
  macro->body = parse_macro_body(*macro->signature, "endmacro");
  return macro;
}

StmtPtr Parser::parse_call_block() {
  auto call = statement(StmtKind::call_block, next().line);
  call->signature = std::make_unique<Signature>();
  if (is_op("(")) parse_signature(*call->signature);
  call->value = parse_expression();
  if (call->value->kind != ExprKind::call) fail_render("expected call");
  call->body = parse_macro_body(*call->signature, "endcall");
  return call;
}

StmtPtr Parser::parse_filter_block() {
  auto filter = statement(StmtKind::filter_block, next().line);
  filter->value = parse_filter(nullptr);
  const Restored<bool> soft(may_lack_, false);
  filter->body = parse_body({"endfilter"});
  next();
  return filter;
}

// {% block name %}, and {% generation %}, with which transformers marks what a model is trained to say.
StmtPtr Parser::parse_block() {
  const Token tag = next();
  const bool generation = tag.text == "generation";
  auto block = statement(generation ? StmtKind::scope : StmtKind::block, tag.line);
  const Restored<bool> inside(in_loop_, false), soft(may_lack_, false);
  if (generation) {
    block->body = parse_body({"endgeneration"});
    next();
    return block;
  }
  block->text = expect_name();
  if (!blocks_.insert(block->text).second) fail_render("block '{}' defined twice", block->text);
  if (skip_name("scoped")) block->kind = StmtKind::scope;
  if (skip_name("required")) fail_render("required blocks are not allowed: a chat template stands alone");
  block->body = parse_body({"endblock"});
  next();
  skip_name(block->text);
  return block;
}

StmtPtr Parser::parse_print() {
  auto output = statement(StmtKind::scope, next().line);
  while (!is(TokenKind::block_end)) {
    if (!output->body.empty()) expect_op(",");
    auto part = statement(StmtKind::output, now().line);
    part->value = parse_expression();
    output->body.push_back(std::move(part));
  }
  return output;
}

StmtPtr Parser::parse_loop_control() {
  const Token tag = next();
  if (!in_loop_) fail_render("{}", tag.text == "break" ? "'break' outside loop" : "'continue' not properly in loop");
  return statement(tag.text == "break" ? StmtKind::break_ : StmtKind::continue_, tag.line);
}

}  // namespace propane::jinja
