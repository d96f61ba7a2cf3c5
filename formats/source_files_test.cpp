#include "formats/source_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"

namespace propane {
namespace {

using ::testing::ElementsAre;
namespace fs = std::filesystem;

class SourceFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(::testing::TempDir()) / ("source_files_test" + std::to_string(::getpid()));
    fs::remove_all(root_);
    fs::create_directories(root_ / "sub");
    for (const char* name : {"b.txt", "a.jsonl.zst", "c.parquet", "README.md", "list.list", "sub/a.txt.gz", "d.gz"}) {
      write_file_atomically(root_ / name, "x");
    }
  }

  std::vector<std::string> names(const std::vector<std::string>& arguments) {
    std::vector<std::string> out;
    for (const SourceFile& file : expand_sources(arguments)) out.push_back(file.name);
    return out;
  }
  std::string in(const std::string& name) { return (root_ / name).string(); }

  fs::path root_;
};

TEST_F(SourceFiles, AFolderStandsForItsTextFilesSorted) {
  EXPECT_THAT(names({root_.string()}), ElementsAre("a.jsonl.zst", "b.txt", "c.parquet", "sub/a.txt.gz"));
  EXPECT_THAT(names({root_.string() + "/"}), ElementsAre("a.jsonl.zst", "b.txt", "c.parquet", "sub/a.txt.gz"));
}

TEST_F(SourceFiles, APatternStandsForTheFilesThatMatchSorted) {
  EXPECT_THAT(names({in("[abc].*")}), ElementsAre("a.jsonl.zst", "b.txt", "c.parquet"));
  EXPECT_THAT(names({in("*/*.gz")}), ElementsAre("a.txt.gz"));
}

TEST_F(SourceFiles, AFileThatIsNamedTwiceComesOnce) {
  EXPECT_THAT(names({in("b.txt"), root_.string(), in("sub/../b.txt")}),
              ElementsAre("b.txt", "a.jsonl.zst", "c.parquet", "sub/a.txt.gz"));
}

TEST_F(SourceFiles, FindingNothingIsAnError) {
  EXPECT_THROW(names({in("nothing.txt")}), Error);
  EXPECT_THROW(names({in("*.pdf")}), Error);
  EXPECT_THROW(names({in("README.md")}), UsageError);
  EXPECT_THROW(names({in("d.gz")}), UsageError);
  fs::create_directory(root_ / "empty");
  EXPECT_THROW(names({in("empty")}), Error);
}

}  // namespace
}  // namespace propane
