#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/threads.h"
#include "cli/commands.h"
#include "cli/devices.h"
#include "cli/output.h"
#include "train/evaluate.h"
#include "train/load_model.h"

namespace propane {

namespace {

struct Options {
  std::string model, data, device = "auto";
  int64_t rows = 8, tokens = 0;
  int threads = 0;
  bool autoresearch = false, json = false;
};

void run(const Options& o) {
  set_thread_count(o.threads);
  const auto device = open_device(o.device);
  State state;
  train::TrainedModel model = train::load_model(o.model, state, *device);
  model.config.eval_autoresearch = model.config.eval_autoresearch || o.autoresearch;
  model.config.eval_tokens = o.tokens;
  const auto data = train::open_data(o.data.empty() ? model.config.data : o.data, model.config.model);
  train::Evaluator evaluator(model.config.model, o.rows, model.config.mask_documents, state, *device);
  const train::Evaluation e = evaluator.run(train::held_out_tokens(data, model.config));
  if (o.json) {
    print_json({{"val_loss", e.val_loss},
                {"val_bpb", e.val_bpb},
                {"perplexity", e.perplexity},
                {"tokens", e.tokens},
                {"seconds", e.seconds},
                {"step", model.step},
                {"device", device_json(*device)}});
    return;
  }
  std::printf("val_loss:    %.6f\nval_bpb:     %.6f\nperplexity:  %.4f\ntokens:      %lld\nseconds:     %.2f\n",
              e.val_loss, e.val_bpb, e.perplexity, static_cast<long long>(e.tokens), e.seconds);
}

}  // namespace

void add_eval_command(CLI::App& app) {
  auto o = std::make_shared<Options>();
  CLI::App* cmd = app.add_subcommand("eval", "Score held-out text: nats a token, bits a byte, perplexity");
  cmd->add_option("--model", o->model, "Run folder, or a checkpoint folder in it")->required();
  cmd->add_option("--data", o->data, "The data folder; default: the run's");
  cmd->add_option("--rows", o->rows, "Rows at a time; does not change the result")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  cmd->add_option("--tokens", o->tokens, "Score about so many tokens; 0: all")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  cmd->add_flag("--autoresearch", o->autoresearch, "autoresearch's rows and byte counts instead of every byte once");
  cmd->add_option("--device", o->device, "cpu, ref or auto")->capture_default_str();
  cmd->add_option("--threads", o->threads, "0: one a core")->capture_default_str();
  cmd->add_flag("--json", o->json, "One JSON object");
  cmd->callback([o] { run(*o); });
}

}  // namespace propane
