#include "train/checkpoint.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/error.h"
#include "base/random.h"
#include "train/test_folder.h"

namespace propane::train {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

// The weights of a step: every element tells which.
struct Weights {
  explicit Weights(int64_t step, size_t count = 1000)
      : weight(count, static_cast<float>(step)), moment(2 * count, static_cast<float>(-step)) {}

  Path save(CheckpointStore& store, int64_t step, std::string_view state = "{\"position\": 7}") const {
    const int64_t n = static_cast<int64_t>(weight.size());
    const TensorToWrite model[] = {{"wte", DType::f32, {n / 10, 10}, weight.data()}};
    const TensorToWrite optimizer[] = {{"wte.m", DType::f32, {2 * n}, moment.data()}};
    return store.save({.step = step, .model = model, .optimizer = optimizer, .state = state});
  }

  std::vector<float> weight, moment;
};

bool holds_only(const SafetensorsTensor& tensor, float value) {
  for (size_t at = 0; at < tensor.data.size(); at += sizeof value) {
    float element;
    std::memcpy(&element, tensor.data.data() + at, sizeof element);
    if (element != value) return false;
  }
  return true;
}

std::vector<std::string> names_in(const Path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// What a function says in a process of its own, whose limits and mounts it may change.
std::string in_child(const std::function<std::string()>& action) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    std::string out;
    try {
      out = action();
    } catch (const std::exception& error) {
      out = std::string("exception: ") + error.what();
    }
    [[maybe_unused]] const ssize_t n = ::write(ends[1], out.data(), out.size());
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string out;
  char buffer[4096];
  for (ssize_t n; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;) out.append(buffer, static_cast<size_t>(n));
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  return out;
}

TEST(Checkpoint, ReadsBackWhatWasSaved) {
  const TestFolder folder;
  CheckpointStore store(folder / "checkpoints", 3);
  const std::vector<float> weight = {1, 2, 3, 4, 5, 6};
  const double moment = 0.1;
  const TensorToWrite model[] = {{"blocks.0.q", DType::f32, {2, 3}, weight.data()}};
  const TensorToWrite optimizer[] = {{"blocks.0.q.v", DType::f64, {}, &moment}};
  const Path path = store.save({.step = 42,
                                .model = model,
                                .optimizer = optimizer,
                                .state = R"({"elapsed": 0.1, "position": [1, 18446744073709551615]})",
                                .device = {"ane:sim", true, "M4"}});
  EXPECT_EQ(path, folder / "checkpoints" / "step-42");
  const Checkpoint read = read_checkpoint(path);
  EXPECT_EQ(read.step, 42);
  EXPECT_EQ(read.device, (DeviceLabel{"ane:sim", true, "M4"}));
  const auto state = nlohmann::json::parse(read.state);
  EXPECT_EQ(state["elapsed"], 0.1);
  EXPECT_EQ(state["position"][1], 18446744073709551615ull);
  EXPECT_EQ(read.model.at("blocks.0.q").shape, (Shape{2, 3}));
  EXPECT_EQ(std::memcmp(read.model.at("blocks.0.q").data.data(), weight.data(), 24), 0);
  EXPECT_EQ(std::memcmp(read.optimizer->at("blocks.0.q.v").data.data(), &moment, 8), 0);
  EXPECT_FALSE(read_checkpoint(path, CheckpointParts::model).optimizer);
}

TEST(Checkpoint, LatestIsTheNewestByNumber) {
  const TestFolder folder;
  EXPECT_FALSE(latest_checkpoint(folder.path()));
  EXPECT_FALSE(latest_checkpoint(folder / "missing"));
  CheckpointStore store(folder.path(), 0);
  for (const int64_t step : {9, 10, 100, 20}) Weights(step).save(store, step);
  fs::create_directory(folder / "step-500");   // no state.json: not complete
  fs::create_directory(folder / "step-0700");  // not a name we give
  std::ofstream(folder / "step-600.txt") << "notes";
  EXPECT_EQ(*latest_checkpoint(folder.path()), folder / "step-100");
  EXPECT_THAT(checkpoint_steps(folder.path()), ElementsAre(9, 10, 20, 100));
}

TEST(Checkpoint, KeepsTheLastFewAndTheBest) {
  const TestFolder folder;
  CheckpointStore store(folder.path(), 2);
  EXPECT_FALSE(best_checkpoint(folder.path()));
  for (int64_t step = 1; step <= 6; ++step) {
    Weights(step).save(store, step);
    if (step == 2) store.mark_best(2, 1.25);
  }
  EXPECT_THAT(checkpoint_steps(folder.path()), ElementsAre(2, 5, 6));
  const auto best = best_checkpoint(folder.path());
  ASSERT_TRUE(best);
  EXPECT_EQ(best->step, 2);
  EXPECT_EQ(best->val_bpb, 1.25);
  EXPECT_TRUE(holds_only(read_checkpoint(best->folder).model.at("wte"), 2));
  store.mark_best(6, 1.1);
  Weights(7).save(store, 7);
  EXPECT_THAT(checkpoint_steps(folder.path()), ElementsAre(6, 7));
  EXPECT_THAT(names_in(folder.path()), ElementsAre(".lock", "best.json", "step-6", "step-7"));
}

TEST(Checkpoint, BestMustBeThereAndANumber) {
  const TestFolder folder;
  CheckpointStore store(folder.path(), 2);
  EXPECT_THAT(error_of([&] { store.mark_best(3, 1); }), HasSubstr("there is no checkpoint of it"));
  Weights(3).save(store, 3);
  EXPECT_THAT(error_of([&] { store.mark_best(3, std::nan("")); }), HasSubstr("val_bpb is nan"));
  std::ofstream(folder / "best.json") << "{}";
  EXPECT_THAT(error_of([&] { best_checkpoint(folder.path()); }), HasSubstr("best.json: expected"));
}

TEST(Checkpoint, ReplacesOneOfTheSameStepAsAWhole) {
  const TestFolder folder;
  CheckpointStore store(folder.path(), 1);
  Weights(5).save(store, 5);
  Weights(6).save(store, 5, "{\"second\": true}");
  const Checkpoint read = read_checkpoint(folder / "step-5");
  EXPECT_TRUE(holds_only(read.model.at("wte"), 6));
  EXPECT_EQ(read.state, "{\"second\":true}");
  EXPECT_THAT(names_in(folder.path()), ElementsAre(".lock", "step-5"));
}

TEST(Checkpoint, ANewStoreClearsWhatAKilledRunLeft) {
  const TestFolder folder;
  fs::create_directories(folder / ".writing-step-3");
  std::ofstream(folder / ".writing-step-3" / "model.safetensors") << "half";
  fs::create_directories(folder / ".removing-step-1" / "deep");
  EXPECT_FALSE(latest_checkpoint(folder.path()));
  const CheckpointStore store(folder.path(), 2);
  EXPECT_THAT(names_in(folder.path()), ElementsAre(".lock"));
}

TEST(Checkpoint, OneWriterAtATime) {
  const TestFolder folder;
  {
    const CheckpointStore first(folder.path(), 2);
    EXPECT_THAT(error_of([&] { CheckpointStore(folder.path(), 2); }), HasSubstr("another training run"));
  }
  EXPECT_EQ(error_of([&] { CheckpointStore(folder.path(), 2); }), "no error");
  EXPECT_THROW(CheckpointStore(folder.path(), -1), UsageError);
}

TEST(Checkpoint, RefusesAStateThatIsNoObject) {
  const TestFolder folder;
  CheckpointStore store(folder.path(), 2);
  EXPECT_THAT(error_of([&] { Weights(1).save(store, 1, "[1]"); }), HasSubstr("JSON object"));
  EXPECT_THAT(error_of([&] { Weights(1).save(store, -1); }), HasSubstr("step of 0 or more"));
  EXPECT_THAT(names_in(folder.path()), ElementsAre(".lock"));
}

TEST(Checkpoint, ADamagedByteOfAnyFileIsFound) {
  const TestFolder folder;
  CheckpointStore store(folder.path(), 2);
  const Path path = Weights(1, 20).save(store, 1);
  const Random random(1, stream_id("damage"));
  uint64_t draw = 0;
  for (const char* name : {"model.safetensors", "optimizer.safetensors", "state.json"}) {
    const std::string whole = read_file(path / name);
    const size_t stride = std::max<size_t>(1, whole.size() / 60);
    for (size_t at = 0; at < whole.size(); at += stride) {
      // White space between the tokens of state.json means nothing; a digit for it does.
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 + random.words(draw++)[0] % 127));
      if (std::isspace(static_cast<unsigned char>(damaged[at])) && std::isspace(static_cast<unsigned char>(whole[at])))
        continue;
      std::ofstream(path / name, std::ios::binary) << damaged;
      const std::string error = error_of([&] { read_checkpoint(path); });
      EXPECT_THAT(error, AllOf(HasSubstr(name), HasSubstr("damaged"), HasSubstr("expected"), HasSubstr("found")))
          << name << " byte " << at;
    }
    std::ofstream(path / name, std::ios::binary) << whole;
  }
  EXPECT_EQ(error_of([&] { read_checkpoint(path); }), "no error");
}

TEST(Checkpoint, AMissingOrShortFileIsNamedWithBothSizes) {
  const TestFolder folder;
  CheckpointStore store(folder.path(), 2);
  const Path path = Weights(1).save(store, 1);
  const auto size = fs::file_size(path / "model.safetensors");
  fs::resize_file(path / "model.safetensors", size - 4);
  EXPECT_THAT(error_of([&] { read_checkpoint(path); }),
              HasSubstr(fmt::format("step-1/model.safetensors: the checkpoint is damaged: expected {} bytes, found {}; "
                                    "to go on from an older checkpoint, remove this folder",
                                    size, size - 4)));
  fs::remove(path / "model.safetensors");
  EXPECT_THAT(error_of([&] { read_checkpoint(path); }), HasSubstr("expected a file, found none"));
  EXPECT_THAT(error_of([&] { read_checkpoint(folder / "step-9"); }), HasSubstr("expected a checkpoint folder"));
}

TEST(Checkpoint, AKillAtAnyInstantLeavesTheLatestWhole) {
  const TestFolder folder;
  const Path path = folder / "checkpoints";
  const Random random(7, stream_id("kill"));
  std::chrono::duration<double> save_time = std::chrono::milliseconds(10);
  int64_t step = 1;
  for (uint64_t round = 0; round < 40; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      CheckpointStore store(path, 2);
      for (int64_t at = step;; ++at) {
        const Weights weights(at, 20000);
        weights.save(store, at);
        if (at % 3 == 0) store.mark_best(at, 1.0 / static_cast<double>(at));
        if (at % 4 == 0) weights.save(store, at);  // replaces the one just saved
        if (::write(ends[1], &at, sizeof at) != sizeof at) ::_exit(1);
      }
    }
    ::close(ends[1]);
    // Most rounds see one save through, for its duration and for progress; every fourth may die before its first.
    int64_t saved = step - 1;  // the last step that save() returned from
    const auto begun = std::chrono::steady_clock::now();
    if (round % 4 != 0) {
      ASSERT_EQ(::read(ends[0], &saved, sizeof saved), static_cast<ssize_t>(sizeof saved)) << "round " << round;
      save_time = std::chrono::steady_clock::now() - begun;
    }
    std::this_thread::sleep_for(2 * random.uniform(round) * save_time);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    while (::read(ends[0], &saved, sizeof saved) == sizeof saved) {
    }
    ::close(ends[0]);

    const auto latest = latest_checkpoint(path);
    if (saved == 0 && !latest) continue;
    ASSERT_TRUE(latest) << "round " << round;
    const Checkpoint read = read_checkpoint(*latest);
    EXPECT_GE(read.step, saved) << "round " << round;
    EXPECT_TRUE(holds_only(read.model.at("wte"), static_cast<float>(read.step)));
    EXPECT_TRUE(holds_only(read.optimizer->at("wte.m"), static_cast<float>(-read.step)));
    if (const auto best = best_checkpoint(path)) {
      EXPECT_EQ(read_checkpoint(best->folder).step, best->step);
    }
    step = read.step + 1;
  }
  EXPECT_GT(step, 30) << "the killed runs saved hardly anything";
  const CheckpointStore store(path, 2);
  for (const std::string& name : names_in(path)) EXPECT_TRUE(name == ".lock" || !name.starts_with(".")) << name;
}

// What a save beyond the room there is must leave behind: the error's sentence, and step 1 as it was.
std::string save_too_much(const Path& folder, const std::function<void()>& limit) {
  CheckpointStore store(folder, 2);
  Weights(1).save(store, 1);
  limit();
  const std::string error = error_of([&] { Weights(2, 1 << 20).save(store, 2); });
  const Checkpoint latest = read_checkpoint(latest_checkpoint(folder).value());
  const bool whole = latest.step == 1 && holds_only(latest.model.at("wte"), 1);
  const bool clean = names_in(folder) == std::vector<std::string>{".lock", "step-1"};
  return fmt::format("{}{}{}", error, whole ? "; whole" : "; DAMAGED", clean ? "; clean" : "; LEFTOVERS");
}

TEST(Checkpoint, AFullDiskLeavesThePreviousWholeAndSaysSo) {
  const TestFolder folder;
  const std::string said = in_child([&]() -> std::string {
    // A file system of 256 KiB that only this process sees.
    if (::unshare(CLONE_NEWNS | (::geteuid() == 0 ? 0 : CLONE_NEWUSER)) != 0) return "cannot mount";
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return "cannot mount";
    if (::mount("none", folder.path().c_str(), "tmpfs", 0, "size=256k") != 0) return "cannot mount";
    return save_too_much(folder / "checkpoints", [] {});
  });
  if (said == "cannot mount") GTEST_SKIP() << "this machine lets nobody mount a small file system";
  EXPECT_THAT(said, AllOf(HasSubstr("model.safetensors"), HasSubstr("cannot write: No space left on device"),
                          HasSubstr("; whole; clean")));
}

TEST(Checkpoint, AFileSizeLimitLeavesThePreviousWholeAndSaysSo) {
  const TestFolder folder;
  const std::string said = in_child([&] {
    return save_too_much(folder / "checkpoints", [] {
      ::signal(SIGXFSZ, SIG_IGN);
      const rlimit limit{1 << 16, 1 << 16};
      ::setrlimit(RLIMIT_FSIZE, &limit);
    });
  });
  EXPECT_THAT(said, AllOf(HasSubstr("model.safetensors"), HasSubstr("cannot write: File too large"),
                          HasSubstr("; whole; clean")));
}

TEST(Checkpoint, AReadOnlyFolderIsAClearErrorAndStaysAsItWas) {
  const TestFolder folder;
  const Path path = folder / "checkpoints";
  {
    CheckpointStore store(path, 2);
    Weights(1).save(store, 1);
  }
  const std::string said = in_child([&]() -> std::string {
    CheckpointStore store(path, 2);
    ::chmod(folder.path().c_str(), 0755);
    ::chmod((path / ".lock").c_str(), 0444);
    ::chmod(path.c_str(), 0555);
    if (::geteuid() == 0 && ::setuid(65534) != 0) return "cannot become somebody whom permissions bind";
    const std::string saving = error_of([&] { Weights(2).save(store, 2); });
    const bool whole = read_checkpoint(latest_checkpoint(path).value()).step == 1;
    return fmt::format("{}; {}", saving, whole ? "whole" : "DAMAGED");
  });
  const std::string opened = in_child([&]() -> std::string {
    if (::geteuid() == 0 && ::setuid(65534) != 0) return "cannot become somebody whom permissions bind";
    return error_of([&] { CheckpointStore(path, 2); });
  });
  ::chmod(path.c_str(), 0755);
  EXPECT_THAT(said, AllOf(HasSubstr("Permission denied"), HasSubstr("; whole")));
  EXPECT_THAT(opened,
              AllOf(StartsWith(path.string()), HasSubstr("cannot write in the checkpoint folder: Permission denied")));
  EXPECT_THAT(names_in(path), ElementsAre(".lock", "step-1"));
}

}  // namespace
}  // namespace propane::train
