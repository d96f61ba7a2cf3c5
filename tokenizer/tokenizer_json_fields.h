// Asking a tokenizer.json for its members, with errors that name the file and the place.
#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/error.h"
#include "tokenizer/rank_file.h"

namespace propane {

class JsonFields {
 public:
  using json = nlohmann::json;

  explicit JsonFields(const std::string& name) : name_(name) {}

 protected:
  [[noreturn]] void unsupported(std::string_view what) const { fail("{}: {} is not supported", name_, what); }
  [[noreturn]] void wrong(std::string_view where, std::string_view expected, const json& found) const {
    std::string text = found.dump(-1, ' ', false, json::error_handler_t::replace);
    if (text.size() > 60) text = text.substr(0, 60) + "...";
    fail("{}: {}: expected {}, found {}", name_, where, expected, text);
  }

  // A member that is there and not null.
  static const json* member(const json& object, const char* key) {
    const auto found = object.find(key);
    return found == object.end() || found->is_null() ? nullptr : &*found;
  }
  const json& need(const json& object, const char* key, std::string_view where) const {
    if (!object.is_object()) wrong(where, "an object", object);
    if (const json* found = member(object, key)) return *found;
    fail("{}: {}: expected a member \"{}\", found none", name_, where, key);
  }
  bool flag(const json& object, const char* key, bool otherwise, std::string_view where) const {
    const json* found = member(object, key);
    if (!found) return otherwise;
    if (!found->is_boolean()) wrong(fmt::format("{}.{}", where, key), "true or false", *found);
    return found->get<bool>();
  }
  const std::string& text(const json& value, std::string_view where) const {
    if (!value.is_string()) wrong(where, "a string", value);
    return value.get_ref<const std::string&>();
  }
  int32_t token_id(const json& value, std::string_view where) const {
    if (!value.is_number_integer() || value < 0 || value > kMaxTokenId)
      wrong(where, fmt::format("a token id from 0 to {}", kMaxTokenId), value);
    return value.get<int32_t>();
  }
  const json& list(const json& value, std::string_view where) const {
    if (!value.is_array()) wrong(where, "a list", value);
    return value;
  }
  const std::string& type_of(const json& value, std::string_view where) const {
    return text(need(value, "type", where), where);
  }

  // The two tokens of a merge, "a b" or ["a", "b"]; false for a comment.
  bool merge_parts(const json& merge, size_t number, std::string_view& left, std::string_view& right) const {
    left = right = {};
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      left = merge[0].get_ref<const std::string&>();
      right = merge[1].get_ref<const std::string&>();
    } else if (merge.is_string()) {
      const std::string_view both = merge.get_ref<const std::string&>();
      if (both.starts_with("#version")) return false;
      const size_t space = both.find(' ');
      if (space != both.npos && both.find(' ', space + 1) == both.npos) {
        left = both.substr(0, space);
        right = both.substr(space + 1);
      }
    }
    if (left.empty() || right.empty())
      wrong(fmt::format("model.merges[{}]", number), "two tokens, as \"a b\" or [\"a\", \"b\"]", merge);
    return true;
  }

  const std::string& name_;  // of the file
};

}  // namespace propane
