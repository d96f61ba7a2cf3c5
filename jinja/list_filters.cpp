// The filters on lists and dicts.
#include <algorithm>
#include <unordered_set>

#include "jinja/builtins.h"
#include "jinja/interpreter.h"
#include "jinja/operators.h"
#include "jinja/printing.h"
#include "jinja/unicode.h"

namespace propane::jinja {

namespace {

using In = Interpreter&;
using V = const Value&;
using A = CallArgs&;

// A path into an item, "address.city" or "tags.0": jinja2.filters.make_attrgetter.
Value attribute_at(In in, Value item, V path, V absent) {
  const auto step = [&](V key) {
    item = in.item(item, key);
    if (item.is_undefined() && !absent.is_none()) item = absent;
  };
  if (path.is_none()) return item;
  if (!path.is_string()) return step(path), item;
  const std::string& text = path.as_string();
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('.', begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    const bool number = !part.empty() && part.size() < 10 && part.find_first_not_of("0123456789") == part.npos;
    step(number ? Value::integer(std::stoi(part)) : Value::string(part));
    begin = end + 1;
  }
  return item;
}

Value folded(Value value, bool case_sensitive) {
  return value.is_string() && !case_sensitive ? Value::string(to_lower(value.as_string())) : value;
}

// Stable, by keys of which none may be compared with another kind.
List sorted(In in, const List& items, const List& keys, bool reverse) {
  std::vector<size_t> order(items.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto before = [&](size_t a, size_t b) {
    in.budget().step(1 + static_cast<int64_t>(std::min(keys[a].weight(), keys[b].weight()) / 64));
    return compare("<", keys[a], keys[b]);
  };
  // Python keeps the order of equals in reverse, too.
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return reverse ? before(b, a) : before(a, b); });
  if (order.size() == 1) return items;
  List result;
  for (size_t i : order) result.push_back(items[i]);
  return result;
}

Value sort(In in, V value, A args) {
  const Params params("do_sort", args, {"reverse", "case_sensitive", "attribute"});
  const List items = iterate(in.budget(), value);
  std::vector<Value> paths = {params.value(2, {})};
  if (paths[0].is_string()) {
    const std::string text = paths[0].as_string();
    paths.clear();
    for (size_t begin = 0; begin <= text.size();) {
      const size_t end = std::min(text.find(',', begin), text.size());
      paths.push_back(Value::string(text.substr(begin, end - begin)));
      begin = end + 1;
    }
  }
  List keys;
  for (V item : items) {
    List parts;
    for (V path : paths) parts.push_back(folded(attribute_at(in, item, path, {}), params.flag(1, false)));
    keys.push_back(Value::list(std::move(parts)));
  }
  return Value::list(sorted(in, items, keys, params.flag(0, false)));
}

Value dictsort(In in, V value, A args) {
  const Params params("do_dictsort", args, {"case_sensitive", "by", "reverse"});
  const std::string by = params.text(1, "key");
  if (by != "key" && by != "value") fail_render("You can only sort by either \"key\" or \"value\"");
  if (value.is_undefined()) fail_undefined(value);
  if (!value.is(Kind::dict)) fail_render("'{}' object has no attribute 'items'", type_name(value));
  List items, keys;
  for (const auto& [key, item] : value.as_dict().items()) {
    items.push_back(Value::tuple({key, item}));
    keys.push_back(folded(by == "key" ? key : item, params.flag(0, false)));
  }
  return Value::list(sorted(in, items, keys, params.flag(2, false)));
}

Value unique(In in, V value, A args) {
  const Params params("do_unique", args, {"case_sensitive", "attribute"});
  std::unordered_set<std::string> seen;
  List result;
  for (Value& item : iterate(in.budget(), value)) {
    in.budget().walk(item);
    const Value key = folded(attribute_at(in, item, params.value(1, {}), {}), params.flag(0, false));
    if (seen.insert(hash_key(key)).second) result.push_back(std::move(item));
  }
  return Value::iterator(std::move(result));
}

Value extreme(In in, V value, A args, bool most) {
  const Params params(most ? "do_max" : "do_min", args, {"case_sensitive", "attribute"});
  const List items = iterate(in.budget(), value);
  if (items.empty()) return Value::undefined("No aggregated item, sequence was empty.");
  const auto key = [&](V item) {
    return folded(attribute_at(in, item, params.value(1, {}), {}), params.flag(0, false));
  };
  size_t best = 0;
  Value best_key = key(items[0]);
  for (size_t i = 1; i < items.size(); ++i) {
    Value other = key(items[i]);
    in.budget().walk(other);
    if (!compare(most ? ">" : "<", other, best_key)) continue;
    best = i;
    best_key = std::move(other);
  }
  return items[best];
}

Value map(In in, V value, A args) {
  if (!truth(value)) return Value::iterator({});
  List result;
  if (args.positional.empty() && !args.named.empty()) {
    const Params params("map", args, {"attribute", "default"}, 1);
    for (Value& item : iterate(in.budget(), value)) {
      result.push_back(attribute_at(in, std::move(item), params[0], params.value(1, {})));
      in.budget().step();
    }
    return Value::iterator(std::move(result));
  }
  if (args.positional.empty()) fail_render("map requires a filter argument");
  const std::string name = to_text(args.positional[0]);
  for (const Value& item : iterate(in.budget(), value)) {
    CallArgs rest{{args.positional.begin() + 1, args.positional.end()}, args.named};
    result.push_back(in.apply_filter(name, item, rest));
  }
  return Value::iterator(std::move(result));
}

Value chosen(In in, V value, A args, bool wanted, bool by_attribute) {
  if (!truth(value)) return Value::iterator({});
  if (by_attribute && args.positional.empty()) fail_render("Missing parameter for attribute name");
  const size_t test = by_attribute ? 1 : 0;
  List result;
  for (const Value& item : iterate(in.budget(), value)) {
    const Value tested = by_attribute ? attribute_at(in, item, args.positional[0], {}) : item;
    bool holds = truth(tested);
    if (args.positional.size() > test) {
      CallArgs rest{{args.positional.begin() + static_cast<ptrdiff_t>(test) + 1, args.positional.end()}, args.named};
      holds = in.apply_test(to_text(args.positional[test]), tested, rest);
    }
    in.budget().step();
    if (holds == wanted) result.push_back(item);
  }
  return Value::iterator(std::move(result));
}

Value batch(In in, V value, A args) {
  const Params params("do_batch", args, {"linecount", "fill_with"}, 1);
  const Int count = params.integer(0, 1);
  List result, row;
  for (const Value& item : iterate(in.budget(), value)) {
    if (static_cast<Int>(row.size()) == count) result.push_back(Value::list(std::exchange(row, {})));
    row.push_back(item);
  }
  if (!row.empty()) {
    if (params.has(1) && !params[1].is_none() && static_cast<Int>(row.size()) < count) {
      in.budget().make(static_cast<size_t>(std::min<Int>(count, Int{1} << 40)) * sizeof(Value));
      row.resize(static_cast<size_t>(count), params[1]);
    }
    result.push_back(Value::list(std::move(row)));
  }
  return Value::iterator(std::move(result));
}

Value slices(In in, V value, A args) {
  const Params params("do_slice", args, {"slices", "fill_with"}, 1);
  const List items = iterate(in.budget(), value);
  const Int count = params.integer(0, 1);
  if (count == 0) fail_render("integer division or modulo by zero");
  in.budget().make(static_cast<size_t>(std::clamp<Int>(count, 0, Int{1} << 40)) * sizeof(Value));
  const Int each = static_cast<Int>(items.size()) / count, longer = static_cast<Int>(items.size()) % count;
  List result;
  size_t at = 0;
  for (Int i = 0; i < count; ++i) {
    const auto size = static_cast<size_t>(each + (i < longer ? 1 : 0));
    List part(items.begin() + static_cast<ptrdiff_t>(at), items.begin() + static_cast<ptrdiff_t>(at + size));
    at += size;
    if (params.has(1) && !params[1].is_none() && i >= longer) part.push_back(params[1]);
    result.push_back(Value::list(std::move(part)));
  }
  return Value::iterator(std::move(result));
}

Value groupby(In in, V value, A args) {
  const Params params("do_groupby", args, {"attribute", "default", "case_sensitive"}, 1);
  const List items = iterate(in.budget(), value);
  const Value absent = params.value(1, {});
  const auto key = [&](V item) { return attribute_at(in, item, params[0], absent); };
  List keys;
  for (V item : items) keys.push_back(folded(key(item), params.flag(2, false)));
  List groups, group;
  const auto flush = [&] {
    if (!group.empty()) groups.push_back(Value::tuple({key(group[0]), Value::list(std::exchange(group, {}))}));
  };
  for (const Value& item : sorted(in, items, keys, false)) {
    if (!group.empty()) {
      const bool fold = params.flag(2, false);
      if (!equal(folded(key(item), fold), folded(key(group[0]), fold))) flush();
    }
    group.push_back(item);
  }
  flush();
  return Value::list(std::move(groups));
}

Value reverse(In in, V value, A) {
  if (value.is_string()) return slice(in.budget(), value, {}, {}, Value::integer(-1));
  List items = iterate(in.budget(), value);
  std::reverse(items.begin(), items.end());
  return Value::iterator(std::move(items));
}

Value last(In in, V value, A) {
  if (value.is(Kind::iterator)) fail_render("'generator' object is not reversible");
  const List items = iterate(in.budget(), value);
  return items.empty() ? Value::undefined("No last item, sequence was empty.") : items.back();
}

Value first(In in, V value, A) {
  if (value.is(Kind::iterator)) {
    Iterator& iterator = value.as_iterator();
    if (iterator.next < iterator.items.size()) return iterator.items[iterator.next++];
  } else if (const List items = iterate(in.budget(), value); !items.empty()) {
    return items[0];
  }
  return Value::undefined("No first item, sequence was empty.");
}

Value items(In, V value, A) {
  if (value.is_undefined()) return Value::iterator({});
  if (!value.is(Kind::dict)) fail_render("Can only get item pairs from a mapping.");
  List pairs;
  for (const auto& [key, item] : value.as_dict().items()) pairs.push_back(Value::tuple({key, item}));
  return Value::iterator(std::move(pairs));
}

Value default_value(In, V value, A args) {
  const Params params("do_default", args, {"default_value", "boolean"});
  const bool missing = value.is_undefined() || (params.flag(1, false) && !truth(value));
  return missing ? params.value(0, Value::string("")) : value;
}

Value attribute(In in, V value, A args) {
  const Params params("do_attr", args, {"name"}, 1);
  const Value found = in.attribute(value, params.text(0, ""));
  const bool is_item = value.is(Kind::dict) && !found.is(Kind::function);
  return is_item ? Value::undefined(fmt::format("'dict object' has no attribute {}", to_repr(params[0]))) : found;
}

}  // namespace

const std::vector<Named>& list_filters() {
  static const std::vector<Named> table = {
      {"length", [](In, V v, A) { return Value::integer(static_cast<Int>(length_of(v))); }},
      {"list", [](In in, V v, A) { return Value::list(iterate(in.budget(), v)); }},
      {"first", first},
      {"last", last},
      {"default", default_value},
      {"items", items},
      {"map", map},
      {"select", [](In in, V v, A a) { return chosen(in, v, a, true, false); }},
      {"reject", [](In in, V v, A a) { return chosen(in, v, a, false, false); }},
      {"selectattr", [](In in, V v, A a) { return chosen(in, v, a, true, true); }},
      {"rejectattr", [](In in, V v, A a) { return chosen(in, v, a, false, true); }},
      {"sort", sort},
      {"dictsort", dictsort},
      {"unique", unique},
      {"reverse", reverse},
      {"min", [](In in, V v, A a) { return extreme(in, v, a, false); }},
      {"max", [](In in, V v, A a) { return extreme(in, v, a, true); }},
      {"batch", batch},
      {"slice", slices},
      {"groupby", groupby},
      {"attr", attribute},
  };
  return table;
}

}  // namespace propane::jinja
