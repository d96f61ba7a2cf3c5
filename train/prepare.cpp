#include "train/prepare.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "formats/token_shard.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/train.h"

namespace propane::train {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr int kVersion = 1;
constexpr const char* kDatasetFile = "dataset.json";

// A folder that becomes another when it is whole, and vanishes otherwise.
class NewFolder {
 public:
  explicit NewFolder(const Path& place)
      : place_(place.has_filename() ? place : place.parent_path()), partial_(beside(".propane-partial")) {
    if (fs::exists(place) && !fs::exists(place / kDatasetFile) && !(fs::is_directory(place) && fs::is_empty(place))) {
      fail_usage("{}: expected a new folder or one that data prepare made, found something else there", place.string());
    }
    std::error_code error;
    fs::remove_all(partial_, error);  // of a run that was killed
    if (!error) fs::create_directories(partial_, error);
    if (error) fail("{}: cannot create the folder: {}", partial_.string(), error.message());
  }
  ~NewFolder() {
    std::error_code ignored;
    fs::remove_all(partial_, ignored);
  }
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  Path operator/(const std::string& name) const { return partial_ / name; }

  void put_in_place() {
    sync_folder(partial_);
    const Path old = beside(".propane-old");
    std::error_code error;
    fs::remove_all(old, error);
    const bool replaces = fs::exists(place_);
    if (replaces) rename(place_, old);
    rename(partial_, place_);
    if (replaces) fs::remove_all(old, error);
    sync_folder(place_.has_parent_path() ? place_.parent_path() : Path("."));
  }

 private:
  Path beside(const char* suffix) const {
    Path path = place_;
    path += suffix;
    return path;
  }
  static void rename(const Path& from, const Path& to) {
    std::error_code error;
    fs::rename(from, to, error);
    if (error) fail("{}: cannot rename it to {}: {}", from.string(), to.string(), error.message());
  }

  Path place_, partial_;
};

// The first `count` characters of a UTF-8 text.
std::string_view first_chars(std::string_view text, uint64_t count) {
  if (text.size() <= count) return text;
  for (size_t at = 0; at < text.size(); ++at) {
    const bool begins_a_character = (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80;
    if (begins_a_character && count-- == 0) return text.substr(0, at);
  }
  return text;
}

uint64_t count_chars(std::string_view text) {
  return static_cast<uint64_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

// The shards of one side of the split, opened one after the other.
class SplitWriter {
 public:
  SplitWriter(const NewFolder& folder, std::string name, TokenShardWriter::Info info, uint64_t shard_tokens)
      : folder_(folder), name_(std::move(name)), info_(info), shard_tokens_(shard_tokens) {}

  void add(std::span<const int32_t> tokens, uint64_t text_bytes) {
    if (!shard_) {
      file_ = fmt::format("{}-{:05d}.bin", name_, split_.shards++);
      shard_ = std::make_unique<TokenShardWriter>(folder_ / file_, info_);
    }
    shard_->add_document(tokens, text_bytes);
    if (shard_->token_count() >= shard_tokens_) finish();
  }

  void finish() {
    if (!shard_) return;
    shard_->close();
    shards_.push_back({{"file", file_},
                       {"documents", shard_->document_count()},
                       {"tokens", shard_->token_count()},
                       {"text_bytes", shard_->text_bytes()},
                       {"xxh64", fmt::format("{:016x}", shard_->checksum())}});
    split_.documents += shard_->document_count();
    split_.tokens += shard_->token_count();
    split_.text_bytes += shard_->text_bytes();
    shard_.reset();
  }

  const PreparedSplit& split() const { return split_; }
  json to_json() const {
    return {{"documents", split_.documents},
            {"tokens", split_.tokens},
            {"text_bytes", split_.text_bytes},
            {"shards", shards_}};
  }

 private:
  const NewFolder& folder_;
  std::string name_, file_;
  TokenShardWriter::Info info_;
  uint64_t shard_tokens_;
  std::unique_ptr<TokenShardWriter> shard_;
  PreparedSplit split_;
  json shards_ = json::array();
};

// Encodes documents by the batch, on all threads, and hands them on in order.
class Encoder {
 public:
  Encoder(const Tokenizer& tokenizer, int32_t bos) : tokenizer_(tokenizer), bos_(bos) {}

  void add(SplitWriter& split, std::string_view text) {
    if (text.empty()) return;
    waiting_.push_back({&split, std::string(text)});
    waiting_bytes_ += text.size();
    if (waiting_bytes_ >= kBatchBytes) flush();
  }

  void flush() {
    std::vector<std::string_view> texts;
    for (const auto& [split, text] : waiting_) texts.push_back(text);
    const auto encoded = tokenizer_.encode_batch(texts);
    for (size_t i = 0; i < waiting_.size(); ++i) {
      tokens_.assign(1, bos_);
      tokens_.insert(tokens_.end(), encoded[i].begin(), encoded[i].end());
      waiting_[i].first->add(tokens_, waiting_[i].second.size());
    }
    waiting_.clear();
    waiting_bytes_ = 0;
  }

 private:
  static constexpr size_t kBatchBytes = 16 << 20;

  const Tokenizer& tokenizer_;
  int32_t bos_;
  std::vector<std::pair<SplitWriter*, std::string>> waiting_;
  size_t waiting_bytes_ = 0;
  std::vector<int32_t> tokens_;
};

class Preparation {
 public:
  explicit Preparation(const PrepareOptions& options)
      : options_(options),
        sources_(expand_sources(options.sources)),
        held_out_(options.held_out, options.sources, &sources_, options.text),
        folder_(options.out) {}

  PreparedDataset run() {
    const Tokenizer tokenizer = options_.tokenizer.empty() ? train_tokenizer() : Tokenizer::load(options_.tokenizer);
    const auto bos = tokenizer.bos_id();
    if (!bos) {
      fail(
          "{}: expected a token that begins a document (<|reserved_0|>, <|begin_of_text|>, <s>, <|endoftext|>, ...), "
          "found none",
          options_.tokenizer);
    }
    tokenizer.save(folder_ / "tokenizer.json");
    const uint64_t hash = xxh64(read_file(folder_ / "tokenizer.json"));
    const TokenShardWriter::Info info{static_cast<uint64_t>(tokenizer.vocab_size()), hash};
    SplitWriter train(folder_, "train", info, options_.shard_tokens), val(folder_, "val", info, options_.shard_tokens);
    encode(tokenizer, *bos, train, val);

    const PreparedDataset result{train.split(), val.split(), tokenizer.vocab_size(), held_out_.rule()};
    if (result.train.documents == 0) fail("expected text to train on, found that all of it is held out");
    if (result.val.documents == 0 && result.held_out_rule != "none") {
      fail(
          "expected held-out text, found none by the rule \"{}\": name a larger share or files with --held-out, or "
          "--held-out 0 for none",
          result.held_out_rule);
    }
    const json dataset = {{"format", "propane-dataset"},
                          {"version", kVersion},
                          {"tokenizer",
                           {{"file", "tokenizer.json"},
                            {"xxh64", fmt::format("{:016x}", hash)},
                            {"vocab_size", tokenizer.vocab_size()},
                            {"bos", *bos}}},
                          {"train", train.to_json()},
                          {"val", val.to_json()},
                          {"held_out", held_out_json()},
                          {"text",
                           {{"separator", options_.text.separator},
                            {"text_key", options_.text.text_key},
                            {"column", options_.text.column},
                            {"lossy", options_.text.lossy}}},
                          {"sources", sources_json()}};
    write_file_atomically(folder_ / kDatasetFile, dataset.dump(2, ' ', false, json::error_handler_t::replace) + "\n");
    folder_.put_in_place();
    return result;
  }

 private:
  Tokenizer train_tokenizer() {
    say(fmt::format("training a tokenizer of {} tokens on the training part", options_.vocab_size));
    TextSources documents(sources_, options_.text);
    Document document;
    uint64_t chars = 0;
    BpeTrainOptions options;
    options.vocab_size = options_.vocab_size;
    options.specials = autoresearch_specials();
    if (!options_.pattern.empty()) options.pattern = options_.pattern;
    return train_bpe(options, [&](std::string_view& text) {
      while (chars < options_.tokenizer_chars && documents.next(&document)) {
        text = std::string_view(document.text).substr(0, held_out_.training_bytes(document));
        if (options_.tokenizer_document_chars > 0) text = first_chars(text, options_.tokenizer_document_chars);
        if (text.empty()) continue;
        chars += count_chars(text);
        return true;
      }
      return false;
    });
  }

  void encode(const Tokenizer& tokenizer, int32_t bos, SplitWriter& train, SplitWriter& val) {
    Encoder encoder(tokenizer, bos);
    Document document;
    uint64_t bytes = 0, told = 0;
    const auto start = std::chrono::steady_clock::now();
    const auto count = [&] {
      bytes += document.text.size();
      if (bytes - told < (uint64_t{256} << 20)) return;
      told = bytes;
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      say(fmt::format("encoded {} MB, {:.1f} MB/s", bytes >> 20, static_cast<double>(bytes) / 1e6 / seconds));
    };
    for (TextSources documents(sources_, options_.text); documents.next(&document); count()) {
      const std::string_view text = document.text;
      const size_t trained = held_out_.training_bytes(document);
      encoder.add(train, text.substr(0, trained));
      encoder.add(val, text.substr(trained));
    }
    for (TextSources documents(held_out_.files(), options_.text); documents.next(&document); count()) {
      encoder.add(val, document.text);
    }
    encoder.flush();
    held_out_.require_all_found();
    train.finish();
    val.finish();
  }

  json held_out_json() const {
    json rule = {{"rule", held_out_.rule()}};
    if (held_out_.fraction() > 0) rule["fraction"] = held_out_.fraction();
    if (!held_out_.list().empty()) rule["list"] = held_out_.list();
    return rule;
  }

  json sources_json() const {
    json sources = json::array();
    const auto add = [&](const std::vector<SourceFile>& files, bool held_out) {
      for (const SourceFile& source : files) {
        const MappedFile file(source.path);
        json entry = {{"path", source.path.string()},
                      {"bytes", file.size()},
                      {"xxh64", fmt::format("{:016x}", xxh64(file.bytes()))}};
        if (held_out) entry["held_out"] = true;
        sources.push_back(std::move(entry));
      }
    };
    add(sources_, false);
    add(held_out_.files(), true);
    return sources;
  }

  void say(const std::string& line) const {
    if (options_.progress) options_.progress(line);
  }

  const PrepareOptions& options_;
  std::vector<SourceFile> sources_;
  HeldOut held_out_;
  NewFolder folder_;
};

}  // namespace

PreparedDataset prepare_dataset(const PrepareOptions& options) {
  if (options.out.empty()) fail_usage("--out: expected a folder, found none");
  return Preparation(options).run();
}

}  // namespace propane::train
