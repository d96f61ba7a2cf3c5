// Every setting of a run: what config.toml says.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/config.h"
#include "train/schedule.h"

namespace propane::train {

enum class OptimizerKind { muon, adamw };  // muon: AdamW for everything that is not a matrix of a layer

struct OptimizerConfig {
  OptimizerKind kind = OptimizerKind::muon;
  double beta1 = 0.8, beta2 = 0.95, eps = 1e-10;
  double weight_decay = 0.2;  // of matrices
  bool decay_to_zero = true;  // autoresearch: the decay falls with progress
  double clip = 0;            // largest global gradient norm; 0: no clipping

  // kind = muon (autoresearch's): learning rates of the groups, the first three times (dim/768)^−0.5.
  double matrix_lr = 0.04;                                      // Muon, times sqrt(max(1, rows/cols))
  double head_lr = 0.004, embedding_lr = 0.6, scalar_lr = 0.5;  // x0 scalars get scalar_lr, resid scalars 0.01 of it
  double muon_beta2 = 0.95;
  double momentum_start = 0.85, momentum_end = 0.95;
  int64_t momentum_steps = 300;

  // kind = adamw: one rate, with factors for some tensors (Rustane's groups).
  double lr = 3e-4;
  double embedding_lr_factor = 1, matrix_lr_factor = 1, norm_lr_factor = 1;
  bool decay_embeddings = true;  // as llm.c does; Rustane does not
};

// Activation checkpointing: nothing; norms, activation functions, residual sums and square projections (about a
// fortieth more time); or whole layers (about a third of the forward pass more).
enum class Recompute { none, cheap, layers };

enum class Packing { best_fit, autoresearch };

struct RunConfig {
  ModelConfig model;
  OptimizerConfig optimizer;
  Schedule schedule;
  int64_t warmup_steps = 0;  // cosine and wsd by steps; added to the schedule's share

  // [train]
  std::string device = "auto";
  uint64_t seed = 42;
  int64_t steps = 0;  // one of steps and minutes is positive
  double minutes = 0;
  int64_t rows = 16;       // rows of a micro-step
  int64_t accumulate = 1;  // micro-steps of a step
  Recompute recompute = Recompute::none;
  bool loss_scaling = false;     // dynamic loss scale, for backends that compute in 16 bits
  int64_t untimed_steps = 0;     // first steps that do not count towards `minutes` and the speeds
  int64_t eval_every = 0;        // 0: only at the end
  int64_t checkpoint_every = 0;  // 0: only at the end and when interrupted
  int64_t keep_checkpoints = 2;
  int64_t sample_every = 0;
  int64_t threads = 0;      // 0: one a core
  double spike_sigmas = 0;  // stop when the loss jumps by so many standard deviations; 0: off

  // [data]
  std::string data;  // the folder that `data prepare` made
  Packing packing = Packing::best_fit;
  bool mask_documents = false;  // tokens see only their own document
  bool shuffle = true;

  // [eval]
  int64_t eval_tokens = 0;         // held-out tokens scored; 0: all
  int64_t eval_rows = 8;           // rows at a time; does not change the result
  bool eval_autoresearch = false;  // autoresearch's loader and byte counts instead of every byte once

  // [sample]
  std::string prompt;
  int64_t sample_tokens = 120;
  double temperature = 0.8;
  int64_t top_k = 0;

  int64_t tokens_per_step() const { return rows * accumulate * model.seq; }
};

// Reads a whole configuration; `source` is the file's name for messages; `overrides` are KEY=VALUE pairs with dotted
// keys. Throws UsageError naming file, line, key, what was expected and what was found.
RunConfig read_run_config(const std::string& toml, const std::string& source,
                          const std::vector<std::string>& overrides = {});

// The same settings, every key resolved, as the run folder's config.toml.
std::string run_config_toml(const RunConfig& config);

// The TOML text of a preset; throws UsageError with the nearest name when there is none.
std::string preset_toml(const std::string& name);
struct PresetInfo {
  std::string name, summary;
};
std::vector<PresetInfo> presets();

}  // namespace propane::train
