#include "jinja/value.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace propane::jinja {

namespace {

// Every walk over a value recurses, so nesting is bounded where values are made, and so is their total size: a few
// lists that hold each other twice would otherwise print as more text than there is memory.
constexpr int kMaxDepth = 200;
constexpr size_t kMaxWeight = size_t{1} << 28;

constexpr size_t kFewItems = 8;

bool same_items(const List& a, const List& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (!equal(a[i], b[i])) return false;
  return true;
}

bool same_dicts(const Dict& a, const Dict& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [key, value] : a.items()) {
    const Value* other = b.find(key);
    if (!other || !equal(value, *other)) return false;
  }
  return true;
}

}  // namespace

Value Value::undefined(std::string message) {
  Value result;
  result.kind_ = Kind::undefined;
  result.data_ = std::make_shared<const std::string>(std::move(message));
  return result;
}

Value Value::boolean(bool value) {
  Value result;
  result.kind_ = Kind::boolean;
  result.data_ = value;
  return result;
}

Value Value::integer(Int value) {
  Value result;
  result.kind_ = Kind::integer;
  result.data_ = value;
  return result;
}

Value Value::real(double value) {
  Value result;
  result.kind_ = Kind::real;
  result.data_ = value;
  return result;
}

Value Value::string(std::string text, bool markup) {
  Value result;
  result.kind_ = Kind::string;
  result.markup_ = markup;
  result.weight_ = text.size() + 1;
  result.data_ = std::make_shared<const std::string>(std::move(text));
  return result;
}

void Value::measure(const List& items) {
  for (const Value& item : items) {
    depth_ = std::max(depth_, item.depth() + 1);
    weight_ += item.weight();
  }
  if (depth_ > kMaxDepth) fail_render("a value is nested more than {} deep", kMaxDepth);
  if (weight_ > kMaxWeight) fail_render("a value has more than {} parts", kMaxWeight);
}

Value Value::sequence(Kind kind, List items, std::string name) {
  Value result;
  result.kind_ = kind;
  result.measure(items);
  result.data_ = std::make_shared<const Sequence>(Sequence{std::move(items), std::move(name)});
  return result;
}

Value Value::list(List items) { return sequence(Kind::list, std::move(items), ""); }
Value Value::tuple(List items) { return sequence(Kind::tuple, std::move(items), ""); }
Value Value::range(List items, std::string name) { return sequence(Kind::range, std::move(items), std::move(name)); }
Value Value::view(List items, std::string type) { return sequence(Kind::view, std::move(items), std::move(type)); }

Value Value::dict(Dict dict) {
  Value result;
  result.kind_ = Kind::dict;
  for (const auto& [key, value] : dict.items()) {
    result.depth_ = std::max({result.depth_, key.depth() + 1, value.depth() + 1});
    result.weight_ += key.weight() + value.weight();
  }
  result.measure({});
  result.data_ = std::make_shared<const Dict>(std::move(dict));
  return result;
}

Value Value::iterator(List items) {
  Value result;
  result.kind_ = Kind::iterator;
  result.measure(items);
  result.data_ = std::make_shared<Iterator>(Iterator{std::move(items), 0});
  return result;
}

Value Value::function(Function function) {
  Value result;
  result.kind_ = Kind::function;
  result.depth_ = function.self.depth() + 1;
  result.measure({});
  result.data_ = std::make_shared<const Function>(std::move(function));
  return result;
}

Value Value::object(Object* object) {
  Value result;
  result.kind_ = Kind::object;
  result.data_ = object;
  return result;
}

Int Value::as_integer() const { return kind_ == Kind::boolean ? Int{as_boolean()} : std::get<Int>(data_); }

double Value::as_real() const {
  return kind_ == Kind::real ? std::get<double>(data_) : static_cast<double>(as_integer());
}

size_t Value::weight() const { return weight_; }
int Value::depth() const { return depth_; }

bool Value::same_as(const Value& other) const {
  if (kind_ != other.kind_) return false;
  if (kind_ == Kind::real) return std::memcmp(&std::get<double>(data_), &std::get<double>(other.data_), 8) == 0;
  // Python shares small strings and not large ones, which no template can rely on: equal strings are the same here.
  if (kind_ == Kind::string) return as_string() == other.as_string();
  return data_ == other.data_ || kind_ == Kind::undefined;
}

const Value* Dict::find(std::string_view key) const {
  if (index_.empty()) {
    for (const auto& [k, value] : items_)
      if (k.is_string() && k.as_string() == key) return &value;
    return nullptr;
  }
  const auto found = index_.find("s" + std::string(key));
  return found == index_.end() ? nullptr : &items_[found->second].second;
}

size_t Dict::place(const Value& key) const {
  if (index_.empty()) {
    if (!key.is_string()) hash_key(key);  // fails for what cannot be a key
    size_t i = 0;
    while (i < items_.size() && !equal(items_[i].first, key)) ++i;
    return i;
  }
  const auto found = index_.find(hash_key(key));
  return found == index_.end() ? items_.size() : found->second;
}

const Value* Dict::find(const Value& key) const {
  const size_t at = place(key);
  return at < items_.size() ? &items_[at].second : nullptr;
}

void Dict::set(Value key, Value value) {
  const size_t at = place(key);
  if (at < items_.size()) {
    items_[at].second = std::move(value);
    return;
  }
  items_.emplace_back(std::move(key), std::move(value));
  if (items_.size() <= kFewItems) return;
  for (size_t i = index_.size(); i < items_.size(); ++i) index_.emplace(hash_key(items_[i].first), i);
}

const Value* Object::attribute(std::string_view) { return nullptr; }

std::string type_name(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined: return "Undefined";
    case Kind::none: return "NoneType";
    case Kind::boolean: return "bool";
    case Kind::integer: return "int";
    case Kind::real: return "float";
    case Kind::string: return value.is_markup() ? "Markup" : "str";
    case Kind::list: return "list";
    case Kind::tuple: return "tuple";
    case Kind::range: return "range";
    case Kind::dict: return "dict";
    case Kind::view: return value.sequence_name();
    case Kind::iterator: return "generator";
    case Kind::function: return "builtin_function_or_method";
    case Kind::object: return value.as_object()->type_name();
  }
  return "object";
}

bool truth(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined:
    case Kind::none: return false;
    case Kind::boolean: return value.as_boolean();
    case Kind::integer: return value.as_integer() != 0;
    case Kind::real: return value.as_real() != 0;
    case Kind::string: return !value.as_string().empty();
    case Kind::list:
    case Kind::tuple:
    case Kind::range:
    case Kind::view: return !value.items().empty();
    case Kind::dict: return value.as_dict().size() > 0;
    default: return true;
  }
}

bool equal(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) {
    if (a.is_integral() && b.is_integral()) return a.as_integer() == b.as_integer();
    // An integer of more than 53 bits is compared exactly, as Python does, by way of the float's integer.
    if (a.is(Kind::real) && b.is(Kind::real)) return a.as_real() == b.as_real();
    const double real = a.is(Kind::real) ? a.as_real() : b.as_real();
    const Int whole = a.is(Kind::real) ? b.as_integer() : a.as_integer();
    return std::trunc(real) == real && std::fabs(real) < 1e38 && static_cast<Int>(real) == whole;
  }
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::undefined:
    case Kind::none: return true;
    case Kind::string: return a.as_string() == b.as_string();
    case Kind::list:
    case Kind::tuple:
    case Kind::range: return a.same_as(b) || same_items(a.items(), b.items());
    case Kind::view: return a.same_as(b) || (a.sequence_name() != "dict_values" && same_items(a.items(), b.items()));
    case Kind::dict: return a.same_as(b) || same_dicts(a.as_dict(), b.as_dict());
    case Kind::function:
      return a.as_function().call == b.as_function().call && a.as_function().name == b.as_function().name &&
             a.as_function().self.same_as(b.as_function().self);
    default: return a.same_as(b);
  }
}

std::string hash_key(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined: return "u";
    case Kind::none: return "n";
    case Kind::boolean:
    case Kind::integer: return fmt::format("i{}", value.as_integer());
    case Kind::real: {
      const double real = value.as_real();
      if (std::trunc(real) == real && std::fabs(real) < 1e38) return fmt::format("i{}", static_cast<Int>(real));
      return fmt::format("f{}", real);
    }
    case Kind::string: return "s" + value.as_string();
    case Kind::tuple: {
      std::string key = "(";
      for (const Value& item : value.items()) {
        const std::string part = hash_key(item);
        key += fmt::format("{}:{},", part.size(), part);
      }
      return key;
    }
    case Kind::range: return "r" + value.sequence_name();
    case Kind::iterator: return fmt::format("g{}", static_cast<const void*>(&value.as_iterator()));
    case Kind::object: return fmt::format("o{}", static_cast<const void*>(value.as_object()));
    case Kind::function: return "b" + value.as_function().name + hash_key(value.as_function().self);
    default: fail_render("unhashable type: '{}'", type_name(value));
  }
}

void fail_undefined(const Value& value) { throw RenderError(value.undefined_message()); }

}  // namespace propane::jinja
