// A few steps of a whole run, from a prepared folder to its records.

#include "train/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "backends/cpu/cpu_device.h"
#include "base/error.h"
#include "train/checkpoint.h"
#include "train/metrics.h"
#include "train/prepare.h"
#include "train/test_folder.h"

namespace propane::train {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// A device that says of itself that it is simulated; the CPU computes.
class Simulated : public Device {
 public:
  const DeviceInfo& info() const override { return info_; }
  bool takes(const Graph& graph, const Node& node) const override { return cpu_->takes(graph, node); }
  void prepare(const WeightLayout& layout, const Type& type, const void* source, Span to) override {
    cpu_->prepare(layout, type, source, to);
  }
  std::shared_ptr<Buffer> allocate(size_t bytes) override { return cpu_->allocate(bytes); }
  void upload(Span to, const void* from, size_t bytes) override { cpu_->upload(to, from, bytes); }
  void download(void* to, Span from, size_t bytes) override { cpu_->download(to, from, bytes); }
  std::unique_ptr<Request> bind(std::shared_ptr<Executable> executable, std::span<const Span> slots,
                                Span scratch) override {
    return cpu_->bind(std::move(executable), slots, scratch);
  }
  void submit(Request& request) override { cpu_->submit(request); }
  void wait() override { cpu_->wait(); }

 protected:
  std::shared_ptr<Executable> compile(const Segment& segment) override { return cpu_->executable(segment); }

 private:
  DeviceInfo info_{.name = "ane:sim", .simulated = true, .profile = "M4"};
  std::shared_ptr<Device> cpu_ = make_cpu_device();
};

class Trainer : public testing::Test {
 protected:
  Trainer() {
    std::string text;
    for (int i = 0; i < 200; ++i)
      text += fmt::format("{{\"text\": \"Document {} about ships, harbours and the sea.\"}}\n", i * i);
    write_file_atomically(folder_ / "text.jsonl", text);
    PrepareOptions options;
    options.sources = {(folder_ / "text.jsonl").string()};
    options.out = data();
    options.vocab_size = 300;
    prepare_dataset(options);
  }

  Path data() const { return folder_ / "data"; }
  Path out() const { return folder_ / "run"; }

  // What the run said on stderr; its result goes to `result`.
  std::string train(Device& device, TrainResult* result, std::optional<double> peak = {}) {
    TrainOptions options;
    options.config = read_run_config(R"(
[model]
family = "gpt"
depth = 1
dim = 16
head_dim = 16
vocab = 300
seq = 16
gate_channels = 16
window_pattern = "L"
[train]
steps = 3
rows = 2
[sample]
tokens = 2
)",
                                     "test");
    options.config.data = data().string();
    options.out = out();
    options.peak_flops_per_second = peak;
    ::testing::internal::CaptureStderr();
    *result = train::train(options, device);
    return ::testing::internal::GetCapturedStderr();
  }

  TestFolder folder_;
};

TEST_F(Trainer, TheCompressorsFiguresOfTheDataStandInSummaryAndReport) {
  write_file_atomically(data() / "compressors.json", "{\"xz_bpb\": 2.1562, \"ppmd_bpb\": 1.6694}\n");
  TrainResult result;
  EXPECT_THAT(train(*make_cpu_device(), &result), Not(HasSubstr("warning")));
  EXPECT_THAT(summary_block(result.summary), HasSubstr("\nxz_bpb:           2.156200\nppmd_bpb:         1.669400\n"));
  const std::string page = read_file(out() / "report.html");
  EXPECT_THAT(page, HasSubstr(">xz −9e 2.156<"));
  EXPECT_THAT(page, HasSubstr(">PPMd 1.669<"));
}

TEST_F(Trainer, DamagedFiguresOfCompressorsCostOneSentenceAndNoRun) {
  write_file_atomically(data() / "compressors.json", "{\"xz_bpb\": 2.1");
  TrainResult result;
  const std::string said = train(*make_cpu_device(), &result);
  EXPECT_THAT(said, HasSubstr("warning: " + (data() / "compressors.json").string() + ": expected a JSON object"));
  EXPECT_EQ(result.summary.steps, 3);
  EXPECT_THAT(summary_block(result.summary), Not(HasSubstr("xz_bpb")));
}

TEST_F(Trainer, EveryRecordSaysWhatDeviceItWas) {
  TrainResult result;
  const auto device = make_cpu_device();
  EXPECT_THAT(train(*device, &result), HasSubstr("\ncpu  step 1/3"));
  const json label = {{"name", "cpu"}, {"simulated", false}, {"profile", ""}};
  EXPECT_EQ(json::parse(read_file(out() / "summary.json")).at("device"), label);
  EXPECT_EQ(json::parse(read_file(*latest_checkpoint(out() / "checkpoints") / "state.json")).at("device"), label);
  for (const auto& [name, expected] : {std::pair{"metrics.jsonl", 3}, {"samples.jsonl", 1}}) {
    std::istringstream lines{std::string(read_file(out() / name))};
    int count = 0;
    for (std::string line; std::getline(lines, line); ++count) EXPECT_EQ(json::parse(line).at("device"), label);
    EXPECT_EQ(count, expected) << name;
  }
}

TEST_F(Trainer, TheMfuIsTheModelsArithmeticOfTheDevicesPeak) {
  constexpr double kPeak = 1e12;
  TrainResult result;
  train(*make_cpu_device(), &result, kPeak);
  const auto metrics = read_metrics(out() / "metrics.jsonl");
  const double per_token = flops_per_token(read_run_config(read_file(out() / "config.toml"), "config.toml").model);
  double seconds = 0;
  for (const StepMetrics& m : metrics) {
    ASSERT_TRUE(m.mfu);
    EXPECT_DOUBLE_EQ(*m.mfu, per_token * m.tok_per_s / kPeak);
    seconds = m.seconds;
  }
  ASSERT_TRUE(result.summary.mfu);
  EXPECT_DOUBLE_EQ(*result.summary.mfu, per_token * 3 * 2 * 16 / seconds / kPeak);
}

TEST_F(Trainer, WithoutAPeakThereIsNoMfu) {
  TrainResult result;
  EXPECT_THAT(train(*make_cpu_device(), &result), Not(HasSubstr("MFU")));
  EXPECT_FALSE(result.summary.mfu);
  EXPECT_TRUE(json::parse(read_file(out() / "summary.json")).at("mfu_percent").is_null());
}

TEST_F(Trainer, ASimulatedDeviceIsNamedSoAndHasTheHostsSpeedAndNoMfu) {
  TrainResult result;
  Simulated device;
  EXPECT_THAT(train(device, &result, 1e12),
              AllOf(HasSubstr("\nane:sim=M4 (simulated)  step 1/3"), Not(HasSubstr("MFU"))));
  EXPECT_THAT(summary_block(result.summary), HasSubstr("\nmfu_percent:      null\n"));
  const json label = {{"name", "ane:sim"}, {"simulated", true}, {"profile", "M4"}};
  EXPECT_EQ(json::parse(read_file(*latest_checkpoint(out() / "checkpoints") / "state.json")).at("device"), label);
  const auto metrics = std::string(read_file(out() / "metrics.jsonl"));
  const json line = json::parse(metrics.substr(0, metrics.find('\n')));
  EXPECT_EQ(line.at("device"), label);
  EXPECT_FALSE(line.contains("tok_per_s"));
  EXPECT_TRUE(line.contains("host_tok_per_s"));
  EXPECT_TRUE(line.at("mfu").is_null());
}

}  // namespace
}  // namespace propane::train
