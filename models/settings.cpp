#include "models/settings.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "quant/dequantize.h"

namespace propane {

using nlohmann::json;

struct JsonSettings::Impl {
  json value;

  const json* find(const std::string& key) const {
    const auto found = value.find(key);
    return found == value.end() || found->is_null() ? nullptr : &*found;
  }
};

JsonSettings::JsonSettings(const Path& file) : file_(file.string()) {
  auto impl = std::make_shared<Impl>(Impl{json::parse(read_file(file), nullptr, false)});
  if (!impl->value.is_object()) fail("{}: expected a JSON object", file_);
  impl_ = std::move(impl);
}

JsonSettings::JsonSettings(std::string file, std::string prefix, std::shared_ptr<const Impl> impl)
    : file_(std::move(file)), prefix_(std::move(prefix)), impl_(std::move(impl)) {}

bool JsonSettings::has(const std::string& key) const { return impl_->find(key) != nullptr; }

std::string JsonSettings::where(const std::string& key) const {
  return fmt::format("{}: \"{}{}\"", file_, prefix_, key);
}

namespace {

std::string shown_json(const json* value) {
  if (!value) return "nothing";
  const std::string text = value->dump(-1, ' ', false, json::error_handler_t::replace);
  return text.size() <= 80 ? text : text.substr(0, 80) + "...";
}

bool is_integer(const json& v) {
  return v.is_number_integer() && (!v.is_number_unsigned() || v.get<uint64_t>() <= uint64_t{INT64_MAX});
}
bool is_flag_or_integer(const json& v) { return v.is_boolean() || is_integer(v); }
bool is_number(const json& v) { return v.is_number(); }
bool is_text(const json& v) { return v.is_string(); }
bool is_boolean(const json& v) { return v.is_boolean(); }

using Test = bool (*)(const json&);

// The value of a key, `absent` where there is none.
template <typename T>
T get(const json* value, const std::string& where, const char* expected, const std::optional<T>& absent, Test test) {
  if (!value && absent) return *absent;
  if (!value || !test(*value)) fail("{}: expected {}, found {}", where, expected, shown_json(value));
  return value->get<T>();
}

const json& get_list(const json* value, const std::string& where, const char* expected, Test test) {
  if (!value || !value->is_array() || !std::all_of(value->begin(), value->end(), test))
    fail("{}: expected a list of {}, found {}", where, expected, shown_json(value));
  return *value;
}

}  // namespace

int64_t JsonSettings::integer(const std::string& key, std::optional<int64_t> absent) const {
  return get(impl_->find(key), where(key), "a whole number", absent, is_integer);
}

double JsonSettings::real(const std::string& key, std::optional<double> absent) const {
  return get(impl_->find(key), where(key), "a number", absent, is_number);
}

bool JsonSettings::boolean(const std::string& key, bool absent) const {
  return get<bool>(impl_->find(key), where(key), "true or false", absent, is_boolean);
}

std::string JsonSettings::text(const std::string& key, std::optional<std::string> absent) const {
  return get(impl_->find(key), where(key), "a text", absent, is_text);
}

std::vector<double> JsonSettings::reals(const std::string& key) const {
  return get_list(impl_->find(key), where(key), "numbers", is_number).get<std::vector<double>>();
}

std::vector<std::string> JsonSettings::texts(const std::string& key) const {
  return get_list(impl_->find(key), where(key), "texts", is_text).get<std::vector<std::string>>();
}

std::vector<int64_t> JsonSettings::integers(const std::string& key) const {
  std::vector<int64_t> list;
  for (const json& item : get_list(impl_->find(key), where(key), "whole numbers", is_flag_or_integer))
    list.push_back(item.is_boolean() ? int64_t{item.get<bool>()} : item.get<int64_t>());
  return list;
}

JsonSettings JsonSettings::object(const std::string& key) const {
  const json* value = impl_->find(key);
  if (!value || !value->is_object()) fail("{}: expected an object, found {}", where(key), shown_json(value));
  return {file_, prefix_ + key + ".", std::make_shared<Impl>(Impl{*value})};
}

void JsonSettings::only(const std::string& key, const char* value) const {
  if (const std::string found = text(key, value); found != value) unsupported(key, found);
}

void JsonSettings::only(const std::string& key, bool value) const {
  if (boolean(key, value) != value) unsupported(key, value ? "false" : "true");
}

void JsonSettings::unsupported(const std::string& key, const std::string& found) const {
  fail("{}: models with {} are not known here", where(key), found);
}

GgufSettings::GgufSettings(const TensorFiles& files, std::string architecture)
    : files_(files), architecture_(std::move(architecture)) {}

const GgufValue* GgufSettings::find(const std::string& key) const {
  return files_.gguf()->find_value(architecture_ + "." + key);
}

bool GgufSettings::has(const std::string& key) const { return find(key) != nullptr; }

int64_t GgufSettings::integer(const std::string& key, std::optional<int64_t> absent) const {
  const GgufValue* value = find(key);
  if (!value) return absent ? *absent : files_.gguf()->value(architecture_ + "." + key).number<int64_t>();
  if (value->type() != GgufType::array) return value->number<int64_t>();
  const auto numbers = value->numbers<int64_t>();
  if (numbers.empty() || std::adjacent_find(numbers.begin(), numbers.end(), std::not_equal_to<>()) != numbers.end())
    unsupported(key, "another number in every layer");
  return numbers[0];
}

double GgufSettings::real(const std::string& key, std::optional<double> absent) const {
  const GgufValue* value = find(key);
  if (!value && absent) return *absent;
  return files_.gguf()->value(architecture_ + "." + key).number<double>();
}

bool GgufSettings::boolean(const std::string& key, bool absent) const {
  const GgufValue* value = find(key);
  return value ? value->boolean() : absent;
}

std::string GgufSettings::text(const std::string& key, const std::string& absent) const {
  const GgufValue* value = find(key);
  return value ? std::string(value->string()) : absent;
}

void GgufSettings::unsupported(const std::string& key, const std::string& found) const {
  fail("{}: \"{}.{}\": models with {} are not known here", file(), architecture_, key, found);
}

std::vector<double> GgufSettings::tensor(std::string_view name) const {
  const StoredTensor* t = files_.find(name);
  if (!t) return {};
  if (!t->block_type) fail("{}: tensor '{}': expected numbers, found {}", file(), name, t->type);
  std::vector<float> values(static_cast<size_t>(t->shape.count()));
  quant::dequantize(*t->block_type, t->data, values);
  return {values.begin(), values.end()};
}

}  // namespace propane
