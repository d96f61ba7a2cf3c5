// propane tokenizer train|encode|decode
#include "tokenizer/tokenizer.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <functional>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/utf8.h"
#include "cli/commands.h"
#include "formats/text_source.h"
#include "tokenizer/train.h"

namespace propane {

namespace {

using nlohmann::json;

void print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    fail("standard output: cannot write");
}

// A file's content, or the standard input's for "-".
std::string read_input(const std::string& path) {
  if (path != "-") return read_file(path);
  std::string content;
  char buffer[1 << 16];
  for (size_t n; (n = std::fread(buffer, 1, sizeof buffer, stdin)) > 0;) content.append(buffer, n);
  if (std::ferror(stdin)) fail("standard input: cannot read");
  return content;
}

// Calls use(value, number) for each line of JSON; `name` is for messages.
void for_each_json_line(std::string_view content, const std::string& name,
                        const std::function<void(const json&, size_t)>& use) {
  size_t number = 0;
  for (size_t at = 0; at < content.size();) {
    const size_t end = std::min(content.find('\n', at), content.size());
    const std::string_view line = content.substr(at, end - at);
    at = end + 1;
    ++number;
    const json value = json::parse(line, nullptr, false);
    if (value.is_discarded()) fail("{}: line {}: not JSON", name, number);
    use(value, number);
  }
}

std::vector<std::string> split_list(const std::string& list) {
  std::vector<std::string> items;
  for (size_t at = 0; at < list.size();) {
    const size_t end = std::min(list.find(',', at), list.size());
    if (end > at) items.push_back(list.substr(at, end - at));
    at = end + 1;
  }
  return items;
}

std::string display_name(const std::string& path) { return path == "-" ? "standard input" : path; }

// The tokenizer a command works with, and what a rank file leaves open.
struct TokenizerChoice {
  std::string path, pattern, specials;

  void add_to(CLI::App& command) {
    command.add_option("--tokenizer", path, "A tokenizer.json or a tiktoken rank file")->required();
    command.add_option("--pattern", pattern, "The split pattern of a rank file, a name or a regular expression");
    command.add_option("--special", specials, "A comma-separated list of the specials behind a rank file's last rank");
  }
  Tokenizer load() const { return Tokenizer::load(path, {.pattern = pattern, .specials = split_list(specials)}); }
};

struct TrainCommand {
  std::vector<std::string> sources;
  BpeTrainOptions options;
  TextOptions text;
  std::string specials = fmt::format("{}", fmt::join(autoresearch_specials(), ","));
  std::string out, tiktoken;
  bool json_output = false;

  void add_to(CLI::App& command) {
    command.add_option("SRC", sources, "Text files (.txt, .jsonl, both also .gz and .zst, .parquet), folders, globs")
        ->required();
    command.add_option("--vocab-size", options.vocab_size, "Bytes, merges and specials together")
        ->capture_default_str();
    command
        .add_option("--pattern", options.pattern,
                    "autoresearch, gpt2, cl100k (gpt4), o200k, llama3, qwen2, or a regular expression")
        ->capture_default_str();
    command
        .add_option("--special", specials,
                    "A comma-separated list of special tokens, which get the last ids; may be ''")
        ->capture_default_str();
    command.add_option("--text-key", text.text_key, "The key of a .jsonl line that holds the text")
        ->capture_default_str();
    command.add_option("--column", text.column, "The column of a .parquet that holds the text")->capture_default_str();
    command.add_option("--out", out, "The tokenizer.json to write")->required();
    command.add_option("--tiktoken", tiktoken, "A tiktoken rank file to write too");
    command.add_flag("--json", json_output, "Print the result as JSON");
  }

  void run() {
    options.specials = split_list(specials);
    const auto start = std::chrono::steady_clock::now();
    TextSources documents(expand_sources(sources), text);
    Document document;
    int64_t count = 0, bytes = 0;
    const Tokenizer tokenizer = train_bpe(options, [&](std::string_view& view) {
      if (!documents.next(&document)) return false;
      view = document.text;
      ++count;
      bytes += static_cast<int64_t>(view.size());
      return true;
    });
    tokenizer.save(out);
    if (!tiktoken.empty()) tokenizer.save_ranks(tiktoken);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const int vocab_size = tokenizer.vocab_size();
    fmt::print(stderr, "{}: {} tokens from {} documents, {} bytes, in {:.2f} s\n", out, vocab_size, count, bytes,
               seconds);
    if (vocab_size < options.vocab_size)
      fmt::print(stderr, "the text has too few distinct pairs for {} tokens\n", options.vocab_size);
    if (json_output)
      print(json{{"vocab_size", vocab_size}, {"documents", count}, {"bytes", bytes}, {"seconds", seconds}}.dump() +
            '\n');
  }
};

struct EncodeCommand {
  TokenizerChoice tokenizer;
  std::string input = "-";
  std::string allowed;
  bool json_output = false, json_lines = false;

  void add_to(CLI::App& command) {
    tokenizer.add_to(command);
    command.add_option("FILE", input, "The text, - for standard input")->capture_default_str();
    command.add_option("--allow-special", allowed, "Specials to recognise in the text: a comma-separated list, or all");
    command.add_flag("--json", json_output, "Print {\"ids\": [...]}");
    command.add_flag("--jsonl", json_lines,
                     "Each line of input is a text as a JSON string; print a list of ids for each");
  }

  void run() const {
    const Tokenizer loaded = tokenizer.load();
    const AllowedSpecials specials = allowed_specials(loaded);
    const std::string content = read_input(input);
    if (json_lines) return run_lines(loaded, specials, content);
    const std::vector<int32_t> ids = loaded.encode(content, specials);
    print(json_output ? json{{"ids", ids}}.dump() + '\n' : fmt::format("{}\n", fmt::join(ids, " ")));
  }

  AllowedSpecials allowed_specials(const Tokenizer& loaded) const {
    if (allowed == "all") return AllowedSpecials::all();
    std::vector<std::string> texts = split_list(allowed);
    for (const std::string& text : texts)
      if (!loaded.special_id(text)) fail_usage("--allow-special {}: {} has no such token", text, tokenizer.path);
    return AllowedSpecials::only(std::move(texts));
  }

  void run_lines(const Tokenizer& loaded, const AllowedSpecials& specials, std::string_view content) const {
    std::vector<std::string> texts;
    for_each_json_line(content, display_name(input), [&](const json& value, size_t number) {
      if (!value.is_string()) fail("{}: line {}: expected a JSON string", display_name(input), number);
      texts.push_back(value.get<std::string>());
    });
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    std::string out;
    for (const auto& ids : loaded.encode_batch(views, specials)) out += json(ids).dump() + '\n';
    print(out);
  }
};

struct DecodeCommand {
  TokenizerChoice tokenizer;
  std::vector<std::string> ids;
  bool json_lines = false;

  void add_to(CLI::App& command) {
    tokenizer.add_to(command);
    command.add_option("IDS", ids, "Token ids; none or - for those on standard input");
    command.add_flag("--jsonl", json_lines, "Each line of input is a JSON list of ids; print a JSON string for each");
  }

  void run() const {
    const Tokenizer loaded = tokenizer.load();
    const bool from_input = ids.empty() || (ids.size() == 1 && ids[0] == "-");
    if (json_lines) {
      if (!from_input) fail_usage("--jsonl reads ids from standard input, found ids as arguments too");
      return run_lines(loaded, read_input("-"));
    }
    std::string joined;
    for (const std::string& id : ids) joined += id + ' ';
    print(loaded.decode(parse(from_input ? read_input("-") : joined)));
  }

  static std::vector<int32_t> parse(std::string_view text) {
    constexpr std::string_view kSpace = " \t\r\n";
    std::vector<int32_t> out;
    for (size_t at = 0; (at = text.find_first_not_of(kSpace, at)) != text.npos;) {
      const size_t end = std::min(text.find_first_of(kSpace, at), text.size());
      int32_t id;
      const auto [behind, error] = std::from_chars(text.data() + at, text.data() + end, id);
      if (error != std::errc() || behind != text.data() + end)
        fail_usage("expected a token id, found \"{}\"", utf8_replace_invalid(text.substr(at, end - at)));
      out.push_back(id);
      at = end;
    }
    return out;
  }

  static void run_lines(const Tokenizer& loaded, std::string_view content) {
    std::string out;
    for_each_json_line(content, "standard input", [&](const json& value, size_t number) {
      const bool good = value.is_array() && std::all_of(value.begin(), value.end(), [](const json& id) {
                          return id.is_number_integer() && id >= INT32_MIN && id <= INT32_MAX;
                        });
      if (!good) fail("standard input: line {}: expected a JSON list of token ids", number);
      out += json(utf8_replace_invalid(loaded.decode(value.get<std::vector<int32_t>>()))).dump() + '\n';
    });
    print(out);
  }
};

template <typename Command>
void add(CLI::App& parent, const char* name, const char* description) {
  CLI::App* app = parent.add_subcommand(name, description);
  auto command = std::make_shared<Command>();
  command->add_to(*app);
  app->callback([command] { command->run(); });
}

}  // namespace

void add_tokenizer_command(CLI::App& app) {
  CLI::App* tokenizer = app.add_subcommand("tokenizer", "Train a byte-level BPE tokenizer; encode and decode with one");
  tokenizer->require_subcommand(1);
  add<TrainCommand>(*tokenizer, "train", "Learn a vocabulary from text");
  add<EncodeCommand>(*tokenizer, "encode", "Turn text into token ids");
  add<DecodeCommand>(*tokenizer, "decode", "Turn token ids into text");
}

}  // namespace propane
