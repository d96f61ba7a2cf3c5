// The values of a running template: Python's built-in types as far as a sandboxed template can see them. Values are
// immutable (the sandbox lets nobody change a list or a dict), so they share their content freely and hold no cycles;
// what can change (namespaces, loops, macros) is an Object that the interpreter owns.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace propane::jinja {

// Python's integers have no bound; 128 bits hold every integer of a JSON document, and what goes beyond is an error.
__extension__ typedef __int128 Int;

// What a template does wrong while it runs: Python's message, still without the template's line.
class RenderError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

template <typename... Args>
[[noreturn]] void fail_render(fmt::format_string<Args...> text, Args&&... args) {
  throw RenderError(fmt::format(text, std::forward<Args>(args)...));
}

class Dict;
class Value;
struct Function;
struct Object;
using List = std::vector<Value>;

enum class Kind : uint8_t {
  undefined,
  none,
  boolean,
  integer,
  real,
  string,
  list,
  tuple,
  range,
  dict,
  view,      // of a dict: its keys, values or items
  iterator,  // what `map`, `select` and the like give: items that can be taken once
  function,
  object
};

// The items of a list, tuple, range or view.
struct Sequence {
  List items;
  std::string name;  // a range as Python writes it ("range(0, 5)"); a view's type ("dict_keys")
};

struct Iterator {
  List items;
  size_t next = 0;
};

class Value {
 public:
  Value() = default;  // None

  static Value undefined(std::string message);
  static Value boolean(bool value);
  static Value integer(Int value);
  static Value real(double value);
  static Value string(std::string text, bool markup = false);
  static Value list(List items);
  static Value tuple(List items);
  static Value range(List items, std::string name);
  static Value dict(Dict dict);
  static Value view(List items, std::string type);
  static Value iterator(List items);
  static Value function(Function function);
  static Value object(Object* object);

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_undefined() const { return kind_ == Kind::undefined; }
  bool is_none() const { return kind_ == Kind::none; }
  bool is_string() const { return kind_ == Kind::string; }
  bool is_integral() const { return kind_ == Kind::integer || kind_ == Kind::boolean; }  // Python's bool is an int
  bool is_number() const { return is_integral() || kind_ == Kind::real; }
  bool is_sequence() const { return kind_ >= Kind::list && kind_ <= Kind::range; }

  // Each needs the kind that it names; as_integer() also takes a bool, as_real() any number.
  bool as_boolean() const { return std::get<bool>(data_); }
  Int as_integer() const;
  double as_real() const;
  const std::string& as_string() const { return *std::get<Text>(data_); }
  const List& items() const { return std::get<Items>(data_)->items; }  // of a list, tuple, range or view
  const std::string& sequence_name() const { return std::get<Items>(data_)->name; }
  const Dict& as_dict() const { return *std::get<std::shared_ptr<const Dict>>(data_); }
  Iterator& as_iterator() const { return *std::get<std::shared_ptr<Iterator>>(data_); }
  const Function& as_function() const { return *std::get<std::shared_ptr<const Function>>(data_); }
  Object* as_object() const { return std::get<Object*>(data_); }
  const std::string& undefined_message() const { return *std::get<Text>(data_); }

  bool is_markup() const { return markup_; }  // a string that is HTML already: what `safe` and `escape` give

  // How much there is to walk over: one an element and one a byte of text, all levels together.
  size_t weight() const;
  int depth() const;  // levels of nesting; 0 for what holds nothing

  bool same_as(const Value& other) const;  // Python's `is`

 private:
  using Text = std::shared_ptr<const std::string>;
  using Items = std::shared_ptr<const Sequence>;

  static Value sequence(Kind kind, List items, std::string name);
  void measure(const List& items);

  Kind kind_ = Kind::none;
  bool markup_ = false;
  int depth_ = 0;
  size_t weight_ = 1;
  std::variant<std::monostate, bool, Int, double, Text, Items, std::shared_ptr<const Dict>, std::shared_ptr<Iterator>,
               std::shared_ptr<const Function>, Object*>
      data_;
};

// A dict in the order of insertion.
class Dict {
 public:
  using Item = std::pair<Value, Value>;

  const std::vector<Item>& items() const { return items_; }
  size_t size() const { return items_.size(); }

  // Null when there is no such key. Throws RenderError for a key that cannot be hashed.
  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;

  // A key that is there keeps its place. Throws RenderError for a key that cannot be hashed.
  void set(Value key, Value value);
  void set(std::string_view key, Value value) { set(Value::string(std::string(key)), std::move(value)); }

 private:
  size_t place(const Value& key) const;

  std::vector<Item> items_;
  std::unordered_map<std::string, size_t> index_;  // by hash_key(), once there are more than a few items
};

// What a filter, test, function or method is called with.
struct CallArgs {
  List positional;
  std::vector<std::pair<std::string, Value>> named;
};

class Interpreter;

// A function of the environment, or a method bound to `self`.
struct Function {
  std::string name;
  Value self;
  Value (*call)(Interpreter& in, const Value& self, CallArgs& args) = nullptr;
};

// Something with an identity that lives as long as the rendering.
struct Object {
  virtual ~Object() = default;
  virtual std::string type_name() const = 0;              // for messages
  virtual const Value* attribute(std::string_view name);  // null when there is none
  Value found;                                            // where attribute() puts what it computes
};

// {% set ns = namespace(...) %}: the one thing that a template can change.
struct Namespace : Object {
  Dict attributes;
  std::string type_name() const override { return "namespace"; }
  const Value* attribute(std::string_view name) override { return attributes.find(name); }
};

// Python's name of the value's type, for messages: "str", "NoneType".
std::string type_name(const Value& value);

// Python's bool(value).
bool truth(const Value& value);

// Python's ==. Never fails.
bool equal(const Value& a, const Value& b);

// A text that two hashable values share exactly when they are equal: a set's or a dict's key. Throws RenderError for
// lists and dicts.
std::string hash_key(const Value& value);

// An error for an undefined value that is used as if it were there.
[[noreturn]] void fail_undefined(const Value& value);

}  // namespace propane::jinja
