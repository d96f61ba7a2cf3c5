#include "tokenizer/tokenizer_json_pieces.h"

#include <cmath>

#include "tokenizer/byte_level.h"
#include "tokenizer/tokenizer_json_fields.h"

namespace propane {

namespace {

using nlohmann::json;

constexpr std::string_view kSpaceSign = "\u2581";

class Reader : JsonFields {
 public:
  Reader(const json& root, const std::string& name, TokenizerSpec& spec)
      : JsonFields(name), root_(root), spec_(spec), rules_(spec.pieces) {}

  void read() {
    const json& model = need(root_, "model", "tokenizer");
    if (text(need(model, "type", "model"), "model.type") == "Unigram") read_unigram(model);
    else read_bpe(model);
    if (const json* normalizer = member(root_, "normalizer")) read_normalizer(*normalizer);
    if (const json* pre_tokenizer = member(root_, "pre_tokenizer")) read_pre_tokenizer(*pre_tokenizer);
    if (!marks_spaces_)
      unsupported(fmt::format("a {} model without a Replace or Metaspace that makes spaces U+2581",
                              spec_.model == TokenizerModel::unigram ? "Unigram" : "byte_fallback"));
    if (const json* decoder = member(root_, "decoder")) read_decoder(*decoder);
  }

 private:
  void read_unigram(const json& model) {
    spec_.model = TokenizerModel::unigram;
    rules_.byte_fallback = flag(model, "byte_fallback", false, "model");
    const json& vocab = list(need(model, "vocab", "model"), "model.vocab");
    for (const json& entry : vocab) {
      const size_t id = spec_.tokens.size();
      if (id > static_cast<size_t>(kMaxTokenId)) wrong("model.vocab", "fewer pieces", vocab);
      if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_number())
        wrong(fmt::format("model.vocab[{}]", id), "a piece and its score", entry);
      add(entry[0].get_ref<const std::string&>(), id);
      spec_.scores.push_back(static_cast<float>(entry[1].get<double>()));
    }
    if (const json* unknown = member(model, "unk_id")) {
      const int32_t id = token_id(*unknown, "model.unk_id");
      if (static_cast<size_t>(id) >= spec_.tokens.size()) wrong("model.unk_id", "an id of the vocabulary", *unknown);
      spec_.tasks.unknown = id;
    }
  }

  void read_bpe(const json& model) {
    spec_.model = TokenizerModel::piece_bpe;
    rules_.byte_fallback = true;
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"})
      if (const json* found = member(model, key); found && *found != "") unsupported(fmt::format("model.{}", key));
    if (const json* dropout = member(model, "dropout"); dropout && *dropout != 0) unsupported("model.dropout");
    spec_.whole_chunk_first = flag(model, "ignore_merges", false, "model");
    const json& vocab = need(model, "vocab", "model");
    if (!vocab.is_object()) wrong("model.vocab", "an object of tokens and ids", vocab);
    for (const auto& [piece, value] : vocab.items()) {
      if (piece.empty()) continue;  // it can never be produced
      const auto id = static_cast<size_t>(token_id(value, fmt::format("model.vocab[\"{}\"]", piece)));
      if (id >= spec_.tokens.size()) spec_.tokens.resize(id + 1);
      if (!spec_.tokens[id].empty()) fail("{}: model.vocab: id {} is there twice, once as \"{}\"", name_, id, piece);
      add(piece, id);
    }
    if (const json* unknown = member(model, "unk_token"))
      spec_.tasks.unknown = merge_id(text(*unknown, "model.unk_token"), "model.unk_token");
    bool all_bytes = true;
    for (int byte = 0; byte < 256; ++byte) all_bytes &= ids_.find(fmt::format("<0x{:02X}>", byte)) != nullptr;
    if (!all_bytes && spec_.tasks.unknown && !flag(model, "fuse_unk", false, "model"))
      unsupported("model.unk_token without fuse_unk in a vocabulary that lacks some bytes");
    const json& merges = list(need(model, "merges", "model"), "model.merges");
    spec_.merges.reserve(merges.size());
    std::string_view left, right;
    for (size_t i = 0; i < merges.size(); ++i) {
      if (!merge_parts(merges[i], i, left, right)) continue;
      const std::string where = fmt::format("model.merges[{}]", i);
      spec_.merges.push_back({merge_id(left, where), merge_id(right, where),
                              merge_id(std::string(left).append(right), where), static_cast<int32_t>(i)});
    }
  }

  void add(const std::string& piece, size_t id) {
    if (ids_.find(piece)) fail("{}: model.vocab: \"{}\" is there twice", name_, piece);
    ids_[piece] = static_cast<int32_t>(id);
    if (id == spec_.tokens.size()) spec_.tokens.emplace_back();
    spec_.tokens[id] = piece;
  }

  int32_t merge_id(std::string_view piece, std::string_view where) {
    const int32_t* id = ids_.find(piece);
    if (!id) fail("{}: {}: expected tokens of the vocabulary, found \"{}\"", name_, where, piece);
    return *id;
  }

  // The pattern of a Replace or Split: its text, and whether it is a regular expression.
  std::string pattern(const json& item, bool& regex) {
    const json& value = need(item, "pattern", "a pattern");
    const json* found = value.is_object() ? member(value, "Regex") : nullptr;
    regex = found != nullptr;
    if (!found && value.is_object()) found = member(value, "String");
    if (!found) wrong("pattern", "a pattern with \"Regex\" or \"String\"", value);
    return text(*found, "pattern");
  }

  void read_normalizer(const json& item) {
    const std::string& type = type_of(item, "normalizer");
    if (type == "Sequence") {
      for (const json& each : list(need(item, "normalizers", "normalizer"), "normalizer")) read_normalizer(each);
    } else if (type == "Precompiled") {
      rules_.charsmap = from_base64(text(need(item, "precompiled_charsmap", "normalizer"), "normalizer"));
    } else if (type == "NFC") {
      spec_.nfc = true;
    } else if (type == "Prepend") {
      if (text(need(item, "prepend", "normalizer"), "normalizer") != kSpaceSign)
        wrong("normalizer Prepend", "U+2581", item);
      rules_.prefix = PieceRules::Prefix::each;
    } else if (type == "Strip" && !rules_.charsmap.empty()) {  // white space is ' ' by then
      rules_.strip_left = flag(item, "strip_left", true, "normalizer");
      rules_.strip_right = flag(item, "strip_right", true, "normalizer");
      rules_.strip_each = true;
    } else if (type == "Replace") {
      bool regex = false;
      const std::string from = pattern(item, regex), to = text(need(item, "content", "normalizer"), "normalizer");
      if (!regex && from == " " && to == kSpaceSign) marks_spaces_ = true;
      else if (regex && from == " {2,}" && (to == " " || to == kSpaceSign)) rules_.one_space = true;
      else unsupported(fmt::format("the normalizer Replace of \"{}\" by \"{}\"", from, to));
    } else {
      unsupported(fmt::format("the normalizer \"{}\" of a model of pieces", type));
    }
  }

  void read_pre_tokenizer(const json& item) {
    const std::string& type = type_of(item, "pre_tokenizer");
    if (type == "Sequence") {
      for (const json& each : list(need(item, "pretokenizers", "pre_tokenizer"), "pre_tokenizer"))
        read_pre_tokenizer(each);
    } else if (type == "Metaspace") {
      if (const json* sign = member(item, "replacement"); sign && *sign != kSpaceSign)
        wrong("pre_tokenizer Metaspace", "U+2581", *sign);
      const json* scheme = member(item, "prepend_scheme");
      const std::string name = scheme                                                  ? text(*scheme, "prepend_scheme")
                               : flag(item, "add_prefix_space", true, "pre_tokenizer") ? "always"
                                                                                       : "never";
      if (name == "always") rules_.prefix = PieceRules::Prefix::each;
      else if (name == "first") rules_.prefix = PieceRules::Prefix::first;
      else if (name != "never") wrong("pre_tokenizer.prepend_scheme", "always, first or never", *scheme);
      rules_.prefix_unless_there = rules_.prefix != PieceRules::Prefix::none;
      rules_.words_apart = flag(item, "split", true, "pre_tokenizer");
      marks_spaces_ = true;
    } else if (type == "Split") {
      // Gemma's: it looks for spaces where the normalizer has left none.
      bool regex = false;
      if (!marks_spaces_ || pattern(item, regex) != " ")
        unsupported("the pre_tokenizer \"Split\" of a model of pieces");
    } else {
      unsupported(fmt::format("the pre_tokenizer \"{}\" of a model of pieces", type));
    }
  }

  void read_decoder(const json& item) {
    const std::string& type = type_of(item, "decoder");
    if (type == "Sequence") {
      for (const json& each : list(need(item, "decoders", "decoder"), "decoder")) read_decoder(each);
    } else if (type == "Metaspace") {
      const json* scheme = member(item, "prepend_scheme");
      rules_.strip_first = scheme ? *scheme != "never" : flag(item, "add_prefix_space", true, "decoder");
    } else if (type == "Strip") {
      if (need(item, "content", "decoder") != " " || need(item, "start", "decoder") != 1 ||
          need(item, "stop", "decoder") != 0)
        wrong("decoder Strip", "one space at the start", item);
      rules_.strip_first = true;
    } else if (type != "Replace" && type != "ByteFallback" && type != "Fuse") {
      unsupported(fmt::format("the decoder \"{}\" of a model of pieces", type));
    }
  }

  std::string from_base64(std::string_view digits) {
    std::string out;
    if (!decode_base64(digits, out)) fail("{}: normalizer.precompiled_charsmap: expected base64", name_);
    return out;
  }

  const json& root_;
  TokenizerSpec& spec_;
  PieceRules& rules_;
  BytesTable<int32_t> ids_;
  bool marks_spaces_ = false;
};

}  // namespace

void read_json_pieces(const json& root, const std::string& name, TokenizerSpec& spec) {
  Reader(root, name, spec).read();
}

}  // namespace propane
