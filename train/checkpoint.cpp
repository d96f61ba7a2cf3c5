#include "train/checkpoint.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/xxh64.h"
#include "train/jsonl.h"

namespace propane::train {

namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr const char* kModel = "model.safetensors";
constexpr const char* kOptimizer = "optimizer.safetensors";
constexpr const char* kState = "state.json";
constexpr const char* kBest = "best.json";
constexpr const char* kLock = ".lock";
constexpr const char* kFormat = "propane checkpoint 1";
// Folders under these names are nobody's checkpoint: being written, or on the way out.
constexpr const char* kWriting = ".writing-";
constexpr const char* kRemoving = ".removing-";

std::string step_name(int64_t step) { return fmt::format("step-{}", step); }

// The N of "step-N", if a name is one.
std::optional<int64_t> step_of(const std::string& name) {
  constexpr std::string_view prefix = "step-";
  if (!name.starts_with(prefix)) return std::nullopt;
  int64_t step = 0;
  const char* end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data() + prefix.size(), end, step);
  if (error != std::errc() || stop != end || step < 0 || name != step_name(step)) return std::nullopt;
  return step;
}

void remove_folder(const Path& folder) {
  std::error_code error;
  fs::remove_all(folder, error);
  if (error) fail("{}: cannot remove the folder: {}", folder.string(), error.message());
}

void rename_folder(const Path& from, const Path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0)
    fail("{}: cannot rename the folder to {}: {}", from.string(), to.filename().string(), std::strerror(errno));
}

// Lets two existing folders change places in one atomic step.
bool swap_folders(const Path& a, const Path& b) {
#if defined(__APPLE__)
  return ::renamex_np(a.c_str(), b.c_str(), RENAME_SWAP) == 0;
#else
  return ::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0;
#endif
}

std::string checksum(std::string_view bytes) { return fmt::format("{:016x}", xxh64(bytes)); }

ordered_json file_record(const Path& file) {
  const MappedFile mapped(file);
  return {{"bytes", mapped.size()}, {"xxh64", checksum(mapped.text())}};
}

ordered_json parse_state(std::string_view state) {
  ordered_json object = ordered_json::parse(state, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) fail("checkpoint: expected the run's state to be a JSON object");
  return object;
}

[[noreturn]] void fail_damaged(const Path& file, std::string_view expected, std::string_view found) {
  fail("{}: the checkpoint is damaged: expected {}, found {}; to go on from an older checkpoint, remove this folder",
       file.string(), expected, found);
}

// state.json, whose own checksum is that of the object without it.
ordered_json read_state(const Path& file) {
  ordered_json object = ordered_json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) fail_damaged(file, "a JSON object", "something else");
  const std::string stated = object.value("xxh64", ordered_json("none")).dump();
  object.erase("xxh64");
  const std::string actual = ordered_json(checksum(object.dump())).dump();
  if (stated != actual) fail_damaged(file, "checksum " + stated, actual);
  if (object.value("format", "") != kFormat)
    fail("{}: expected the format '{}', found '{}'", file.string(), kFormat, object.value("format", ""));
  return object;
}

// Opens one file of a checkpoint after comparing it with its record in state.json.
SafetensorsFile open_checked(const Path& folder, const char* name, const ordered_json& state) {
  const Path file = folder / name;
  const ordered_json& record = state.at("files").at(name);
  if (!fs::exists(file)) fail_damaged(file, "a file", "none");
  {
    const MappedFile mapped(file);
    const size_t expected = record.at("bytes");
    if (mapped.size() != expected)
      fail_damaged(file, fmt::format("{} bytes", expected), fmt::format("{}", mapped.size()));
    const std::string sum = checksum(mapped.text());
    const std::string expected_sum = record.at("xxh64");
    if (sum != expected_sum) fail_damaged(file, "checksum " + expected_sum, sum);
  }
  return SafetensorsFile(file);
}

}  // namespace

CheckpointStore::CheckpointStore(const Path& folder, int keep_last) : folder_(folder), keep_last_(keep_last) {
  if (keep_last < 0) fail_usage("keep_last: expected 0 (all) or more checkpoints, found {}", keep_last);
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) fail("{}: cannot create the folder: {}", folder.string(), error.message());
  const Path lock = folder / kLock;
  lock_ = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (lock_ < 0) fail("{}: cannot write in the checkpoint folder: {}", folder.string(), std::strerror(errno));
  // File systems without locks answer with another error; there the person must know what runs.
  const bool taken = ::flock(lock_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  try {
    if (taken) fail("{}: another training run is writing checkpoints here", folder.string());
    clear_leftovers();
  } catch (...) {
    ::close(lock_);
    throw;
  }
}

CheckpointStore::~CheckpointStore() { ::close(lock_); }

Path CheckpointStore::save(const CheckpointContents& contents) {
  if (contents.step < 0) fail("checkpoint: expected a step of 0 or more, found {}", contents.step);
  ordered_json user_state = parse_state(contents.state);
  const Path target = folder_ / step_name(contents.step);
  const Path writing = folder_ / (kWriting + step_name(contents.step));
  try {
    std::error_code error;
    fs::create_directory(writing, error);
    if (error) fail("{}: cannot create the folder: {}", writing.string(), error.message());
    write_safetensors(writing / kModel, contents.model, {{"format", "pt"}});
    write_safetensors(writing / kOptimizer, contents.optimizer);
    ordered_json state;
    state["format"] = kFormat;
    state["step"] = contents.step;
    state["device"] = device_object(contents.device);
    state["files"] = {{kModel, file_record(writing / kModel)}, {kOptimizer, file_record(writing / kOptimizer)}};
    state["state"] = std::move(user_state);
    state["xxh64"] = checksum(state.dump());
    write_file_atomically(writing / kState, state.dump(2) + "\n");
    if (!fs::exists(target)) rename_folder(writing, target);
    else if (!swap_folders(writing, target))
      fail("{}: cannot replace this checkpoint in one step: {}", target.string(), std::strerror(errno));
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(writing, ignored);
    throw;
  }
  sync_folder(folder_);
  clear_leftovers();
  prune(contents.step);
  return target;
}

void CheckpointStore::mark_best(int64_t step, double val_bpb) {
  const std::vector<int64_t> steps = checkpoint_steps(folder_);
  if (!std::binary_search(steps.begin(), steps.end(), step))
    fail("{}: cannot mark step {} as the best: there is no checkpoint of it", folder_.string(), step);
  if (!std::isfinite(val_bpb))
    fail("{}: cannot mark step {} as the best: its val_bpb is {}", folder_.string(), step, val_bpb);
  const ordered_json best = {{"step", step}, {"val_bpb", val_bpb}};
  write_file_atomically(folder_ / kBest, best.dump() + "\n");
}

void CheckpointStore::clear_leftovers() const {
  std::vector<Path> leftovers;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    const std::string name = entry.path().filename();
    if (name.starts_with(kWriting) || name.starts_with(kRemoving) || name.starts_with(std::string(kBest) + ".tmp"))
      leftovers.push_back(entry.path());
  }
  for (const Path& path : leftovers) remove_folder(path);
}

void CheckpointStore::prune(int64_t newest) const {
  if (keep_last_ == 0) return;
  std::optional<int64_t> best;
  if (const auto found = best_checkpoint(folder_)) best = found->step;
  std::vector<int64_t> steps = checkpoint_steps(folder_);
  const size_t excess = steps.size() - std::min(steps.size(), static_cast<size_t>(keep_last_));
  steps.resize(excess);
  for (const int64_t step : steps)
    if (step != newest && step != best) remove(step);
}

// Renamed first, so that a crash in the middle of the removal leaves no folder that looks like a checkpoint.
void CheckpointStore::remove(int64_t step) const {
  const Path removing = folder_ / (kRemoving + step_name(step));
  rename_folder(folder_ / step_name(step), removing);
  remove_folder(removing);
}

std::vector<int64_t> checkpoint_steps(const Path& folder) {
  std::vector<int64_t> steps;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(folder, missing)) {
    const auto step = step_of(entry.path().filename());
    if (step && fs::exists(entry.path() / kState, missing)) steps.push_back(*step);
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

std::optional<Path> latest_checkpoint(const Path& folder) {
  const std::vector<int64_t> steps = checkpoint_steps(folder);
  if (steps.empty()) return std::nullopt;
  return folder / step_name(steps.back());
}

std::optional<BestCheckpoint> best_checkpoint(const Path& folder) {
  const Path file = folder / kBest;
  if (!fs::exists(file)) return std::nullopt;
  const ordered_json best = ordered_json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
  const bool readable = best.is_object() && best.contains("step") && best["step"].is_number_integer() &&
                        best.contains("val_bpb") && best["val_bpb"].is_number();
  if (!readable) fail("{}: expected {{\"step\": N, \"val_bpb\": X}}, found '{}'", file.string(), read_file(file));
  BestCheckpoint found{best["step"], best["val_bpb"], {}};
  found.folder = folder / step_name(found.step);
  if (!fs::exists(found.folder / kState)) return std::nullopt;
  return found;
}

Checkpoint read_checkpoint(const Path& folder, CheckpointParts parts) {
  const Path file = folder / kState;
  if (!fs::exists(file)) fail("{}: expected a checkpoint folder with {}, found none", folder.string(), kState);
  const ordered_json state = read_state(file);
  // From here on the checksum vouches for what save() wrote, so its keys are there.
  const ordered_json& device = state.at("device");
  Checkpoint checkpoint{folder,
                        state.at("step"),
                        {device.at("name"), device.at("simulated"), device.at("profile")},
                        state.at("state").dump(),
                        open_checked(folder, kModel, state),
                        std::nullopt};
  if (parts == CheckpointParts::model_and_optimizer) checkpoint.optimizer = open_checked(folder, kOptimizer, state);
  return checkpoint;
}

}  // namespace propane::train
