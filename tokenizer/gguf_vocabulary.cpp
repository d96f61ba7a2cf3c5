#include "tokenizer/gguf_vocabulary.h"

#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/piece_types.h"
#include "tokenizer/pre_tokenizers.h"
#include "tokenizer/rank_file.h"

namespace propane {

namespace {

std::string key(std::string_view name) { return "tokenizer.ggml." + std::string(name); }

// Reads one file.
class Reader {
 public:
  explicit Reader(const GgufFile& file) : file_(file) {}

  TokenizerSpec read() {
    const std::string_view model = need("model").string();
    const bool bytes = model == "gpt2";
    if (model == "llama" || model == "gemma4") spec_.model = TokenizerModel::piece_bpe;
    else if (model == "t5") spec_.model = TokenizerModel::unigram;
    else if (!bytes)
      fail(
          "{}: tokenizer.ggml.model: expected gpt2, llama, t5 or gemma4, found \"{}\", a kind of vocabulary that is "
          "not "
          "supported",
          file_.name(), model);
    read_tokens(bytes);
    TaskIds& tasks = spec_.tasks;
    if (model == "llama") tasks = {.bos = exists(1), .eos = exists(2), .unknown = exists(0)};
    if (model == "t5") tasks = {.eos = exists(1), .unknown = exists(2), .pad = exists(0)};
    read_tasks();
    bool add_bos = model == "llama" || model == "gemma4", add_eos = model == "t5";
    if (bytes) {
      const GgufValue* pre = find("pre");
      PreTokenizer known = pre_tokenizer(pre ? pre->string() : "default", file_.name());
      spec_.pre_name = pre ? pre->string() : "default";
      spec_.split = std::move(known.stages);
      spec_.whole_chunk_first = known.whole_chunk_first;
      add_bos = known.add_bos;
    } else {
      read_rules(model);
    }
    if (bytes || model == "gemma4") read_merges();
    if (flag("add_bos_token", add_bos)) spec_.prefix = {task(tasks.bos, "add_bos_token", "bos_token_id")};
    if (flag("add_eos_token", add_eos)) spec_.suffix = {task(tasks.eos, "add_eos_token", "eos_token_id")};
    strip_behind_specials_of_phi3();
    return std::move(spec_);
  }

 private:
  const GgufValue* find(std::string_view name) { return file_.find_value(key(name)); }
  const GgufValue& need(std::string_view name) { return file_.value(key(name)); }
  bool flag(std::string_view name, bool otherwise) {
    const GgufValue* value = find(name);
    return value ? value->boolean() : otherwise;
  }
  std::optional<int32_t> exists(int32_t id) {
    return static_cast<size_t>(id) < size_ ? std::optional(id) : std::nullopt;
  }

  void read_tokens(bool bytes) {
    const std::vector<std::string_view> texts = need("tokens").strings();
    size_ = texts.size();
    if (size_ == 0 || size_ > static_cast<size_t>(kMaxTokenId) + 1)
      fail("{}: tokenizer.ggml.tokens: expected 1 to {} tokens, found {}", file_.name(), kMaxTokenId + 1, size_);
    const std::vector<int32_t> types = numbers<int32_t>("token_type");
    if (!bytes) spec_.scores = numbers<float>("scores");
    spec_.tokens.reserve(size_);
    for (size_t id = 0; id < size_; ++id) {
      const std::string_view text = texts[id];
      PieceType type = types.empty() ? PieceType::normal : static_cast<PieceType>(types[id]);
      if (types.empty() ? false : types[id] < 1 || types[id] > 6) type = PieceType::unused;
      // Some converters forget what these are.
      if ((type == PieceType::normal || type == PieceType::user_defined) && is_end_name(text))
        type = PieceType::control;
      add_piece(spec_, text, type);
      ids_[text] = static_cast<int32_t>(id);
      if (!bytes) continue;
      std::string& own = spec_.tokens.back();
      if (!own.empty()) own = from_byte_level(own).value_or(own);
    }
    if (ids_.size() != size_)
      fail("{}: tokenizer.ggml.tokens: expected distinct tokens, found some twice", file_.name());
  }

  // An array with an entry for each token, or none at all.
  template <typename T>
  std::vector<T> numbers(std::string_view name) {
    const GgufValue* value = find(name);
    if (!value) return {};
    std::vector<T> list;
    if (std::is_same_v<T, float> && value->size() > 0 && value->element_type() == GgufType::i32) {
      for (const int32_t number : value->numbers<int32_t>()) list.push_back(static_cast<T>(number));
    } else {
      list = value->numbers<T>();
    }
    if (list.size() < size_)
      fail("{}: {}: expected one for each of the {} tokens, found {}", file_.name(), key(name), size_, list.size());
    list.resize(size_);
    return list;
  }

  void read_tasks() {
    TaskIds& tasks = spec_.tasks;
    const std::pair<const char*, std::optional<int32_t>*> named[] = {
        {"bos_token_id", &tasks.bos}, {"eos_token_id", &tasks.eos},         {"eot_token_id", &tasks.eot},
        {"eom_token_id", &tasks.eom}, {"unknown_token_id", &tasks.unknown}, {"padding_token_id", &tasks.pad}};
    for (const auto& [name, id] : named) {
      const GgufValue* value = find(name);
      if (!value) continue;
      const auto number = value->number<int64_t>();
      if (number < 0 || number >= static_cast<int64_t>(size_))
        fail("{}: {}: expected an id below {}, found {}", file_.name(), key(name), size_, number);
      *id = static_cast<int32_t>(number);
    }
  }

  int32_t task(std::optional<int32_t> id, const char* switch_name, const char* id_name) {
    if (!id)
      fail("{}: tokenizer.ggml.{} is true, and tokenizer.ggml.{} is not there", file_.name(), switch_name, id_name);
    return *id;
  }

  void read_rules(std::string_view model) {
    PieceRules& rules = spec_.pieces;
    if (model != "gemma4" && spec_.scores.empty()) need("scores");
    rules.merge_by_score = model == "llama";
    // llama.cpp puts the space behind every special again; without one in the text that is at its beginning only.
    if (flag("add_space_prefix", model == "llama")) rules.prefix = PieceRules::Prefix::each;
    rules.strip_first = rules.prefix != PieceRules::Prefix::none;
    if (model != "t5") return;
    rules.one_space = rules.strip_left = rules.strip_right = rules.strip_each = flag("remove_extra_whitespaces", false);
    if (const GgufValue* map = find("precompiled_charsmap")) {
      if (map->element_type() != GgufType::u8 && map->element_type() != GgufType::i8)
        fail("{}: {}: expected bytes, found an array of {}", file_.name(), key("precompiled_charsmap"),
             gguf_type_name(map->element_type()));
      for (const int32_t byte : map->numbers<int32_t>()) rules.charsmap += static_cast<char>(byte);
    }
  }

  void read_merges() {
    const std::vector<std::string_view> merges = need("merges").strings();
    spec_.merges.reserve(merges.size());
    std::string joined;
    for (size_t i = 0; i < merges.size(); ++i) {
      const std::string_view both = merges[i];
      const size_t space = both.find(' ', 1);
      if (space == both.npos || space + 1 == both.size())
        fail("{}: tokenizer.ggml.merges[{}]: expected two tokens and a space between them, found \"{}\"", file_.name(),
             i, utf8_replace_invalid(both.substr(0, 60)));
      const std::string_view left = both.substr(0, space), right = both.substr(space + 1);
      joined.assign(left).append(right);
      spec_.merges.push_back({merge_id(left, i), merge_id(right, i), merge_id(joined, i), static_cast<int32_t>(i)});
    }
  }

  int32_t merge_id(std::string_view token, size_t merge) {
    const int32_t* id = ids_.find(token);
    if (!id || spec_.tokens[static_cast<size_t>(*id)].empty())
      fail("{}: tokenizer.ggml.merges[{}]: expected tokens of the vocabulary, found \"{}\"", file_.name(), merge,
           utf8_replace_invalid(token.substr(0, 60)));
    return *id;
  }

  // Its tokenizer drops the white space behind most of its specials, which no key of the format can say.
  void strip_behind_specials_of_phi3() {
    const GgufValue* name = file_.find_value("general.name");
    if (!name || name->type() != GgufType::string) return;
    std::string lower(name->string());
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
    if (lower.find("phi-3") == lower.npos && lower.find("phi3") == lower.npos) return;
    for (AddedToken& token : spec_.added)
      token.right_strip = token.text != "<unk>" && token.text != "<s>" && token.text != "<|endoftext|>";
  }

  const GgufFile& file_;
  TokenizerSpec spec_;
  BytesTable<int32_t> ids_;  // by the token's text in the file
  size_t size_ = 0;
};

}  // namespace

TokenizerSpec read_gguf_vocabulary(const GgufFile& file) { return Reader(file).read(); }

}  // namespace propane
