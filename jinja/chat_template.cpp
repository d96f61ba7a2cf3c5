#include "jinja/chat_template.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/utf8.h"
#include "jinja/interpreter.h"
#include "jinja/parser.h"

namespace propane {

namespace {

using jinja::Dict;
using jinja::List;
using jinja::RenderError;
using jinja::Value;
using nlohmann::ordered_json;

constexpr int kMaxDepth = 150;  // of a conversation's JSON

Value to_value(const ordered_json& json, int depth = 0) {
  if (depth > kMaxDepth) throw RenderError("a variable is nested too deep");
  switch (json.type()) {
    case ordered_json::value_t::boolean: return Value::boolean(json.get<bool>());
    case ordered_json::value_t::number_integer: return Value::integer(json.get<int64_t>());
    case ordered_json::value_t::number_unsigned: return Value::integer(static_cast<jinja::Int>(json.get<uint64_t>()));
    case ordered_json::value_t::number_float: return Value::real(json.get<double>());
    case ordered_json::value_t::string: return Value::string(utf8_replace_invalid(json.get_ref<const std::string&>()));
    case ordered_json::value_t::array: {
      List items;
      for (const ordered_json& item : json) items.push_back(to_value(item, depth + 1));
      return Value::list(std::move(items));
    }
    case ordered_json::value_t::object: {
      Dict dict;
      for (const auto& [key, item] : json.items()) dict.set(utf8_replace_invalid(key), to_value(item, depth + 1));
      return Value::dict(std::move(dict));
    }
    default: return {};
  }
}

std::tm local_time() {
  const std::time_t now = std::time(nullptr);
  std::tm result{};
  localtime_r(&now, &result);
  return result;
}

}  // namespace

struct ChatTemplate::Impl {
  std::string name;
  jinja::Body body;
};

ChatTemplate::ChatTemplate(std::string_view source, std::string name) {
  int line = 1;
  try {
    jinja::Parser parser(utf8_replace_invalid(source), line);
    impl_ = std::make_unique<const Impl>(Impl{name, parser.parse()});
  } catch (const RenderError& error) {
    fail("{}: line {}: {}", name, line, error.what());
  }
}

ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;

std::string ChatTemplate::render(const ordered_json& variables, const ChatRenderOptions& options) const {
  if (!variables.is_object()) fail("{}: expected an object of variables, found {}", impl_->name, variables.type_name());
  jinja::Interpreter interpreter(options.limits, options.clock ? options.clock : local_time);
  try {
    const Value values = to_value(variables);
    return interpreter.run(impl_->body, values.as_dict());
  } catch (const RenderError& error) {
    fail("{}: line {}: {}", impl_->name, interpreter.line(), error.what());
  }
}

ordered_json chat_variables(ordered_json request) {
  if (!request.is_object() || !request.contains("messages") || !request["messages"].is_array()) {
    fail("a chat: expected an object with a list of messages");
  }
  for (ordered_json& message : request["messages"]) {
    if (!message.is_object()) fail("a chat: expected each message to be an object, found {}", message.type_name());
    // reasoning_content is the name that transformers settled on; gpt-oss's template reads thinking.
    for (const char* field : {"reasoning_content", "thinking", "reasoning"}) {
      if (!message.contains(field) || message[field].is_null()) continue;
      const ordered_json reasoning = message[field];
      ordered_json named = {{"thinking", reasoning}};
      named.update(message);
      named["reasoning_content"] = reasoning;
      message = std::move(named);
      break;
    }
  }
  for (const char* absent : {"tools", "documents"})
    if (!request.contains(absent)) request[absent] = nullptr;
  if (!request.contains("add_generation_prompt")) request["add_generation_prompt"] = false;
  return request;
}

}  // namespace propane
