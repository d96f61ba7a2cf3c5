// A training step as two plans over shared state: a micro-step that adds gradients into state, and an update.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "graph/plan.h"
#include "train/optimizer.h"

namespace propane::train {

// The micro-step's graph. Per-run inputs: those of models/model.h, targets i32 [rows, seq] (−1: not scored), "seed" f64
// [1] (loss scale / number of micro-steps) and "keep" f64 [1] (0 in the first micro-step of a step, then 1). Output:
// "loss".
Graph build_micro_step(const ModelConfig& model, int64_t rows, bool documents);

// The evaluation's graph: output "nats" [rows, seq], the cross-entropy of each target.
Graph build_eval(const ModelConfig& model, int64_t rows, bool documents);

// One batch of packed rows, each [rows · seq].
struct Rows {
  std::span<const int32_t> tokens, targets, positions, doc_start;
};

class TrainStep {
 public:
  // Plans on `devices`, the first being the default; parameters must be in `state` or be set before the first step.
  TrainStep(const RunConfig& config, State& state, std::vector<Device*> devices, int ranks = 1);

  // Forward and backward over one micro-batch: adds gradients; `micro` counts from 0 within the step. Returns the loss.
  double micro_step(const Rows& rows, int64_t micro, double loss_scale);

  struct Update {
    double grad_norm = 0;  // global, before clipping
    bool skipped = false;  // a gradient was not finite: nothing was changed
  };
  // Applies the gradients. `step` counts updates from 0.
  Update update(double lr_multiplier, double progress, int64_t step, double loss_scale);

  const Plan& micro_plan() const { return *micro_; }
  const Plan& update_plan() const { return *update_; }
  const std::vector<Group>& groups() const { return groups_; }

 private:
  OptimizerConfig optimizer_;
  int64_t rows_, seq_, accumulate_;
  bool documents_;
  std::vector<Group> groups_;
  std::unique_ptr<Plan> micro_, update_;
};

// Makes every parameter in `state` on `device` with its first value.
void initialize_parameters(const ModelConfig& model, uint64_t seed, State& state, Device& device);

// What the devices at hand take, for the fusion passes: every one must.
bool all_take(std::span<Device* const> devices, const Graph& graph, const Node& node);

}  // namespace propane::train
