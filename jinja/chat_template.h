// Chat templates as Hugging Face's models carry them (chat_template.jinja, "chat_template" in tokenizer_config.json,
// tokenizer.chat_template in a GGUF file): a conversation becomes the text that the model was trained on. The language
// is what transformers gives a template: Jinja 3.1 in an immutable sandbox, trim_blocks and lstrip_blocks on, with
// break and continue, tojson without HTML, raise_exception, strftime_now and the generation tag.
#pragma once

#include <ctime>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "jinja/budget.h"

namespace propane {

struct ChatRenderOptions {
  jinja::Limits limits = {};
  std::function<std::tm()> clock = {};  // for strftime_now; the local time when empty
};

// A parsed template, rendered as often as one likes, from several threads at once too.
class ChatTemplate {
 public:
  // `name` is what errors call it. Throws Error naming the line of what is not valid.
  explicit ChatTemplate(std::string_view source, std::string name = "chat template");
  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;

  // The text for the variables of an object: messages, tools, documents, add_generation_prompt, bos_token and others.
  // Throws Error naming the line: for what the template refuses (raise_exception), for a mistake in it, and for one
  // that goes past the limits.
  std::string render(const nlohmann::ordered_json& variables, const ChatRenderOptions& options = {}) const;

 private:
  struct Impl;
  std::unique_ptr<const Impl> impl_;
};

// The variables that transformers' apply_chat_template hands to a template: `request` (an object with "messages" and
// any others) with tools and documents none and add_generation_prompt false where they are missing, and with each
// message's reasoning under all the names that templates look for it. Throws Error when messages is not a list of
// objects.
nlohmann::ordered_json chat_variables(nlohmann::ordered_json request);

}  // namespace propane
