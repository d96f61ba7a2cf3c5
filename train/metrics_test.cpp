#include "train/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "train/samples.h"
#include "train/test_folder.h"

namespace propane::train {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

StepMetrics step_metrics(int64_t step) {
  return {.step = step,
          .loss = 9.0 / static_cast<double>(step),
          .lr = 0.1 + 1e-17,
          .grad_norm = 1.0 / 3,
          .tokens = step * 4096,
          .tok_per_s = 12345.678,
          .mfu = 0.25,
          .progress = static_cast<double>(step) / 7,
          .seconds = 0.1 * static_cast<double>(step)};
}

void write_file(const Path& path, std::string_view content) { std::ofstream(path, std::ios::binary) << content; }

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Metrics, ALineHasTheContractsKeys) {
  const json line = json::parse(metrics_line(step_metrics(3)));
  for (const char* key : {"step", "loss", "lr", "grad_norm", "tokens", "tok_per_s", "mfu", "progress", "seconds"})
    EXPECT_TRUE(line.contains(key)) << key;
  EXPECT_EQ(line["device"], json({{"name", "cpu"}, {"simulated", false}, {"profile", ""}}));
  EXPECT_FALSE(line.contains("val_bpb"));
  EXPECT_FALSE(line.contains("host_tok_per_s"));
}

TEST(Metrics, ASimulatedDeviceHasNoSpeedOfItsOwn) {
  StepMetrics m = step_metrics(3);
  m.device = {"ane:sim", true, "M4"};
  m.predicted = {{"tok_per_s", 90000}};
  const json line = json::parse(metrics_line(m));
  EXPECT_FALSE(line.contains("tok_per_s"));
  EXPECT_EQ(line["host_tok_per_s"], 12345.678);
  EXPECT_TRUE(line["mfu"].is_null());
  EXPECT_EQ(line["predicted_tok_per_s"], 90000);
  EXPECT_EQ(line["device"]["name"], "ane:sim");
  EXPECT_EQ(line["device"]["simulated"], true);
}

TEST(Metrics, ReadsBackToTheSameBits) {
  const TestFolder folder;
  const Path path = folder / "metrics.jsonl";
  StepMetrics simulated = step_metrics(2);
  simulated.device = {"metal:sim", true, "M1"};
  simulated.mfu.reset();
  simulated.predicted = {{"ms_per_step", 1.25}};
  simulated.val_loss = 3.3333333333333335;
  simulated.val_bpb = 1.1;
  StepMetrics diverged = step_metrics(3);
  diverged.loss = std::nan("");
  {
    MetricsWriter writer = MetricsWriter::start(path);
    for (const StepMetrics& m : {step_metrics(1), simulated, diverged}) writer.write(m);
  }
  const auto read = read_metrics(path);
  ASSERT_EQ(read.size(), 3u);
  EXPECT_EQ(read[0].loss, 9.0);
  EXPECT_EQ(read[0].progress, 1.0 / 7);
  EXPECT_EQ(read[0].grad_norm, 1.0 / 3);
  EXPECT_EQ(read[0].mfu, 0.25);
  EXPECT_EQ(read[0].tokens, 4096);
  EXPECT_FALSE(read[0].val_bpb);
  EXPECT_EQ(read[1].device, simulated.device);
  EXPECT_EQ(read[1].tok_per_s, simulated.tok_per_s);
  EXPECT_EQ(read[1].predicted, simulated.predicted);
  EXPECT_EQ(read[1].val_loss, simulated.val_loss);
  EXPECT_EQ(read[1].val_bpb, simulated.val_bpb);
  EXPECT_TRUE(std::isnan(read[2].loss));
}

TEST(Metrics, ALineIsInTheFileAsSoonAsItIsWritten) {
  const TestFolder folder;
  MetricsWriter writer = MetricsWriter::start(folder / "metrics.jsonl");
  writer.write(step_metrics(1));
  EXPECT_EQ(read_metrics(folder / "metrics.jsonl").size(), 1u);
}

TEST(Metrics, StartOverwritesNoEarlierRun) {
  const TestFolder folder;
  const Path path = folder / "metrics.jsonl";
  write_file(path, metrics_line(step_metrics(1)) + "\n");
  EXPECT_THAT(error_of([&] { MetricsWriter::start(path); }), HasSubstr("--resume"));
  EXPECT_EQ(read_metrics(path).size(), 1u);
}

TEST(Metrics, ResumeDropsLaterStepsAndATornLine) {
  const TestFolder folder;
  const Path path = folder / "metrics.jsonl";
  std::string content;
  for (int64_t step = 1; step <= 5; ++step) content += metrics_line(step_metrics(step)) + "\n";
  const std::string first_three = content.substr(0, content.find(metrics_line(step_metrics(4))));
  write_file(path, content + "{\"step\":6,\"lo");
  {
    MetricsWriter writer = MetricsWriter::resume(path, 3);
    EXPECT_EQ(read_file(path), first_three);
    writer.write(step_metrics(4));
  }
  EXPECT_EQ(read_file(path), first_three + metrics_line(step_metrics(4)) + "\n");
}

TEST(Metrics, ResumeEndsALastLineThatLacksOnlyItsNewline) {
  const TestFolder folder;
  const Path path = folder / "metrics.jsonl";
  write_file(path, metrics_line(step_metrics(1)));
  MetricsWriter::resume(path, 9).write(step_metrics(2));
  EXPECT_EQ(read_metrics(path).size(), 2u);
}

TEST(Metrics, ResumeStartsAMissingFile) {
  const TestFolder folder;
  MetricsWriter::resume(folder / "metrics.jsonl", 9).write(step_metrics(10));
  EXPECT_EQ(read_metrics(folder / "metrics.jsonl")[0].step, 10);
}

TEST(Metrics, ReaderPassesOverATornLastLineOnly) {
  const TestFolder folder;
  const Path path = folder / "metrics.jsonl";
  write_file(path, "{\"step\":1,\"loss\":2}\n{\"step\":2,\"lo");
  EXPECT_EQ(read_metrics(path).size(), 1u);
  write_file(path, "{\"step\":1,\"loss\":2}\n{\"step\":2,\"lo\n{\"step\":3,\"loss\":2}\n");
  const std::string error = error_of([&] { read_metrics(path); });
  EXPECT_THAT(error, HasSubstr("metrics.jsonl:2: expected a JSON object, found '{\"step\":2,\"lo'"));
}

TEST(Metrics, ReaderNamesLineAndKeyOfAWrongValue) {
  const TestFolder folder;
  const Path path = folder / "metrics.jsonl";
  const auto error_for = [&](const std::string& second) {
    write_file(path, "{\"step\":1,\"loss\":2}\n" + second + "\n");
    return error_of([&] { read_metrics(path); });
  };
  EXPECT_THAT(error_for("{\"loss\":2}"), HasSubstr("metrics.jsonl:2: expected the key 'step', found none"));
  EXPECT_THAT(error_for("{\"step\":2}"), HasSubstr("metrics.jsonl:2: expected the key 'loss', found none"));
  EXPECT_THAT(error_for("{\"step\":2.5,\"loss\":1}"), HasSubstr("whole number for 'step', found 2.5"));
  EXPECT_THAT(error_for("{\"step\":2,\"loss\":\"x\"}"), HasSubstr("number for 'loss', found \"x\""));
  EXPECT_THAT(error_for("{\"step\":2,\"loss\":1,\"device\":7}"), HasSubstr("for 'device', found 7"));
  EXPECT_THAT(error_for("[1]"), HasSubstr("metrics.jsonl:2: expected a JSON object"));
  EXPECT_THAT(error_of([&] { read_metrics(folder / "none"); }), HasSubstr("none"));
}

TEST(JsonlAppender, TakesBackALineThatDoesNotFit) {
  const TestFolder folder;
  const Path path = folder / "metrics.jsonl";
  const pid_t child = ::fork();
  if (child == 0) {
    // A file-size limit stands for the full disk; the signal that goes with it is ignored to get the error.
    ::signal(SIGXFSZ, SIG_IGN);
    JsonlAppender file(path);
    file.append("{\"step\":1}");
    const rlimit limit{15, 15};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const std::string error = error_of([&] { file.append("{\"step\":2}"); });
    ::_exit(error.find("metrics.jsonl: cannot append a line: ") != std::string::npos ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(read_file(path), "{\"step\":1}\n");
}

TEST(Samples, ReadBackWithBytesThatAreNotText) {
  const TestFolder folder;
  const Path path = folder / "samples.jsonl";
  EXPECT_TRUE(read_samples(path).empty());
  {
    SampleWriter writer(path, 0);
    writer.write({10, "Once \"upon\"", "a time\n\xFF<b>"});
    writer.write({20, "", std::string("nul\0byte", 8), {"ane:sim", true, "M4"}});
  }
  const auto samples = read_samples(path);
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(samples[0].prompt, "Once \"upon\"");
  EXPECT_EQ(samples[0].text, "a time\n\xEF\xBF\xBD<b>");
  EXPECT_EQ(samples[1].step, 20);
  EXPECT_EQ(samples[1].text, std::string("nul\0byte", 8));
  EXPECT_EQ(samples[0].device, DeviceLabel{});
  EXPECT_EQ(samples[1].device, (DeviceLabel{"ane:sim", true, "M4"}));
}

TEST(Samples, ResumeDropsThoseOfLaterSteps) {
  const TestFolder folder;
  const Path path = folder / "samples.jsonl";
  {
    SampleWriter writer(path, 0);
    for (const int64_t step : {10, 20, 30}) writer.write({step, "p", "t"});
  }
  SampleWriter(path, 20).write({25, "p", "u"});
  const auto samples = read_samples(path);
  ASSERT_EQ(samples.size(), 3u);
  EXPECT_EQ(samples[2].step, 25);
}

}  // namespace
}  // namespace propane::train
