// Checkpoints of a run, in checkpoints/step-N/: model.safetensors, optimizer.safetensors and state.json. A checkpoint
// is written to a temporary folder, every file synced, the folder renamed and its parent synced, so a crash at any
// instant leaves the ones before it whole; state.json holds the sizes and checksums of the other files and its own.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "formats/safetensors.h"
#include "train/device_label.h"

namespace propane::train {

struct CheckpointContents {
  int64_t step = 0;
  std::span<const TensorToWrite> model = {};
  std::span<const TensorToWrite> optimizer = {};
  std::string_view state = "{}";  // a JSON object: data position, random state, schedules, elapsed budget, ...
  DeviceLabel device = {};
};

// The writer's side of a run's checkpoints/ folder; one at a time a folder, in one process (a lock sees to it).
class CheckpointStore {
 public:
  // Makes the folder if missing and clears what a killed run left half-written in it. save() keeps the newest
  // `keep_last` checkpoints and the best one; 0 keeps all. Throws Error naming the folder when it cannot be written
  // or another process holds it, UsageError when keep_last is negative.
  CheckpointStore(const Path& folder, int keep_last);
  ~CheckpointStore();
  CheckpointStore(const CheckpointStore&) = delete;
  CheckpointStore& operator=(const CheckpointStore&) = delete;

  // Writes checkpoint step-N (replacing one of that step as a whole) and returns its folder; when it returns, the
  // checkpoint is on the disk. Throws Error naming the file and the reason; then nothing has changed.
  Path save(const CheckpointContents& contents);

  // Names an existing checkpoint the best so far. Throws Error if there is none of that step.
  void mark_best(int64_t step, double val_bpb);

 private:
  void clear_leftovers() const;
  void prune(int64_t newest) const;
  void remove(int64_t step) const;

  Path folder_;
  int keep_last_;
  int lock_ = -1;
};

// Steps of the complete checkpoints of a folder, ascending; temporaries and foreign files are passed over.
std::vector<int64_t> checkpoint_steps(const Path& folder);

// The folder of the newest complete checkpoint.
std::optional<Path> latest_checkpoint(const Path& folder);

struct BestCheckpoint {
  int64_t step = 0;
  double val_bpb = 0;
  Path folder;
};

// What best.json names; nothing if there is none. Throws Error when the file is damaged.
std::optional<BestCheckpoint> best_checkpoint(const Path& folder);

struct Checkpoint {
  Path folder;
  int64_t step = 0;
  DeviceLabel device = {};
  std::string state;  // the JSON object given to save()
  SafetensorsFile model;
  std::optional<SafetensorsFile> optimizer;
};

enum class CheckpointParts { model, model_and_optimizer };

// Opens a checkpoint (its step-N folder) after comparing the sizes and checksums of its files. Throws Error naming the
// file, what was expected and what was found when one is missing or damaged.
Checkpoint read_checkpoint(const Path& folder, CheckpointParts parts = CheckpointParts::model_and_optimizer);

}  // namespace propane::train
