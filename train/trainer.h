// The training loop: a run folder from a configuration and a data set.
#pragma once

#include <optional>
#include <string>

#include "base/file.h"
#include "graph/device.h"
#include "train/config.h"
#include "train/summary.h"

namespace propane::train {

struct TrainOptions {
  RunConfig config;
  Path out;                    // the run folder
  bool resume = false;         // continue from its newest checkpoint
  bool tensorboard = false;    // also write event files
  std::optional<Path> replay;  // a metrics.jsonl whose steps and progress are repeated instead of the clock's
  // What the device could compute at most, in the type that it computes in: what the MFU is a share of. Absent:
  // unknown.
  std::optional<double> peak_flops_per_second;
};

struct TrainResult {
  RunSummary summary;
  int exit_code = 0;  // 0, or 128 + signal when interrupted
};

// Trains on `device` and writes config.toml, tokenizer.json, machine.json, metrics.jsonl, samples.jsonl, checkpoints/,
// summary.json and report.html. Of compressors.json in the data folder (train/compressors.h) the summary and the report
// take their figures to compare with. With a budget in minutes, elapsed seconds are kept in the checkpoints. Throws
// Error when the loss is no number any more (naming step and tensor), when data and model do not fit together, or a
// file fails.
TrainResult train(const TrainOptions& options, Device& device);

}  // namespace propane::train
