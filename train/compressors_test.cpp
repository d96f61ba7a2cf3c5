#include "train/compressors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "train/test_folder.h"

namespace propane::train {
namespace {

using ::testing::HasSubstr;

TEST(Compressors, FiguresThatAreThereAreRead) {
  const TestFolder folder;
  const Path path = folder / "compressors.json";
  EXPECT_FALSE(read_compressors(path).xz_bpb);
  write_file_atomically(path, "{\"xz_bpb\": 2.1575, \"ppmd_bpb\": 1.6694}\n");
  EXPECT_EQ(read_compressors(path).xz_bpb, 2.1575);
  EXPECT_EQ(read_compressors(path).ppmd_bpb, 1.6694);
  write_file_atomically(path, "{\"xz_bpb\": null, \"ppmd_bpb\": 2}");
  EXPECT_FALSE(read_compressors(path).xz_bpb);
  EXPECT_EQ(read_compressors(path).ppmd_bpb, 2.0);
}

TEST(Compressors, WhatIsDamagedIsNamed) {
  const TestFolder folder;
  const Path path = folder / "compressors.json";
  const auto error_for = [&](std::string_view content) -> std::string {
    write_file_atomically(path, content);
    try {
      read_compressors(path);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_THAT(error_for("{\"xz_bpb\": 2.1"), HasSubstr("compressors.json: expected a JSON object of xz_bpb"));
  EXPECT_THAT(error_for(""), HasSubstr("compressors.json: expected a JSON object of xz_bpb"));
  EXPECT_THAT(error_for("{\"xz_bpb\": \"2.1\"}"), HasSubstr("a positive number for 'xz_bpb', found \"2.1\""));
  EXPECT_THAT(error_for("{\"ppmd_bpb\": 0}"), HasSubstr("a positive number for 'ppmd_bpb', found 0"));
}

}  // namespace
}  // namespace propane::train
