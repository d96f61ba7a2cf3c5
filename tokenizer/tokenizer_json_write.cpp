#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/tokenizer_json.h"

namespace propane {

namespace {

using json = nlohmann::ordered_json;

json byte_level(bool add_prefix_space, bool use_regex) {
  return {
      {"type", "ByteLevel"}, {"add_prefix_space", add_prefix_space}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

json added_tokens(const TokenizerSpec& spec) {
  std::map<int32_t, const AddedToken*> by_id;
  for (const AddedToken& token : spec.added) by_id[token.id] = &token;
  json list = json::array();
  for (const auto& [id, token] : by_id)
    list.push_back({{"id", id},
                    {"content", token->text},
                    {"single_word", token->single_word},
                    {"lstrip", token->left_strip},
                    {"rstrip", token->right_strip},
                    {"normalized", token->normalized},
                    {"special", token->special}});
  return list;
}

json pre_tokenizer(const TokenizerSpec& spec) {
  if (spec.add_prefix_space) {
    // Only ByteLevel itself can put the space before the cut.
    const bool gpt2 = spec.split.size() == 1 && spec.split[0].pattern == named_pattern("gpt2");
    if (!gpt2 && !spec.split.empty()) fail("a tokenizer.json can combine add_prefix_space only with GPT-2's pattern");
    return byte_level(true, gpt2);
  }
  json list = json::array();
  for (const SplitStage& stage : spec.split)
    list.push_back({{"type", "Split"},
                    {"pattern", {{"Regex", stage.oniguruma_pattern()}}},
                    {"behavior", stage.keep_gaps ? "Isolated" : "Removed"},
                    {"invert", !stage.keep_gaps}});
  list.push_back(byte_level(false, false));
  return {{"type", "Sequence"}, {"pretokenizers", std::move(list)}};
}

json post_processor(const TokenizerSpec& spec) {
  if (spec.prefix.empty() && spec.suffix.empty()) return nullptr;
  json special_tokens = json::object();
  const auto special = [&](int32_t id, int type) -> json {
    for (const AddedToken& token : spec.added)
      if (token.id == id) {
        special_tokens[token.text] = {{"id", token.text}, {"ids", {id}}, {"tokens", {token.text}}};
        return {{"SpecialToken", {{"id", token.text}, {"type_id", type}}}};
      }
    fail("the template's token id {} is no added token", id);
  };
  const auto pieces = [&](std::initializer_list<const char*> texts) {
    json list = json::array();
    int type = 0;
    for (const char* text : texts) {
      for (const int32_t id : spec.prefix) list.push_back(special(id, type));
      list.push_back({{"Sequence", {{"id", text}, {"type_id", type}}}});
      for (const int32_t id : spec.suffix) list.push_back(special(id, type));
      type = 1;
    }
    return list;
  };
  json out = {{"type", "TemplateProcessing"}, {"single", pieces({"A"})}, {"pair", pieces({"A", "B"})}};
  out["special_tokens"] = std::move(special_tokens);
  return out;
}

json model(const TokenizerSpec& spec) {
  std::vector<std::string> texts;
  json vocab = json::object();
  // ordered_json looks for a key before it adds one, a whole pass each time; these keys are distinct.
  auto& members = vocab.get_ref<json::object_t&>();
  for (size_t id = 0; id < spec.tokens.size(); ++id) {
    texts.push_back(to_byte_level(spec.tokens[id]));
    if (!texts.back().empty()) members.push_back({texts.back(), id});
  }
  json merges = json::array();
  for (const Merge& merge : spec.merges)
    merges.push_back(texts[static_cast<size_t>(merge.left)] + ' ' + texts[static_cast<size_t>(merge.right)]);
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", spec.whole_chunk_first},
          {"vocab", std::move(vocab)},
          {"merges", std::move(merges)}};
}

}  // namespace

std::string write_tokenizer_json(const TokenizerSpec& spec) {
  if (spec.model != TokenizerModel::byte_bpe)
    fail("writing a tokenizer.json of SentencePiece's models is not supported");
  json normalizer = nullptr;
  if (spec.nfc) normalizer = {{"type", "NFC"}};
  const json root = {{"version", "1.0"},
                     {"truncation", nullptr},
                     {"padding", nullptr},
                     {"added_tokens", added_tokens(spec)},
                     {"normalizer", std::move(normalizer)},
                     {"pre_tokenizer", pre_tokenizer(spec)},
                     {"post_processor", post_processor(spec)},
                     {"decoder", byte_level(true, true)},
                     {"model", model(spec)}};
  return root.dump(1) + '\n';
}

}  // namespace propane
