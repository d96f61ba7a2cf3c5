#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "backends/cpu/kernels/peak.h"
#include "base/error.h"
#include "base/file.h"
#include "base/random.h"
#include "base/threads.h"
#include "cli/commands.h"
#include "cli/devices.h"
#include "cli/output.h"
#include "infer/generator.h"
#include "train/load_model.h"
#include "train/machine.h"
#include "train/step.h"

namespace propane {

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string preset, config, model, device = "auto";
  std::vector<std::string> set;
  int64_t steps = 10, warmup = 2, prompt = 32, tokens = 64;
  int threads = 0;
  bool json = false;
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

train::RunConfig read_config(const Options& o) {
  if (o.preset.empty() == o.config.empty()) fail_usage("bench needs one of --preset NAME and --config FILE.toml");
  const std::string text = o.preset.empty() ? read_file(o.config) : train::preset_toml(o.preset);
  return train::read_run_config(text, o.preset.empty() ? o.config : "preset " + o.preset, o.set);
}

void print(const Options& o, const nlohmann::json& result) {
  if (o.json) return print_json(result);
  for (const auto& [key, value] : result.items()) std::printf("%-22s %s\n", (key + ":").c_str(), value.dump().c_str());
}

// A training step on random tokens, the optimizer's part and the loader's arrays included.
void bench_train(const Options& o) {
  const train::RunConfig config = read_config(o);
  const auto device = open_device(o.device);
  State state;
  train::initialize_parameters(config.model, config.seed, state, *device);
  train::TrainStep step(config, state, {device.get()});
  const auto n = static_cast<size_t>(config.rows * config.model.seq);
  std::vector<int32_t> tokens(n), targets(n), positions(n), doc_start(n, 0);
  const Random random(config.seed, stream_id("bench"));
  std::vector<double> seconds;
  for (int64_t s = 0; s < o.warmup + o.steps; ++s) {
    for (size_t i = 0; i < n; ++i) {
      const auto words = random.words(static_cast<uint64_t>(s) * n + i);
      tokens[i] = static_cast<int32_t>(words[0] % static_cast<uint64_t>(config.model.vocab));
      targets[i] = static_cast<int32_t>(words[1] % static_cast<uint64_t>(config.model.vocab));
      positions[i] = static_cast<int32_t>(static_cast<int64_t>(i) % config.model.seq);
    }
    const auto start = Clock::now();
    for (int64_t micro = 0; micro < config.accumulate; ++micro)
      step.micro_step({tokens, targets, positions, doc_start}, micro, 1.0);
    step.update(0.1, 0.0, s, 1.0);
    if (s >= o.warmup) seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
  }
  const double each = median(seconds);
  const auto tokens_per_step = static_cast<double>(config.tokens_per_step());
  const double flops = flops_per_token(config.model) * tokens_per_step / each;
  nlohmann::json result{{device->info().simulated ? "host_tok_per_s" : "tok_per_s", tokens_per_step / each},
                        {"ms_per_step", 1e3 * each},
                        {"gflop_per_s", flops / 1e9},
                        {"mfu", nullptr},
                        {"peak_memory_bytes", train::peak_resident_bytes()},
                        {"planned_bytes", step.micro_plan().memory().planned_bytes},
                        {"naive_bytes", step.micro_plan().memory().naive_bytes},
                        {"parameters", count_parameters(config.model)},
                        {"threads", threads().size()},
                        {"device", device_json(*device)}};
  if (device->info().name == "cpu") {
    const double peak = cpu::fma_flops_per_second(threads());
    const double sgemm = cpu::sgemm_flops_per_second(threads());
    result["fma_gflop_per_s"] = peak / 1e9;
    result["mfu"] = flops / peak;
    result["sgemm_gflop_per_s"] = sgemm / 1e9;  // 2048³
    result["of_sgemm"] = flops / sgemm;
  }
  print(o, result);
}

struct Bench {
  std::shared_ptr<Device> device;
  State state;
  ModelConfig model;
  uint64_t seed = 0;
  std::unique_ptr<Generator> generator;
  std::vector<int32_t> prompt;

  explicit Bench(const Options& o) : device(open_device(o.device)) {
    if (!o.model.empty()) {
      model = train::load_any_model(o.model, state, *device).config;
    } else {
      const train::RunConfig config = read_config(o);
      model = config.model;
      seed = config.seed;
      train::initialize_parameters(model, seed, state, *device);
    }
    generator = std::make_unique<Generator>(model, state, *device, o.prompt + o.tokens + 1);
    const Random random(seed, stream_id("bench"));
    for (int64_t i = 0; i < o.prompt; ++i)
      prompt.push_back(
          static_cast<int32_t>(random.words(static_cast<uint64_t>(i))[0] % static_cast<uint64_t>(model.vocab)));
  }
};

void bench_prefill(const Options& o) {
  Bench b(o);
  std::vector<double> seconds;
  for (int64_t s = 0; s < o.warmup + o.steps; ++s) {
    b.generator->reset();
    const auto start = Clock::now();
    b.generator->feed(b.prompt);
    if (s >= o.warmup) seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
  }
  const double each = median(seconds);
  print(o, {{b.device->info().simulated ? "host_tok_per_s" : "tok_per_s", static_cast<double>(o.prompt) / each},
            {"ms", 1e3 * each},
            {"tokens", o.prompt},
            {"peak_memory_bytes", train::peak_resident_bytes()},
            {"threads", threads().size()},
            {"device", device_json(*b.device)}});
}

void bench_decode(const Options& o) {
  Bench b(o);
  std::vector<double> seconds;
  size_t bytes = 0;
  for (int64_t s = 0; s < o.warmup + o.steps; ++s) {
    b.generator->reset();
    b.generator->feed(b.prompt);
    const auto start = Clock::now();
    for (int64_t i = 0; i < o.tokens; ++i) b.generator->feed(std::span(b.prompt).first(1));
    if (s >= o.warmup) seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    bytes = b.generator->bytes_per_token();
  }
  const double each = median(seconds) / static_cast<double>(o.tokens);
  nlohmann::json result{{b.device->info().simulated ? "host_tok_per_s" : "tok_per_s", 1.0 / each},
                        {"ms_per_token", 1e3 * each},
                        {"bytes_per_token", bytes},
                        {"achieved_gb_s", static_cast<double>(bytes) / each / 1e9},
                        {"floor_tok_per_s", nullptr},
                        {"peak_memory_bytes", train::peak_resident_bytes()},
                        {"threads", threads().size()},
                        {"device", device_json(*b.device)}};
  if (b.device->info().name == "cpu") {
    const double bandwidth = cpu::read_bytes_per_second(threads());
    result["read_gb_s"] = bandwidth / 1e9;
    result["floor_tok_per_s"] = bandwidth / static_cast<double>(bytes);
    result["of_bandwidth"] = static_cast<double>(bytes) / each / bandwidth;
  }
  print(o, result);
}

}  // namespace

void add_bench_command(CLI::App& app) {
  auto o = std::make_shared<Options>();
  CLI::App* cmd = app.add_subcommand("bench", "Measure: train, prefill or decode, on random tokens");
  cmd->require_subcommand(1);
  const auto common = [o](CLI::App* c) {
    c->add_option("--preset", o->preset, "A named configuration, with random weights");
    c->add_option("--config", o->config, "A TOML file, with random weights");
    c->add_option("--set", o->set, "KEY=VALUE, a setting of the configuration");
    c->add_option("--device", o->device, "cpu, ref or auto")->capture_default_str();
    c->add_option("--threads", o->threads, "0: one a core")->capture_default_str();
    c->add_option("--steps", o->steps, "Runs that count")->capture_default_str()->check(CLI::PositiveNumber);
    c->add_option("--warmup", o->warmup, "Runs before them")->capture_default_str()->check(CLI::NonNegativeNumber);
    c->add_flag("--json", o->json, "One JSON object");
  };
  const auto add = [&](const char* name, const char* what, void (*run)(const Options&), bool generates) {
    CLI::App* c = cmd->add_subcommand(name, what);
    common(c);
    if (generates) {
      c->add_option("--model", o->model, "A run folder, a GGUF file or a Hugging Face folder, instead of random weights");
      c->add_option("--prompt-tokens", o->prompt, "Tokens of the prompt")
          ->capture_default_str()
          ->check(CLI::PositiveNumber);
      c->add_option("--tokens", o->tokens, "Tokens to decode")->capture_default_str()->check(CLI::PositiveNumber);
    }
    c->callback([o, run] {
      set_thread_count(o->threads);
      run(*o);
    });
  };
  add("train", "Training steps: tokens a second, share of the peak", bench_train, false);
  add("prefill", "The prompt's part of generation", bench_prefill, true);
  add("decode", "A token at a time: tokens a second against what the memory allows", bench_decode, true);
}

}  // namespace propane
