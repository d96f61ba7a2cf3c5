// What a run comes to: the greppable block at its end and summary.json.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/file.h"
#include "train/device_label.h"

namespace propane::train {

struct RunSummary {
  std::optional<double> val_bpb = {};   // bits a byte of the held-out text
  std::optional<double> val_loss = {};  // nats a token, likewise
  double training_seconds = 0;          // counted against the budget
  double total_seconds = 0;             // from start to end, loading, compiling and evaluation included
  int64_t peak_memory_bytes = 0;        // of the device; of the process on a CPU
  std::optional<double> mfu = {};       // in [0, 1]; absent when the peak is unknown or the device simulated
  int64_t tokens = 0;                   // trained on
  int64_t steps = 0;
  int64_t parameters = 0;
  int64_t depth = 0;                  // layers
  std::optional<double> xz_bpb = {};  // what xz -9e needs for the held-out text given the training text, where measured
  std::optional<double> ppmd_bpb = {};  // 7z's PPMd of order 8, likewise
  DeviceLabel device = {};
};

// autoresearch's block: a line `---`, then `key:` padded to column 18 and the value, a line each: val_bpb,
// training_seconds, total_seconds, peak_vram_mb, mfu_percent, total_tokens_M, num_steps, num_params_M, depth; then
// ours: device, and xz_bpb and ppmd_bpb where measured. Unknown values are `null`. MB and M are 2^20 bytes and 10^6.
std::string summary_block(const RunSummary& summary);

// One JSON object with the same keys at full precision, and val_loss, peak_memory_bytes and device as an object.
std::string summary_json(const RunSummary& summary);

// Reads what summary_json wrote. Throws Error naming the file, and the key where one has another type.
RunSummary read_summary(const Path& path);

}  // namespace propane::train
