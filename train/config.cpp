#include "train/config.h"

#include <algorithm>

#include "base/error.h"
#include "formats/toml_reader.h"

namespace propane::train {

namespace {

constexpr int64_t kMost = int64_t{1} << 40;

OptimizerConfig read_optimizer(TomlReader& t) {
  OptimizerConfig o;
  o.kind = t.choice("kind", "muon", {"muon", "adamw"}) == "muon" ? OptimizerKind::muon : OptimizerKind::adamw;
  const bool muon = o.kind == OptimizerKind::muon;
  o.beta1 = t.real("beta1", muon ? 0.8 : 0.9, 0, 0.999999);
  o.beta2 = t.real("beta2", 0.95, 0, 0.9999999);
  o.eps = t.real("eps", muon ? 1e-10 : 1e-8, 0, 1);
  o.weight_decay = t.real("weight_decay", muon ? 0.2 : 0.1, 0, 100);
  o.decay_to_zero = t.boolean("decay_to_zero", muon);
  o.clip = t.real("clip", muon ? 0 : 1.0, 0, 1e9);
  if (muon) {
    o.matrix_lr = t.real("matrix_lr", o.matrix_lr, 0, 100);
    o.head_lr = t.real("head_lr", o.head_lr, 0, 100);
    o.embedding_lr = t.real("embedding_lr", o.embedding_lr, 0, 100);
    o.scalar_lr = t.real("scalar_lr", o.scalar_lr, 0, 100);
    o.muon_beta2 = t.real("muon_beta2", o.muon_beta2, 0, 1);
    o.momentum_start = t.real("momentum_start", o.momentum_start, 0, 1);
    o.momentum_end = t.real("momentum_end", o.momentum_end, 0, 1);
    o.momentum_steps = t.integer("momentum_steps", o.momentum_steps, 1, kMost);
  } else {
    o.lr = t.real("lr", o.lr, 0, 100);
    o.embedding_lr_factor = t.real("embedding_lr_factor", 1, 0, 1e6);
    o.matrix_lr_factor = t.real("matrix_lr_factor", 1, 0, 1e6);
    o.norm_lr_factor = t.real("norm_lr_factor", 1, 0, 1e6);
    o.decay_embeddings = t.boolean("decay_embeddings", true);
  }
  return o;
}

}  // namespace

RunConfig read_run_config(const std::string& toml, const std::string& source,
                          const std::vector<std::string>& overrides) {
  TomlReader root(toml, source);
  for (const std::string& assignment : overrides) root.override_with(assignment);
  RunConfig c;
  c.model = read_model_config(root.table("model"));
  c.optimizer = read_optimizer(root.table("optimizer"));

  TomlReader& s = root.table("schedule");
  c.schedule.kind =
      schedule_kind_from_name(s.choice("kind", "autoresearch", {"constant", "autoresearch", "cosine", "wsd"}));
  c.schedule.warmup = s.real("warmup", 0, 0, 1);
  c.schedule.warmdown = s.real("warmdown", c.schedule.kind == ScheduleKind::wsd ? 0.2 : 0.5, 0, 1);
  c.schedule.final_fraction = s.real("final_fraction", 0, 0, 1);
  c.warmup_steps = s.integer("warmup_steps", 0, 0, kMost);
  check_schedule(c.schedule);

  TomlReader& t = root.table("train");
  c.device = t.text("device", "auto");
  c.seed = static_cast<uint64_t>(t.integer("seed", 42, 0));
  c.steps = t.integer("steps", 0, 0, kMost);
  c.minutes = t.real("minutes", 0, 0, 1e7);
  c.rows = t.integer("rows", c.rows, 1, 1 << 20);
  c.accumulate = t.integer("accumulate", 1, 1, 1 << 20);
  const std::string recompute = t.choice("recompute", "none", {"none", "cheap", "layers"});
  c.recompute = recompute == "none" ? Recompute::none : recompute == "cheap" ? Recompute::cheap : Recompute::layers;
  c.loss_scaling = t.boolean("loss_scaling", false);
  c.untimed_steps = t.integer("untimed_steps", 0, 0, kMost);
  c.eval_every = t.integer("eval_every", 0, 0, kMost);
  c.checkpoint_every = t.integer("checkpoint_every", 0, 0, kMost);
  c.keep_checkpoints = t.integer("keep_checkpoints", 2, 1, kMost);
  c.sample_every = t.integer("sample_every", 0, 0, kMost);
  c.threads = t.integer("threads", 0, 0, 4096);
  c.spike_sigmas = t.real("spike_sigmas", 0, 0, 1e6);

  TomlReader& d = root.table("data");
  c.data = d.text("dir", "");
  c.packing = d.choice("packing", "best_fit", {"best_fit", "autoresearch"}) == "best_fit" ? Packing::best_fit
                                                                                          : Packing::autoresearch;
  c.mask_documents = d.boolean("mask_documents", false);
  c.shuffle = d.boolean("shuffle", true);

  TomlReader& e = root.table("eval");
  c.eval_tokens = e.integer("tokens", 0, 0, kMost);
  c.eval_rows = e.integer("rows", 8, 1, 1 << 16);
  c.eval_autoresearch = e.choice("mode", "every_byte", {"every_byte", "autoresearch"}) == "autoresearch";

  TomlReader& p = root.table("sample");
  c.prompt = p.text("prompt", "");
  c.sample_tokens = p.integer("tokens", c.sample_tokens, 1, 1 << 20);
  c.temperature = p.real("temperature", c.temperature, 0, 100);
  c.top_k = p.integer("top_k", 0, 0, kMost);
  root.finish();
  return c;
}

std::string run_config_toml(const RunConfig& c) {
  std::string out = model_config_toml(c.model);
  const auto line = [&](const char* key, const auto& value) { out += fmt::format("{} = {}\n", key, value); };
  const auto real = [&](const char* key, double value) {
    std::string text = fmt::format("{}", value);
    if (text.find_first_of(".en") == std::string::npos) text += ".0";
    line(key, text);
  };
  const OptimizerConfig& o = c.optimizer;
  out += "\n[optimizer]\n";
  line("kind", o.kind == OptimizerKind::muon ? "\"muon\"" : "\"adamw\"");
  real("beta1", o.beta1);
  real("beta2", o.beta2);
  real("eps", o.eps);
  real("weight_decay", o.weight_decay);
  line("decay_to_zero", o.decay_to_zero);
  real("clip", o.clip);
  if (o.kind == OptimizerKind::muon) {
    real("matrix_lr", o.matrix_lr);
    real("head_lr", o.head_lr);
    real("embedding_lr", o.embedding_lr);
    real("scalar_lr", o.scalar_lr);
    real("muon_beta2", o.muon_beta2);
    real("momentum_start", o.momentum_start);
    real("momentum_end", o.momentum_end);
    line("momentum_steps", o.momentum_steps);
  } else {
    real("lr", o.lr);
    real("embedding_lr_factor", o.embedding_lr_factor);
    real("matrix_lr_factor", o.matrix_lr_factor);
    real("norm_lr_factor", o.norm_lr_factor);
    line("decay_embeddings", o.decay_embeddings);
  }
  out += "\n[schedule]\n";
  line("kind", toml_quote(schedule_kind_name(c.schedule.kind)));
  real("warmup", c.schedule.warmup);
  real("warmdown", c.schedule.warmdown);
  real("final_fraction", c.schedule.final_fraction);
  line("warmup_steps", c.warmup_steps);
  out += "\n[train]\n";
  line("device", toml_quote(c.device));
  line("seed", c.seed);
  line("steps", c.steps);
  real("minutes", c.minutes);
  line("rows", c.rows);
  line("accumulate", c.accumulate);
  line("recompute", c.recompute == Recompute::none    ? "\"none\""
                    : c.recompute == Recompute::cheap ? "\"cheap\""
                                                      : "\"layers\"");
  line("loss_scaling", c.loss_scaling);
  line("untimed_steps", c.untimed_steps);
  line("eval_every", c.eval_every);
  line("checkpoint_every", c.checkpoint_every);
  line("keep_checkpoints", c.keep_checkpoints);
  line("sample_every", c.sample_every);
  line("threads", c.threads);
  real("spike_sigmas", c.spike_sigmas);
  out += "\n[data]\n";
  line("dir", toml_quote(c.data));
  line("packing", c.packing == Packing::best_fit ? "\"best_fit\"" : "\"autoresearch\"");
  line("mask_documents", c.mask_documents);
  line("shuffle", c.shuffle);
  out += "\n[eval]\n";
  line("mode", c.eval_autoresearch ? "\"autoresearch\"" : "\"every_byte\"");
  line("tokens", c.eval_tokens);
  line("rows", c.eval_rows);
  out += "\n[sample]\n";
  line("prompt", toml_quote(c.prompt));
  line("tokens", c.sample_tokens);
  real("temperature", c.temperature);
  line("top_k", c.top_k);
  return out;
}

}  // namespace propane::train
