#include "train/tensorboard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "train/crc32c.h"
#include "train/test_folder.h"

namespace propane::train {
namespace {

using ::testing::HasSubstr;

// The records of a file, their lengths and checksums checked.
std::vector<std::string> records_of(const Path& path) {
  const std::string file = read_file(path);
  const auto word = [&](size_t at) {
    uint32_t value;
    std::memcpy(&value, file.data() + at, 4);
    return value;
  };
  const auto unmasked = [&](size_t at) {
    const uint32_t rotated = word(at) - 0xA282EAD8u;
    return (rotated >> 17) | (rotated << 15);
  };
  std::vector<std::string> records;
  for (size_t at = 0; at < file.size();) {
    const size_t length = word(at);
    EXPECT_EQ(unmasked(at + 8), crc32c(std::string_view(file).substr(at, 8)));
    records.push_back(file.substr(at + 12, length));
    EXPECT_EQ(unmasked(at + 12 + length), crc32c(records.back()));
    at += 16 + length;
    EXPECT_LE(at, file.size());
  }
  return records;
}

// An event without its first field, the 9 bytes of the wall time.
std::string without_time(const std::string& event) { return event.substr(9); }

TEST(Crc32c, IsCastagnolis) {
  // RFC 3720, appendix B.4, and the check value of the CRC catalogue.
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43u);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(""), 0u);
}

// The expected bytes are what TensorBoard's own EventFileWriter wrote for the same events.
TEST(TensorBoardWriter, WritesTheBytesOfTensorBoardsOwnWriter) {
  const TestFolder folder;
  TensorBoardWriter writer(folder / "tb");
  writer.scalar("train/loss", 300, 2.5);
  writer.text("samples", 1, "hi");
  const auto records = records_of(writer.path());
  ASSERT_EQ(records.size(), 3u);
  for (const std::string& record : records) EXPECT_EQ(record[0], '\x09');
  EXPECT_EQ(without_time(records[0]),
            "\x1a\x0d"
            "brain.Event:2");
  EXPECT_EQ(without_time(records[1]),
            std::string("\x10\xac\x02\x2a\x13\x0a\x11\x0a\x0atrain/loss\x15\0\0\x20\x40", 24));
  EXPECT_EQ(without_time(records[2]),
            std::string("\x10\x01\x2a\x23\x0a\x21\x0a\x07samples\x42\x0c\x08\x07\x12\x04\x12\x02\x08\x01\x42\x02hi"
                        "\x4a\x08\x0a\x06\x0a\x04text",
                        39));
}

TEST(TensorBoardWriter, AnEventIsInTheFileAsSoonAsItIsWritten) {
  const TestFolder folder;
  TensorBoardWriter writer(folder.path());
  EXPECT_EQ(records_of(writer.path()).size(), 1u);
  writer.scalar("lr", 1, 0.1);
  EXPECT_EQ(records_of(writer.path()).size(), 2u);
}

TEST(TensorBoardWriter, AResumedRunSaysFromWhichStepItGoesOn) {
  const TestFolder folder;
  TensorBoardWriter first(folder.path()), second(folder.path(), 99);
  EXPECT_NE(first.path(), second.path());
  EXPECT_EQ(without_time(records_of(second.path()).at(1)), "\x10\x64\x3a\x02\x08\x01");
}

// tests/peers/test_tensorboard.py sets the folder and reads the run with TensorBoard itself.
TEST(TensorBoardWriter, WritesARunAndItsContinuation) {
  const TestFolder own;
  const char* wanted = std::getenv("PROPANE_TENSORBOARD_OUT");
  const Path folder = wanted ? Path(wanted) : own.path();
  {
    TensorBoardWriter first(folder);
    for (int64_t step = 1; step <= 200; ++step) first.scalar("train/loss", step, 9.0 / static_cast<double>(step));
    first.text("samples", 100, "**Once** upon a \xFF time");
    EXPECT_EQ(records_of(first.path()).size(), 202u);
  }
  TensorBoardWriter second(folder, 150);
  for (int64_t step = 151; step <= 160; ++step) second.scalar("train/loss", step, -1);
  second.scalar("train/loss", 161, std::numeric_limits<double>::quiet_NaN());
  second.scalar("val/bpb", int64_t{1} << 40, 1.25);
  EXPECT_EQ(records_of(second.path()).size(), 14u);
}

TEST(TensorBoardWriter, NamesTheFolderItCannotMake) { EXPECT_THROW(TensorBoardWriter("/proc/no/such/folder"), Error); }

}  // namespace
}  // namespace propane::train
