// Parameter groups, their hyper-parameters over a run, and the update as a graph.
#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"
#include "models/config.h"
#include "train/config.h"

namespace propane::train {

struct Group {
  std::string name;  // its hyper-parameters are the per-run input "hyper.<name>"
  bool muon = false;
  std::vector<Param> params;
  double lr = 0;  // before the schedule
  double beta1 = 0, beta2 = 0, eps = 0, weight_decay = 0;
};

// autoresearch's groups (Muon matrices stacked by shape, AdamW for the rest), or AdamW's.
std::vector<Group> parameter_groups(const ModelConfig& model, const OptimizerConfig& optimizer);

// The values of "hyper.<name>" before optimizer step `step` (counted from 0) at `progress` of the run.
std::vector<double> hyper_values(const Group& group, const OptimizerConfig& optimizer, double lr_multiplier,
                                 double progress, int64_t step);

// State names of a parameter's gradient and moments.
std::string grad_name(const std::string& param);
std::string first_name(const std::string& param);
std::string second_name(const std::string& param);

// Every state tensor of the optimizer with its type, in a fixed order: what a checkpoint holds beside the parameters.
std::vector<std::pair<std::string, Type>> optimizer_state(const std::vector<Group>& groups);

// The update plan's graph. Per-run inputs: "limits" f64 [2] = (clip, unscale) and "hyper.<group>"; outputs:
// "grad_norm2" (the sum of squares before unscaling) and "grad_scale" (see clip_scale). `ranks` > 1 adds gradients up
// over ranks.
Graph build_update(const std::vector<Group>& groups, int ranks = 1);

}  // namespace propane::train
