#include "tokenizer/piece_types.h"

#include <algorithm>
#include <iterator>

namespace propane {

void add_piece(TokenizerSpec& spec, std::string_view text, PieceType type) {
  const auto id = static_cast<int32_t>(spec.tokens.size());
  spec.tokens.emplace_back();
  switch (type) {
    case PieceType::unknown:
      if (!spec.tasks.unknown) spec.tasks.unknown = id;
      [[fallthrough]];
    case PieceType::control:
      if (!text.empty()) spec.added.push_back({.id = id, .text = std::string(text)});
      return;
    case PieceType::user_defined:
      if (!text.empty()) spec.added.push_back({.id = id, .text = std::string(text), .special = false});
      return;
    case PieceType::unused: spec.unused.push_back(id); break;
    case PieceType::byte: spec.pieces.byte_fallback = true; break;
    case PieceType::normal: break;
  }
  spec.tokens.back() = text;
}

bool is_end_name(std::string_view text) {
  constexpr std::string_view kNames[] = {
      "</s>",       "<eos>",   "<|endoftext|>", "<|end_of_text|>", "<|eot_id|>",           "<|eom_id|>",
      "<|im_end|>", "<|end|>", "<end_of_turn>", "<turn|>",         "<end_of_utterance>",   "<|return|>",
      "<|call|>",   "<EOT>",   "[EOT]",         "[EOS]",           "<｜end▁of▁sentence｜>"};
  return std::find(std::begin(kNames), std::end(kNames), text) != std::end(kNames);
}

}  // namespace propane
