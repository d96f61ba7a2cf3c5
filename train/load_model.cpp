#include "train/load_model.h"

#include <cstring>

#include "base/error.h"
#include "train/checkpoint.h"

namespace propane::train {

namespace {

Path find_checkpoint(const Path& path) {
  if (!std::filesystem::exists(path)) fail("{}: there is no such run folder or checkpoint", path.string());
  if (std::filesystem::exists(path / "state.json")) return path;
  if (const auto latest = latest_checkpoint(path / "checkpoints")) return *latest;
  fail("{}: expected a run folder with checkpoints/step-N in it, or such a step-N folder", path.string());
}

}  // namespace

TrainedModel load_model(const Path& path, State& state, Device& device) {
  const Path folder = std::filesystem::absolute(find_checkpoint(path)).lexically_normal();
  const Path run = folder.parent_path().parent_path();
  const Path config_path = run / "config.toml";
  RunConfig config = read_run_config(read_file(config_path), config_path.string());
  const Checkpoint checkpoint = read_checkpoint(folder, CheckpointParts::model);
  for (const Param& p : parameters(config.model)) {
    const SafetensorsTensor& tensor = checkpoint.model.at(p.name);
    if (!(tensor.shape == p.shape) || tensor.dtype != p.dtype)
      fail("{}: tensor '{}' should be {} {}, found {} {}", checkpoint.model.name(), p.name, dtype_name(p.dtype),
           p.shape.str(), tensor.type, tensor.shape.str());
    state.get(p.name, {p.dtype, p.shape}, device);
    state.set(p.name, tensor.data.data());
  }
  return {std::move(config), Tokenizer::load(run / "tokenizer.json"), folder, checkpoint.step};
}

}  // namespace propane::train
