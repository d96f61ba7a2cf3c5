#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/threads.h"
#include "cli/commands.h"
#include "cli/devices.h"
#include "cli/output.h"
#include "infer/generator.h"
#include "train/load_model.h"

namespace propane {

namespace {

struct Options {
  std::string model, prompt, device = "auto";
  GenerateOptions generate;
  int64_t context = 0;
  int threads = 0;
  bool json = false;
  bool dump_logits = false;
  std::string prompt_ids;
};

std::vector<int32_t> parse_ids(const std::string& text) {
  std::vector<int32_t> ids;
  for (size_t at = 0; at < text.size();) {
    const size_t comma = std::min(text.find(',', at), text.size());
    const std::string word = text.substr(at, comma - at);
    try {
      size_t used = 0;
      ids.push_back(std::stoi(word, &used));
      if (used != word.size()) throw std::invalid_argument(word);
    } catch (const std::exception&) {
      fail_usage("--prompt-ids takes token ids separated by commas, found '{}'", word);
    }
    at = comma + 1;
  }
  return ids;
}

// The logits after every token of the prompt: for comparing with another implementation.
void dump_logits(Generator& generator, const std::vector<int32_t>& prompt, const Device& device) {
  nlohmann::json rows = nlohmann::json::array();
  for (int32_t token : prompt) {
    const auto logits = generator.feed(std::span(&token, 1));
    rows.push_back(std::vector<float>(logits.begin(), logits.end()));
  }
  print_json({{"tokens", prompt}, {"logits", rows}, {"device", device_json(device)}});
}

void run(const Options& o) {
  set_thread_count(o.threads);
  const auto device = open_device(o.device);
  State state;
  const train::LoadedModel model = train::load_any_model(o.model, state, *device);

  std::vector<int32_t> prompt;
  if (!o.prompt_ids.empty()) {
    prompt = parse_ids(o.prompt_ids);
  } else {
    prompt = model.tokenizer.spec().prefix;
    if (const auto bos = model.tokenizer.bos_id(); prompt.empty() && bos && model.begins_texts) prompt.push_back(*bos);
    model.tokenizer.encode_to(o.prompt, AllowedSpecials::none(), prompt);
  }
  if (prompt.empty()) fail_usage("--prompt is empty and the tokenizer has no token that begins a text");
  const int64_t wanted = static_cast<int64_t>(prompt.size()) + o.generate.max_tokens;
  Generator generator(model.config, state, *device, model.longest_context(o.context > 0 ? o.context : wanted));
  if (o.dump_logits) return dump_logits(generator, prompt, *device);

  GenerateOptions options = o.generate;
  options.stop_tokens.insert(options.stop_tokens.end(), model.end_tokens.begin(), model.end_tokens.end());
  const Generated result = generate(generator, model.tokenizer, prompt, options, [&](std::string_view text) {
    if (o.json) return;
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  });
  const auto tokens = static_cast<double>(result.tokens.size());
  const double decode = result.decode_seconds > 0 ? tokens / result.decode_seconds : 0;
  if (o.json) {
    print_json({{"prompt", o.prompt},
                {"text", result.text},
                {"finish", result.finish},
                {"prompt_tokens", result.prompt_tokens},
                {"tokens", result.tokens.size()},
                {device->info().simulated ? "host_tok_per_s" : "tok_per_s", decode},
                {"prefill_seconds", result.prefill_seconds},
                {"decode_seconds", result.decode_seconds},
                {"device", device_json(*device)}});
    return;
  }
  std::printf("\n");
  std::fflush(stdout);
  fmt::print(stderr, "{}: {} tokens of prompt in {:.3f} s, {} generated at {:.1f} tok/s ({})\n",
             label_of(*device).str(), result.prompt_tokens, result.prefill_seconds, result.tokens.size(), decode,
             result.finish);
}

}  // namespace

void add_generate_command(CLI::App& app) {
  auto o = std::make_shared<Options>();
  o->generate.sampling.seed = 42;
  CLI::App* cmd = app.add_subcommand("generate", "Continue a prompt; only the generated text goes to stdout");
  cmd->add_option("--model", o->model, "A run folder or a checkpoint in it, a GGUF file, a Hugging Face folder")->required();
  cmd->add_option("--prompt", o->prompt, "Text to continue");
  cmd->add_option("--prompt-ids", o->prompt_ids, "The prompt as token ids, 1,2,3: nothing is put in front");
  cmd->add_option("--max-tokens", o->generate.max_tokens, "Tokens to generate at most")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  SamplingOptions& s = o->generate.sampling;
  cmd->add_option("--temperature", s.temperature, "0: always the likeliest")->capture_default_str();
  cmd->add_option("--top-k", s.top_k, "Of the k likeliest; 0: all")->capture_default_str();
  cmd->add_option("--top-p", s.top_p, "Of the smallest set of this probability")->capture_default_str();
  cmd->add_option("--min-p", s.min_p, "Of those with this share of the likeliest's probability")->capture_default_str();
  cmd->add_option("--repetition-penalty", s.repetition_penalty, "Above 1: repeat less")->capture_default_str();
  cmd->add_option("--seed", s.seed, "Same seed, same text")->capture_default_str();
  cmd->add_option("--stop", o->generate.stop, "End before this text; may be given several times");
  cmd->add_option("--context", o->context, "Tokens that the cache holds; default: what is needed");
  cmd->add_option("--device", o->device, "cpu, ref or auto")->capture_default_str();
  cmd->add_option("--threads", o->threads, "0: one a core")->capture_default_str();
  cmd->add_flag("--json", o->json, "One JSON object instead of text");
  cmd->add_flag("--dump-logits", o->dump_logits,
                "The logits after each token of the prompt, as JSON, and nothing else");
  cmd->callback([o] { run(*o); });
}

}  // namespace propane
