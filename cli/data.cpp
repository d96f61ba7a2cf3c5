// propane data prepare
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/threads.h"
#include "cli/commands.h"
#include "train/prepare.h"

namespace propane {

namespace {

using nlohmann::json;

struct PrepareCommand {
  train::PrepareOptions options;
  std::string out, separator = "\\f";
  int threads = 0;
  bool json_output = false;
};

// The characters a shell makes awkward: \n, \t, \f, \r and \\.
std::string unescape(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    switch (text[++i]) {
      case 'n': out += '\n'; break;
      case 't': out += '\t'; break;
      case 'f': out += '\f'; break;
      case 'r': out += '\r'; break;
      case '\\': out += '\\'; break;
      default: fail_usage("--separator: expected \\n, \\t, \\f, \\r or \\\\ after a backslash, found \\{}", text[i]);
    }
  }
  return out;
}

json split_json(const train::PreparedSplit& split) {
  return {{"documents", split.documents},
          {"tokens", split.tokens},
          {"text_bytes", split.text_bytes},
          {"shards", split.shards}};
}

void run(PrepareCommand& command) {
  set_thread_count(command.threads);
  command.options.out = command.out;
  command.options.text.separator = unescape(command.separator);
  command.options.progress = [](const std::string& line) { fmt::print(stderr, "{}\n", line); };
  const auto start = std::chrono::steady_clock::now();
  const train::PreparedDataset data = train::prepare_dataset(command.options);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const auto say = [](const char* what, const train::PreparedSplit& split) {
    fmt::print(stderr, "{}: {} documents, {} bytes of text, {} tokens\n", what, split.documents, split.text_bytes,
               split.tokens);
  };
  say("training", data.train);
  say("held out", data.val);
  fmt::print(stderr, "{}: vocabulary {}, held out by the rule \"{}\", {:.2f} s\n", command.out, data.vocab_size,
             data.held_out_rule, seconds);
  if (!command.json_output) return;
  const json result = {{"out", command.out},
                       {"train", split_json(data.train)},
                       {"val", split_json(data.val)},
                       {"vocab_size", data.vocab_size},
                       {"held_out", data.held_out_rule},
                       {"seconds", seconds}};
  fmt::print("{}\n", result.dump());
}

}  // namespace

void add_data_command(CLI::App& app) {
  CLI::App* data = app.add_subcommand("data", "Make a data set to train on");
  data->require_subcommand(1);
  CLI::App* prepare = data->add_subcommand(
      "prepare", "Text files to token shards, with a held-out part and a tokenizer trained on the rest");
  const auto command = std::make_shared<PrepareCommand>();
  train::PrepareOptions& options = command->options;
  prepare
      ->add_option("SRC", options.sources,
                   "Text files (.txt, .jsonl, both also .gz and .zst, .parquet), folders, globs")
      ->required();
  prepare->add_option("--out", command->out, "The folder to make; an earlier data set there is replaced")->required();
  CLI::Option* tokenizer = prepare->add_option("--tokenizer", options.tokenizer,
                                               "A tokenizer.json or tiktoken rank file; default: train one");
  prepare->add_option("--vocab-size", options.vocab_size, "Bytes, merges and specials of a trained tokenizer")
      ->capture_default_str()
      ->excludes(tokenizer);
  prepare
      ->add_option("--pattern", options.pattern, "Split pattern of a trained tokenizer, a name or a regular expression")
      ->excludes(tokenizer);
  prepare
      ->add_option("--tokenizer-document-chars", options.tokenizer_document_chars,
                   "Train the tokenizer on the first so many characters of a document (autoresearch: 10000); 0: all")
      ->capture_default_str();
  prepare
      ->add_option("--tokenizer-chars", options.tokenizer_chars,
                   "Train the tokenizer on about so many characters in all")
      ->capture_default_str();
  prepare->add_option(
      "--held-out", options.held_out.held_out,
      "A share of the documents (of few documents: of each one's end), or files, folders, globs; default: "
      "a source folder's held_out.list, shard_06542.parquet, else 0.05");
  prepare->add_option("--held-out-list", options.held_out.list,
                      "A file of ids of documents to hold out, like emma.txt#9");
  prepare
      ->add_option("--separator", command->separator,
                   "What stands between two documents of a .txt, with \\n, \\t, \\f; '' makes each file one document")
      ->capture_default_str();
  prepare->add_option("--text-key", options.text.text_key, "The key of a .jsonl line that holds the text")
      ->capture_default_str();
  prepare->add_option("--column", options.text.column, "The column of a .parquet that holds the text")
      ->capture_default_str();
  prepare->add_flag("--lossy", options.text.lossy, "Replace what is not UTF-8 by U+FFFD instead of failing");
  prepare->add_option("--shard-tokens", options.shard_tokens, "Tokens a shard, about")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  prepare->add_option("--threads", command->threads, "0: one a core")->capture_default_str();
  prepare->add_flag("--json", command->json_output, "Print the result as one JSON object");
  prepare->callback([command] { run(*command); });
}

}  // namespace propane
