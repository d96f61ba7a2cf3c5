#include "infer/chat.h"

#include <algorithm>

#include "base/error.h"
#include "tokenizer/tokenizer.h"

namespace propane {

Chat::Chat(Generator& generator, const Tokenizer& tokenizer, const ChatTemplate& chat_template,
           std::vector<int32_t> end_tokens)
    : generator_(generator), tokenizer_(tokenizer), template_(chat_template), end_tokens_(std::move(end_tokens)) {}

std::vector<int32_t> Chat::prompt(const std::string& question) const {
  nlohmann::ordered_json messages = nlohmann::ordered_json::array();
  if (!system_.empty()) messages.push_back({{"role", "system"}, {"content", system_}});
  for (const auto& message : messages_) messages.push_back(message);
  messages.push_back({{"role", "user"}, {"content", question}});
  const std::optional<int32_t> bos = tokenizer_.bos_id();
  const std::string bos_text(bos ? tokenizer_.token(*bos) : std::string_view());
  const std::string eos_text(end_tokens_.empty() ? std::string_view() : tokenizer_.token(end_tokens_[0]));
  const std::string text = template_.render(chat_variables({{"messages", std::move(messages)},
                                                            {"add_generation_prompt", true},
                                                            {"bos_token", bos_text},
                                                            {"eos_token", eos_text}}));
  std::vector<int32_t> ids = tokenizer_.encode(text, AllowedSpecials::all());
  // Most templates write the token that begins a text themselves.
  const std::vector<int32_t>& prefix = tokenizer_.spec().prefix;
  if (!std::equal(prefix.begin(), prefix.end(), ids.begin(), ids.begin() + static_cast<ptrdiff_t>(std::min(prefix.size(), ids.size()))))
    ids.insert(ids.begin(), prefix.begin(), prefix.end());
  return ids;
}

Generated Chat::say(const std::string& question, GenerateOptions options,
                    const std::function<void(std::string_view)>& emit) {
  const std::vector<int32_t> ids = prompt(question);
  const auto room = generator_.context() - static_cast<int64_t>(ids.size());
  if (room < 1)
    fail("the conversation has {} tokens and the context holds {}: begin anew with /clear, or ask for a larger --context",
         ids.size(), generator_.context());
  options.max_tokens = std::min(options.max_tokens, room);
  options.stop_tokens.insert(options.stop_tokens.end(), end_tokens_.begin(), end_tokens_.end());
  Generated answer = generate(generator_, tokenizer_, ids, options, emit);
  messages_.push_back({{"role", "user"}, {"content", question}});
  messages_.push_back({{"role", "assistant"}, {"content", answer.text}});
  return answer;
}

bool Chat::undo() {
  if (messages_.size() < 2) return false;
  messages_.erase(messages_.end() - 2, messages_.end());
  return true;
}

}  // namespace propane
