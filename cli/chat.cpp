#include "infer/chat.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/threads.h"
#include "cli/commands.h"
#include "cli/devices.h"
#include "cli/line_reader.h"
#include "cli/output.h"
#include "train/interrupt.h"
#include "train/load_model.h"

namespace propane {

namespace {

struct Options {
  std::string model, system, device = "auto";
  GenerateOptions generate;
  int64_t context = 4096;
  int threads = 0;
};

constexpr const char* kHelp =
    "/help          this\n"
    "/system TEXT   what the model is told first; begins anew\n"
    "/clear         forget the conversation\n"
    "/undo          take back the last question and its answer\n"
    "/retry         answer the last question again, with another seed\n"
    "/history       the conversation so far\n"
    "/save FILE     write it as JSON\n"
    "/set KEY VALUE temperature, top_k, top_p, min_p, repetition_penalty, seed, max_tokens\n"
    "/quit          so does Ctrl-D\n"
    "A line that ends in \\ goes on in the next; \"\"\" begins and ends several lines. Ctrl-C stops an answer.\n";

class Conversation {
 public:
  Conversation(const Options& o, Chat& chat, const Device& device)
      : chat_(chat), generate_(o.generate), device_(device) {}

  // False when the conversation is over.
  bool take(const std::string& message) {
    if (message.find_first_not_of(" \t\r\n") == std::string::npos) return true;
    if (message[0] != '/') {
      answer(message);
      return true;
    }
    const size_t space = message.find(' ');
    const std::string command = message.substr(0, space);
    const std::string argument = space == std::string::npos ? "" : message.substr(space + 1);
    if (command == "/quit" || command == "/exit") return false;
    run(command, argument);
    return true;
  }

  void answer(const std::string& question) {
    train::InterruptScope interrupt;
    GenerateOptions options = generate_;
    options.interrupted = [&] { return interrupt.requested(); };
    const Generated said = chat_.say(question, options, [](std::string_view text) {
      std::fwrite(text.data(), 1, text.size(), stdout);
      std::fflush(stdout);
    });
    std::printf("\n");
    std::fflush(stdout);
    const double rate =
        said.decode_seconds > 0 ? static_cast<double>(said.tokens.size()) / said.decode_seconds : 0.0;
    fmt::print(stderr, "[{}: {} tokens read, {} known, in {:.2f} s; {} written at {:.1f} tok/s{}]\n",
               label_of(device_).str(), said.prompt_tokens - said.cached_tokens, said.cached_tokens,
               said.prefill_seconds, said.tokens.size(), rate,
               said.finish == "stop" ? std::string() : "; " + said.finish);
  }

 private:
  void run(const std::string& command, const std::string& argument) {
    if (command == "/help") {
      fmt::print(stderr, "{}", kHelp);
    } else if (command == "/clear") {
      chat_.clear();
    } else if (command == "/system") {
      chat_.clear();
      chat_.set_system(argument);
    } else if (command == "/undo") {
      if (!chat_.undo()) fmt::print(stderr, "there is nothing to take back\n");
    } else if (command == "/retry") {
      if (chat_.messages().empty()) return fmt::print(stderr, "there is no question to answer again\n");
      const std::string question = chat_.messages()[chat_.messages().size() - 2]["content"];
      chat_.undo();
      ++generate_.sampling.seed;
      answer(question);
    } else if (command == "/history") {
      for (const auto& message : chat_.messages())
        fmt::print("{}: {}\n", message["role"].get<std::string>(), message["content"].get<std::string>());
    } else if (command == "/save") {
      if (argument.empty()) fail_usage("/save needs the name of a file");
      write_file_atomically(argument, chat_.messages().dump(1) + "\n");
    } else if (command == "/set") {
      set(argument);
    } else {
      fail_usage("'{}' is no command; /help lists them", command);
    }
  }

  void set(const std::string& argument) {
    const size_t space = argument.find(' ');
    const std::string key = argument.substr(0, space);
    const std::string text = space == std::string::npos ? "" : argument.substr(space + 1);
    size_t used = 0;
    double value = 0;
    try {
      value = std::stod(text, &used);
    } catch (const std::exception&) {
      used = std::string::npos;
    }
    if (used != text.size()) fail_usage("/set {} needs a number, found '{}'", key, text);
    GenerateOptions changed = generate_;
    SamplingOptions& s = changed.sampling;
    if (key == "temperature") s.temperature = value;
    else if (key == "top_k") s.top_k = static_cast<int64_t>(value);
    else if (key == "top_p") s.top_p = value;
    else if (key == "min_p") s.min_p = value;
    else if (key == "repetition_penalty") s.repetition_penalty = value;
    else if (key == "seed") s.seed = static_cast<uint64_t>(value);
    else if (key == "max_tokens" && value >= 1) changed.max_tokens = static_cast<int64_t>(value);
    else fail_usage("/set knows no '{}' of {}; /help lists the keys", key, text);
    s.validate();
    generate_ = std::move(changed);
  }

  Chat& chat_;
  GenerateOptions generate_;
  const Device& device_;
};

void run(const Options& o) {
  set_thread_count(o.threads);
  const auto device = open_device(o.device);
  State state;
  const train::LoadedModel model = train::load_any_model(o.model, state, *device);
  if (!model.chat_template)
    fail("{}: the model has no chat template, so it was not trained to talk; use propane generate", o.model);
  Generator generator(model.config, state, *device, model.longest_context(o.context));
  Chat chat(generator, model.tokenizer, *model.chat_template, model.end_tokens);
  chat.set_system(o.system);
  Conversation conversation(o, chat, *device);
  LineReader reader;
  if (reader.terminal())
    fmt::print(stderr, "{} on {}, {} tokens of context. /help lists the commands.\n", model.name,
               label_of(*device).str(), generator.context());
  while (const auto message = read_message(reader, "> ", "... ")) {
    try {
      if (!conversation.take(*message)) break;
    } catch (const Error& error) {
      fmt::print(stderr, "propane: {}\n", error.what());
      if (!reader.terminal()) throw;
    }
  }
}

}  // namespace

void add_chat_command(CLI::App& app) {
  auto o = std::make_shared<Options>();
  o->generate.sampling.seed = 42;
  o->generate.max_tokens = 1024;
  CLI::App* cmd = app.add_subcommand("chat", "Talk to a model; the answers go to stdout");
  cmd->add_option("--model", o->model, "A GGUF file, a Hugging Face folder, or the name of a pulled model")->required();
  cmd->add_option("--system", o->system, "What the model is told first");
  cmd->add_option("--max-tokens", o->generate.max_tokens, "Tokens of an answer at most")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  SamplingOptions& s = o->generate.sampling;
  cmd->add_option("--temperature", s.temperature, "0: always the likeliest")->capture_default_str();
  cmd->add_option("--top-k", s.top_k, "Of the k likeliest; 0: all")->capture_default_str();
  cmd->add_option("--top-p", s.top_p, "Of the smallest set of this probability")->capture_default_str();
  cmd->add_option("--min-p", s.min_p, "Of those with this share of the likeliest's probability")->capture_default_str();
  cmd->add_option("--repetition-penalty", s.repetition_penalty, "Above 1: repeat less")->capture_default_str();
  cmd->add_option("--seed", s.seed, "Same seed, same text")->capture_default_str();
  cmd->add_option("--context", o->context, "Tokens that the conversation may hold")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  cmd->add_option("--device", o->device, "cpu, ref or auto")->capture_default_str();
  cmd->add_option("--threads", o->threads, "0: one a core")->capture_default_str();
  cmd->callback([o] { run(*o); });
}

}  // namespace propane
