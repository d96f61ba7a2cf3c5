// Any bytes as a chat template: an Error, or a text within the limits, the same one twice.
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "jinja/chat_template.h"

namespace {

const nlohmann::ordered_json& variables() {
  static const auto chat = propane::chat_variables(nlohmann::ordered_json::parse(R"({
    "messages": [
      {"role": "system", "content": "Be brief."},
      {"role": "user", "content": "Gr\u00fc\u00dfe \ud83c\udf0d"},
      {"role": "assistant", "content": null, "tool_calls": [
        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": {"x": 1.5, "y": [1, 2]}}}]},
      {"role": "tool", "content": "{}", "tool_call_id": "c1"}],
    "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}],
    "add_generation_prompt": true, "bos_token": "<s>", "eos_token": "</s>",
    "n": 7, "s": "Hello, World", "l": [3, 1, 2], "d": {"a": 1, "b": [1, 2]}})"));
  return chat;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  propane::ChatRenderOptions options;
  options.limits = {.steps = 20'000, .bytes = size_t{1} << 22, .output = size_t{1} << 18, .depth = 300};
  options.clock = [] { return std::tm{.tm_mday = 1, .tm_year = 126}; };
  try {
    const propane::ChatTemplate chat({reinterpret_cast<const char*>(data), size}, "input");
    const std::string text = chat.render(variables(), options);
    if (text.size() > options.limits.output) std::abort();
    if (chat.render(variables(), options) != text) std::abort();
  } catch (const propane::Error&) {
    // What every damaged template must end in.
  }
  return 0;
}
