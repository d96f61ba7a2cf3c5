// metrics.jsonl: a line a step, the record that reports, replays (`--replay`) and experiments read.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "train/device_label.h"
#include "train/jsonl.h"

namespace propane::train {

struct StepMetrics {
  int64_t step = 0;      // updates done, this one included: the first line is step 1
  double loss = 0;       // mean cross-entropy of the step's tokens, nats; NaN and infinities are written as null
  double lr = 0;         // learning rate, or its multiplier where groups have their own
  double grad_norm = 0;  // global norm before clipping
  int64_t tokens = 0;    // trained on since the start of the run
  double tok_per_s = 0;  // of this step; on a simulated device the host's, written as host_tok_per_s
  std::optional<double> mfu = {};  // model FLOPs utilisation in [0, 1]; absent when the peak is unknown or simulated
  double progress = 0;             // share of the budget used before this step, in [0, 1]; what the schedules saw
  double seconds = 0;              // counted training time since the start of the run
  std::optional<double> val_loss = {};           // nats a token, on steps that evaluated
  std::optional<double> val_bpb = {};            // bits a byte, likewise
  std::map<std::string, double> predicted = {};  // a cost model's: {"tok_per_s", x} is written as predicted_tok_per_s
  DeviceLabel device = {};
};

// The line, without its newline: one JSON object, numbers in the shortest form that reads back to the same bits.
std::string metrics_line(const StepMetrics& metrics);

class MetricsWriter {
 public:
  // Starts a run's file. Throws Error if there is one already with something in it: nothing is overwritten.
  static MetricsWriter start(const Path& path);

  // Continues after a checkpoint: lines of later steps, and a line that a crash cut off, go (the file is replaced
  // atomically); a missing file is started.
  static MetricsWriter resume(const Path& path, int64_t checkpoint_step);

  void write(const StepMetrics& metrics) { file_.append(metrics_line(metrics)); }

  // Flushes to the disk; a loop calls it before it saves a checkpoint, so that no power cut leaves the lines behind it.
  void sync() { file_.sync(); }

 private:
  explicit MetricsWriter(const Path& path) : file_(path) {}

  JsonlAppender file_;
};

// All lines of a file. A torn last line is left out; unknown keys are ignored. Throws Error naming file:line and key
// where a line is not an object, or lacks step or loss, or holds a value of another type.
std::vector<StepMetrics> read_metrics(const Path& path);

}  // namespace propane::train
