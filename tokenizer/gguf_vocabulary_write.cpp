#include <algorithm>

#include "base/error.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/gguf_vocabulary.h"
#include "tokenizer/piece_types.h"
#include "tokenizer/pre_tokenizers.h"

namespace propane {

namespace {

std::string key(std::string_view name) { return "tokenizer.ggml." + std::string(name); }

std::string_view model_name(const TokenizerSpec& spec) {
  const PieceRules& rules = spec.pieces;
  if (spec.model == TokenizerModel::byte_bpe) return "gpt2";
  if (rules.prefix_unless_there || rules.words_apart)
    fail("a GGUF vocabulary cannot say what Hugging Face's Metaspace does here: write it from the tokenizer.model");
  if (spec.model == TokenizerModel::unigram) return "t5";
  if (rules.merge_by_score) return "llama";
  if (rules.prefix != PieceRules::Prefix::none)
    fail(
        "a GGUF vocabulary cannot hold written merges of pieces and a space before the text: write it from the "
        "tokenizer.model");
  return "gemma4";
}

// The only id of a template, if it has one.
std::optional<int32_t> only_id(const std::vector<int32_t>& ids, const char* which) {
  if (ids.size() > 1) fail("a GGUF vocabulary can put one token {} a text, the tokenizer has {}", which, ids.size());
  return ids.empty() ? std::nullopt : std::optional(ids[0]);
}

void set_pre(const TokenizerSpec& spec, GgufMetadata& metadata) {
  if (spec.add_prefix_space) fail("a GGUF vocabulary of byte-level BPE cannot put a space before texts");
  const std::string_view name =
      spec.pre_name.empty() ? pre_tokenizer_name(spec.split, spec.whole_chunk_first) : std::string_view(spec.pre_name);
  if (name.empty())
    fail("a GGUF vocabulary names the way in which texts are cut, and none of its names fits {}",
         spec.split.empty() ? "no cut at all" : "the pattern \"" + spec.split[0].pattern + "\"");
  metadata.set(key("pre"), name);
}

void set_rules(const TokenizerSpec& spec, GgufMetadata& metadata) {
  const PieceRules& rules = spec.pieces;
  metadata.set(key("add_space_prefix"), rules.prefix != PieceRules::Prefix::none);
  if (spec.model != TokenizerModel::unigram) {
    if (rules.one_space || rules.strip_left || rules.strip_right || !rules.charsmap.empty())
      fail("a GGUF vocabulary of SentencePiece's BPE cannot normalize texts, which this tokenizer does");
    return;
  }
  if (rules.strip_left != rules.one_space || rules.strip_right != rules.one_space)
    fail("a GGUF vocabulary can drop spaces everywhere or nowhere, which is not what this tokenizer does");
  metadata.set(key("remove_extra_whitespaces"), rules.one_space);
  if (rules.charsmap.empty()) return;
  const auto* bytes = reinterpret_cast<const uint8_t*>(rules.charsmap.data());
  metadata.set(key("precompiled_charsmap"), std::vector<uint8_t>(bytes, bytes + rules.charsmap.size()));
}

void set_tokens(const TokenizerSpec& spec, size_t size, GgufMetadata& metadata) {
  const bool bytes = spec.model == TokenizerModel::byte_bpe;
  for (const AddedToken& token : spec.added) size = std::max(size, static_cast<size_t>(token.id) + 1);
  size = std::max(size, spec.tokens.size());
  std::vector<std::string> texts(size);
  std::vector<int32_t> types(size, static_cast<int32_t>(PieceType::unused));
  const auto put = [&](size_t id, std::string text, PieceType type) {
    texts[id] = std::move(text);
    types[id] = static_cast<int32_t>(type);
  };
  for (size_t id = 0; id < spec.tokens.size(); ++id) {
    const std::string& token = spec.tokens[id];
    if (token.empty()) continue;
    const bool byte = spec.pieces.byte_fallback && token.size() == 6 && token.starts_with("<0x");
    put(id, bytes ? to_byte_level(token) : token, byte ? PieceType::byte : PieceType::normal);
  }
  for (const int32_t id : spec.unused) types[static_cast<size_t>(id)] = static_cast<int32_t>(PieceType::unused);
  for (const AddedToken& token : spec.added) {
    if (token.single_word || token.left_strip || token.right_strip)
      fail("a GGUF vocabulary cannot say how the added token \"{}\" treats its neighbours", token.text);
    const PieceType type = token.id == spec.tasks.unknown ? PieceType::unknown
                           : token.special                ? PieceType::control
                                                          : PieceType::user_defined;
    put(static_cast<size_t>(token.id), token.text, type);
  }
  for (size_t id = 0; id < size; ++id)
    if (texts[id].empty()) texts[id] = fmt::format("[PAD{}]", id);
  metadata.set(key("tokens"), texts);
  metadata.set(key("token_type"), types);
  if (!spec.scores.empty()) {
    std::vector<float> scores = spec.scores;
    scores.resize(size);
    metadata.set(key("scores"), scores);
  }
  if (spec.model == TokenizerModel::unigram || spec.pieces.merge_by_score) return;
  std::vector<std::string> merges;
  for (const Merge& merge : spec.merges)
    merges.push_back(texts[static_cast<size_t>(merge.left)] + ' ' + texts[static_cast<size_t>(merge.right)]);
  metadata.set(key("merges"), merges);
}

}  // namespace

void write_gguf_vocabulary(const TokenizerSpec& spec, int vocab_size, GgufMetadata& metadata) {
  const std::optional<int32_t> before = only_id(spec.prefix, "before"), behind = only_id(spec.suffix, "behind");
  if (before && spec.tasks.bos && *before != *spec.tasks.bos)
    fail("a GGUF vocabulary can put only bos before a text, the tokenizer puts id {}", *before);
  if (behind && spec.tasks.eos && *behind != *spec.tasks.eos)
    fail("a GGUF vocabulary can put only eos behind a text, the tokenizer puts id {}", *behind);
  metadata.set(key("model"), model_name(spec));
  if (spec.model == TokenizerModel::byte_bpe) set_pre(spec, metadata);
  else set_rules(spec, metadata);
  set_tokens(spec, static_cast<size_t>(std::max(vocab_size, 0)), metadata);
  const auto set_id = [&](const char* name, std::optional<int32_t> id) {
    if (id) metadata.set(key(name), static_cast<uint32_t>(*id));
  };
  set_id("bos_token_id", before ? before : spec.tasks.bos);
  set_id("eos_token_id", behind ? behind : spec.tasks.eos);
  set_id("eot_token_id", spec.tasks.eot);
  set_id("eom_token_id", spec.tasks.eom);
  set_id("unknown_token_id", spec.tasks.unknown);
  set_id("padding_token_id", spec.tasks.pad);
  metadata.set(key("add_bos_token"), before.has_value());
  metadata.set(key("add_eos_token"), behind.has_value());
}

}  // namespace propane
