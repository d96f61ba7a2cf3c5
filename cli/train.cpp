#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "backends/cpu/kernels/peak.h"
#include "base/error.h"
#include "base/file.h"
#include "base/threads.h"
#include "cli/commands.h"
#include "cli/devices.h"
#include "cli/exit_code.h"
#include "train/trainer.h"

namespace propane {

namespace {

struct Options {
  std::string preset, config, data, device, out, replay;
  std::vector<std::string> set;
  int64_t steps = -1;
  double minutes = -1;
  int64_t seed = -1;
  int threads = -1;
  bool resume = false, tensorboard = false, list_presets = false;
};

// The configuration: a preset, a file, or, to resume, the run's own; then the flags.
train::RunConfig read_config(const Options& o) {
  std::string text, source;
  if (o.resume) {
    if (!o.preset.empty() || !o.config.empty())
      fail_usage("--resume takes its settings from the run; --preset and --config do not go with it");
    if (o.out.empty()) fail_usage("--resume needs --out, the run folder to continue");
    source = (Path(o.out) / "config.toml").string();
    text = read_file(source);
  } else if (!o.config.empty() && !o.preset.empty()) {
    fail_usage("one of --preset and --config, not both");
  } else if (!o.config.empty()) {
    source = o.config;
    text = read_file(o.config);
  } else if (!o.preset.empty()) {
    source = "preset " + o.preset;
    text = train::preset_toml(o.preset);
  } else {
    fail_usage("train needs --preset NAME or --config FILE.toml; --list-presets shows the names");
  }
  train::RunConfig c = train::read_run_config(text, source, o.set);
  if (!o.data.empty()) c.data = o.data;
  if (!o.device.empty()) c.device = o.device;
  if (o.steps >= 0) c.steps = o.steps, c.minutes = 0;
  if (o.minutes >= 0) c.minutes = o.minutes, c.steps = 0;
  if (o.seed >= 0) c.seed = static_cast<uint64_t>(o.seed);
  if (o.threads >= 0) c.threads = o.threads;
  return c;
}

void run(const Options& o) {
  if (o.list_presets) {
    for (const auto& p : train::presets()) std::printf("%-18s %s\n", p.name.c_str(), p.summary.c_str());
    return;
  }
  train::TrainOptions options;
  options.config = read_config(o);
  options.out =
      o.out.empty() ? Path("runs") / (o.preset.empty() ? Path(o.config).stem() : Path(o.preset)) : Path(o.out);
  options.resume = o.resume;
  options.tensorboard = o.tensorboard;
  if (!o.replay.empty()) options.replay = o.replay;
  set_thread_count(static_cast<int>(options.config.threads));
  const auto device = open_device(options.config.device);
  // Measured before the run, as it would be disturbed and disturb during it; 50 ms are enough for the best of short
  // runs.
  if (device->info().name == "cpu") options.peak_flops_per_second = cpu::fma_flops_per_second(threads(), 0.05);
  const train::TrainResult result = train::train(options, *device);
  if (result.exit_code != 0) throw ExitCode{result.exit_code};
  const std::string block = train::summary_block(result.summary);
  std::fwrite(block.data(), 1, block.size(), stdout);
}

}  // namespace

void add_train_command(CLI::App& app) {
  auto o = std::make_shared<Options>();
  CLI::App* cmd =
      app.add_subcommand("train", "Train a model: a preset or a TOML file, on a folder made by `data prepare`");
  cmd->add_option("--preset", o->preset, "A named configuration (--list-presets)");
  cmd->add_option("--config", o->config, "A TOML file");
  cmd->add_option("--data", o->data, "The folder made by `propane data prepare`");
  cmd->add_option("--out", o->out, "The run folder; default runs/NAME");
  cmd->add_option("--device", o->device, "cpu, ref or auto");
  cmd->add_option("--steps", o->steps, "Stop after so many updates");
  cmd->add_option("--minutes", o->minutes, "Stop after so much training time");
  cmd->add_option("--seed", o->seed, "Of parameters, data order and samples");
  cmd->add_option("--threads", o->threads, "0: one a core");
  cmd->add_option("--set", o->set, "KEY=VALUE, a setting of the configuration, for example optimizer.matrix_lr=0.02");
  cmd->add_option("--replay", o->replay, "Repeat the steps of a metrics.jsonl instead of watching the clock");
  cmd->add_flag("--resume", o->resume, "Continue the run in --out from its newest checkpoint");
  cmd->add_flag("--tensorboard", o->tensorboard, "Also write TensorBoard event files");
  cmd->add_flag("--list-presets", o->list_presets, "Show the presets");
  cmd->callback([o] { run(*o); });
}

}  // namespace propane
