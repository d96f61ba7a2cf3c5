#include "train/summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "train/test_folder.h"

namespace propane::train {
namespace {

// autoresearch's reference run on an H100.
RunSummary reference_run() {
  return {.val_bpb = 0.9979,
          .val_loss = 2.81,
          .training_seconds = 300.1,
          .total_seconds = 325.9,
          .peak_memory_bytes = 47249048371,
          .mfu = 0.398,
          .tokens = 499646464,
          .steps = 953,
          .parameters = 50332176,
          .depth = 8,
          .device = {"cuda", false, ""}};
}

TEST(SummaryBlock, IsAutoresearchsWithTheDevice) {
  EXPECT_EQ(summary_block(reference_run()),
            "---\n"
            "val_bpb:          0.997900\n"
            "training_seconds: 300.1\n"
            "total_seconds:    325.9\n"
            "peak_vram_mb:     45060.2\n"
            "mfu_percent:      39.80\n"
            "total_tokens_M:   499.6\n"
            "num_steps:        953\n"
            "num_params_M:     50.3\n"
            "depth:            8\n"
            "device:           cuda\n");
}

TEST(SummaryBlock, ASimulatedDeviceIsNamedSoAndHasNoMfu) {
  RunSummary summary = reference_run();
  summary.device = {"ane:sim", true, "M4"};
  summary.val_bpb.reset();
  summary.xz_bpb = 2.1;
  summary.ppmd_bpb = 1.62;
  const std::string block = summary_block(summary);
  EXPECT_NE(block.find("\nval_bpb:          null\n"), std::string::npos);
  EXPECT_NE(block.find("\nmfu_percent:      null\n"), std::string::npos);
  EXPECT_NE(block.find("\ndevice:           ane:sim=M4 (simulated)\n"), std::string::npos);
  EXPECT_NE(block.find("\nxz_bpb:           2.100000\nppmd_bpb:         1.620000\n"), std::string::npos);
}

TEST(SummaryJson, ReadsBack) {
  const TestFolder folder;
  RunSummary summary = reference_run();
  summary.xz_bpb = 2.0976;
  std::ofstream(folder / "summary.json") << summary_json(summary);
  const RunSummary read = read_summary(folder / "summary.json");
  EXPECT_EQ(summary_block(read), summary_block(summary));
  EXPECT_EQ(read.peak_memory_bytes, summary.peak_memory_bytes);
  EXPECT_EQ(read.tokens, summary.tokens);
  EXPECT_EQ(read.parameters, summary.parameters);
  EXPECT_EQ(read.val_loss, summary.val_loss);
  EXPECT_EQ(read.xz_bpb, summary.xz_bpb);
  EXPECT_FALSE(read.ppmd_bpb);
}

TEST(SummaryJson, HoldsTheBlocksKeys) {
  const auto object = nlohmann::json::parse(summary_json(reference_run()));
  for (const char* key : {"val_bpb", "training_seconds", "total_seconds", "peak_vram_mb", "mfu_percent",
                          "total_tokens_M", "num_steps", "num_params_M", "depth"})
    EXPECT_TRUE(object.contains(key)) << key;
  EXPECT_EQ(object["device"]["name"], "cuda");
}

TEST(SummaryJson, ReaderNamesFileAndKeyOfAWrongValue) {
  const TestFolder folder;
  const auto error_for = [&](std::string_view content) -> std::string {
    std::ofstream(folder / "summary.json") << content;
    try {
      read_summary(folder / "summary.json");
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_THAT(error_for("{\"val_bpb\":\"x\"}"),
              ::testing::HasSubstr("summary.json: expected a number or null for 'val_bpb'"));
  EXPECT_THAT(error_for("{\"device\":\"cpu\"}"), ::testing::HasSubstr("'device'"));
  EXPECT_THAT(error_for("{"), ::testing::HasSubstr("expected a JSON object"));
}

}  // namespace
}  // namespace propane::train
