// A conversation with a model that was trained for one.
#pragma once

#include <nlohmann/json.hpp>

#include "infer/generator.h"
#include "jinja/chat_template.h"

namespace propane {

// Keeps the messages; what the generator holds of them already is not computed again.
class Chat {
 public:
  // All four outlive the chat. `end_tokens` end an answer.
  Chat(Generator& generator, const Tokenizer& tokenizer, const ChatTemplate& chat_template,
       std::vector<int32_t> end_tokens);

  // What the template puts at the conversation's beginning; empty: whatever it puts there by itself.
  void set_system(std::string text) { system_ = std::move(text); }

  // Adds a question and its answer; an answer that was interrupted or cut off stays as far as it came. Throws Error
  // when the conversation leaves no room in the context, or the template refuses; the messages
  // are then as before.
  Generated say(const std::string& question, GenerateOptions options,
                const std::function<void(std::string_view)>& emit);

  // Takes back the last question and its answer; false when there is none.
  bool undo();
  void clear() { messages_ = nlohmann::ordered_json::array(); }

  // [{"role": ..., "content": ...}], without the system's.
  const nlohmann::ordered_json& messages() const { return messages_; }

  // Token ids of the conversation so far with `question` behind it, where the answer is to begin.
  std::vector<int32_t> prompt(const std::string& question) const;

 private:
  Generator& generator_;
  const Tokenizer& tokenizer_;
  const ChatTemplate& template_;
  std::vector<int32_t> end_tokens_;
  std::string system_;
  nlohmann::ordered_json messages_ = nlohmann::ordered_json::array();
};

}  // namespace propane
