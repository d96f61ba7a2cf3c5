#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/rank_file.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/tokenizer_json_fields.h"
#include "tokenizer/tokenizer_json_pieces.h"

namespace propane {

namespace {

using nlohmann::json;

// Reads one file; its messages begin with the file's name.
class Reader : JsonFields {
 public:
  Reader(const json& root, const std::string& name) : JsonFields(name), root_(root) {}

  TokenizerSpec read() {
    if (!root_.is_object()) fail("{}: expected a JSON object, found {}", name_, root_.type_name());
    const json* model = member(root_, "model");
    if (!model || !model->is_object()) fail("{}: expected the tokenizer in an object \"model\", found none", name_);
    read_added_tokens();
    if (has_pieces(*model)) {
      read_json_pieces(root_, name_, spec_);
      if (const json* post_processor = member(root_, "post_processor")) read_post_processor(*post_processor);
      return std::move(spec_);
    }
    read_model(*model);
    if (const json* normalizer = member(root_, "normalizer")) read_normalizer(*normalizer);
    const json* pre_tokenizer = member(root_, "pre_tokenizer");
    if (pre_tokenizer) read_pre_tokenizer(*pre_tokenizer);
    if (!byte_level_)
      fail("{}: expected a pre_tokenizer of type ByteLevel, found none; only byte-level BPE is supported", name_);
    if (const json* post_processor = member(root_, "post_processor")) read_post_processor(*post_processor);
    if (const json* decoder = member(root_, "decoder")) check_decoder(*decoder);
    return std::move(spec_);
  }

 private:
  // Unigram, and BPE that starts from characters.
  bool has_pieces(const json& model) {
    const json* type = member(model, "type");
    if (type && *type == "Unigram") return true;
    const json* pre_tokenizer = member(root_, "pre_tokenizer");
    const bool byte_level =
        pre_tokenizer &&
        pre_tokenizer->dump(-1, ' ', false, json::error_handler_t::replace).find("\"ByteLevel\"") != std::string::npos;
    return flag(model, "byte_fallback", false, "model") && !byte_level;
  }

  void read_added_tokens() {
    const json* added = member(root_, "added_tokens");
    if (!added) return;
    for (const json& item : list(*added, "added_tokens")) {
      constexpr std::string_view where = "added_tokens";
      spec_.added.push_back({.id = token_id(need(item, "id", where), "added_tokens.id"),
                             .text = text(need(item, "content", where), "added_tokens.content"),
                             .special = flag(item, "special", false, where),
                             .single_word = flag(item, "single_word", false, where),
                             .left_strip = flag(item, "lstrip", false, where),
                             .right_strip = flag(item, "rstrip", false, where),
                             .normalized = flag(item, "normalized", false, where)});
    }
  }

  void read_model(const json& model) {
    if (const json* type = member(model, "type"))
      if (text(*type, "model.type") != "BPE")
        unsupported(fmt::format("model.type \"{}\" (only BPE and Unigram are)", text(*type, "")));
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"})
      if (const json* found = member(model, key); found && *found != "") unsupported(fmt::format("model.{}", key));
    if (const json* dropout = member(model, "dropout"); dropout && *dropout != 0) unsupported("model.dropout");
    spec_.whole_chunk_first = flag(model, "ignore_merges", false, "model");
    read_vocabulary(need(model, "vocab", "model"));
    read_merges(list(need(model, "merges", "model"), "model.merges"));

    bool all_bytes = true;
    for (int byte = 0; byte < 256; ++byte) {
      const char c = static_cast<char>(byte);
      all_bytes &= ids_.find(to_byte_level({&c, 1})) != nullptr;
    }
    // With a token for every byte neither can ever matter.
    if (!all_bytes && member(model, "unk_token")) unsupported("model.unk_token in a vocabulary that lacks some bytes");
    if (!all_bytes && flag(model, "byte_fallback", false, "model"))
      unsupported("model.byte_fallback in a vocabulary that lacks some bytes");
  }

  void read_vocabulary(const json& vocab) {
    if (!vocab.is_object()) wrong("model.vocab", "an object of tokens and ids", vocab);
    for (const auto& [key, value] : vocab.items()) {
      if (key.empty()) continue;  // some vocabularies have one; it can never be produced
      const int32_t id = token_id(value, fmt::format("model.vocab[\"{}\"]", key));
      if (static_cast<size_t>(id) >= spec_.tokens.size()) spec_.tokens.resize(static_cast<size_t>(id) + 1);
      std::string& bytes = spec_.tokens[static_cast<size_t>(id)];
      if (!bytes.empty()) fail("{}: model.vocab: id {} is there twice, once as \"{}\"", name_, id, key);
      bytes = from_byte_level(key).value_or(key);
      ids_[key] = id;
    }
    for (const AddedToken& token : spec_.added) {
      // The vocabulary may list an added token too; its text is then meant as it stands.
      const int32_t* id = ids_.find(token.text);
      if (id && *id == token.id) spec_.tokens[static_cast<size_t>(*id)] = token.text;
    }
  }

  int32_t vocabulary_id(std::string_view token, size_t merge) {
    const int32_t* id = ids_.find(token);
    if (!id) fail("{}: model.merges[{}]: expected tokens of the vocabulary, found \"{}\"", name_, merge, token);
    return *id;
  }

  void read_merges(const json& merges) {
    spec_.merges.reserve(merges.size());
    std::string_view left, right;
    for (size_t i = 0; i < merges.size(); ++i)
      if (merge_parts(merges[i], i, left, right))
        spec_.merges.push_back({.left = vocabulary_id(left, i),
                                .right = vocabulary_id(right, i),
                                .result = vocabulary_id(std::string(left).append(right), i),
                                .rank = static_cast<int32_t>(i)});
  }

  void read_normalizer(const json& normalizer) {
    const std::string& type = type_of(normalizer, "normalizer");
    if (type == "NFC") {
      spec_.nfc = true;
    } else if (type == "Sequence") {
      for (const json& item : list(need(normalizer, "normalizers", "normalizer"), "normalizer")) read_normalizer(item);
    } else {
      unsupported(fmt::format("the normalizer \"{}\" (only NFC is)", type));
    }
  }

  void read_pre_tokenizer(const json& item) {
    const std::string& type = type_of(item, "pre_tokenizer");
    if (byte_level_) unsupported(fmt::format("the pre_tokenizer \"{}\" behind ByteLevel", type));
    if (type == "Sequence") {
      for (const json& each : list(need(item, "pretokenizers", "pre_tokenizer"), "pre_tokenizer"))
        read_pre_tokenizer(each);
    } else if (type == "ByteLevel") {
      byte_level_ = true;
      spec_.add_prefix_space = flag(item, "add_prefix_space", true, "pre_tokenizer");
      if (spec_.add_prefix_space && !spec_.split.empty())
        unsupported("ByteLevel's add_prefix_space behind another pre_tokenizer");
      if (flag(item, "use_regex", true, "pre_tokenizer"))
        spec_.split.push_back({.pattern = std::string(named_pattern("gpt2")), .dialect = RegexDialect::oniguruma});
    } else if (type == "Digits") {
      const bool each = flag(item, "individual_digits", false, "pre_tokenizer");
      spec_.split.push_back({.pattern = each ? "\\p{N}" : "\\p{N}+", .dialect = RegexDialect::oniguruma});
    } else if (type == "Split") {
      read_split(item);
    } else {
      unsupported(fmt::format("the pre_tokenizer \"{}\" (only ByteLevel, Split and Digits are)", type));
    }
  }

  void read_split(const json& item) {
    constexpr std::string_view where = "pre_tokenizer Split";
    const std::string& behavior = text(need(item, "behavior", where), where);
    const bool isolated = behavior == "Isolated";
    if (!isolated && !(behavior == "Removed" && flag(item, "invert", false, where)))
      unsupported(
          fmt::format("the behavior \"{}\" of a Split (only Isolated, and Removed with invert, are)", behavior));
    const json& pattern = need(item, "pattern", where);
    SplitStage stage{.dialect = RegexDialect::oniguruma, .keep_gaps = isolated};
    if (const json* regex = pattern.is_object() ? member(pattern, "Regex") : nullptr) {
      stage.pattern = text(*regex, where);
    } else if (const json* literal = pattern.is_object() ? member(pattern, "String") : nullptr) {
      for (const char c : text(*literal, where)) {
        if (std::string_view("\\^$.[]|()?*+{}-#").find(c) != std::string_view::npos) stage.pattern += '\\';
        stage.pattern += c;
      }
    } else {
      wrong(where, "a pattern with \"Regex\" or \"String\"", pattern);
    }
    try {
      Splitter{{stage}};
    } catch (const Error& error) {
      fail("{}: {}: {}", name_, where, error.what());
    }
    spec_.split.push_back(std::move(stage));
  }

  void read_post_processor(const json& item) {
    const std::string& type = type_of(item, "post_processor");
    if (type == "Sequence") {
      for (const json& each : list(need(item, "processors", "post_processor"), "post_processor"))
        read_post_processor(each);
    } else if (type == "TemplateProcessing") {
      read_template(item);
    } else if (type == "RobertaProcessing" || type == "BertProcessing") {
      spec_.prefix.push_back(pair_id(need(item, "cls", "post_processor")));
      spec_.suffix.push_back(pair_id(need(item, "sep", "post_processor")));
    } else if (type != "ByteLevel") {
      unsupported(fmt::format("the post_processor \"{}\"", type));
    }
  }

  // ["</s>", 2]
  int32_t pair_id(const json& pair) {
    if (!pair.is_array() || pair.size() != 2) wrong("post_processor", "a token and its id", pair);
    return token_id(pair[1], "post_processor");
  }

  void read_template(const json& item) {
    constexpr std::string_view where = "post_processor TemplateProcessing";
    const json& specials = need(item, "special_tokens", where);
    bool behind_text = false;
    for (const json& piece : list(need(item, "single", where), where)) {
      if (!piece.is_object()) wrong(where, "an object", piece);
      if (member(piece, "Sequence")) {
        behind_text = true;
        continue;
      }
      const std::string& id = text(need(need(piece, "SpecialToken", where), "id", where), where);
      for (const json& each : list(need(need(specials, id.c_str(), where), "ids", where), where))
        (behind_text ? spec_.suffix : spec_.prefix).push_back(token_id(each, where));
    }
  }

  void check_decoder(const json& decoder) {
    const std::string& type = type_of(decoder, "decoder");
    if (type == "Sequence") {
      for (const json& each : list(need(decoder, "decoders", "decoder"), "decoder")) check_decoder(each);
    } else if (type != "ByteLevel") {
      unsupported(fmt::format("the decoder \"{}\" (only ByteLevel is)", type));
    }
  }

  const json& root_;
  TokenizerSpec spec_;
  BytesTable<int32_t> ids_;  // by the token's text in the file
  bool byte_level_ = false;
};

}  // namespace

TokenizerSpec read_tokenizer_json(std::string_view text, const std::string& name) {
  json root;
  try {
    root = json::parse(text);
  } catch (const json::parse_error& error) {
    const std::string_view message = error.what();
    fail("{}: not JSON: {}", name, message.substr(std::min(message.find("] ") + 2, message.size())));
  } catch (const json::out_of_range& error) {  // a number beyond double
    const std::string_view message = error.what();
    fail("{}: not JSON: {}", name, message.substr(std::min(message.find("] ") + 2, message.size())));
  }
  return Reader(root, name).read();
}

}  // namespace propane
