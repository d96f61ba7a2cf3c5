#include "base/file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "base/error.h"

namespace propane {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

// A folder of the test's own, removed at its end.
class FileTest : public testing::Test {
 protected:
  FileTest() {
    std::string pattern = (fs::temp_directory_path() / "propane-file-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~FileTest() override {
    fs::permissions(folder_, fs::perms::owner_all, fs::perm_options::add);
    fs::remove_all(folder_);
  }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(folder_)) out.push_back(entry.path().filename().string());
    return out;
  }
  Path folder_;
};

// The message of the Error that `action` throws; empty when it throws none.
template <typename Action>
std::string error_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// While it lives, no file of this process may grow beyond `bytes`: the errors of a full disk without one.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit now{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &now);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_;
  void (*handler_)(int);
};

TEST_F(FileTest, AtomicWriteReadsBackAndLeavesNothingBeside) {
  const Path path = folder_ / "state.json";
  write_file_atomically(path, "first");
  write_file_atomically(path, std::string("with a \0 byte", 13));
  EXPECT_EQ(read_file(path), std::string("with a \0 byte", 13));
  EXPECT_THAT(names(), testing::ElementsAre("state.json"));
}

TEST_F(FileTest, AtomicWriteThatRunsOutOfSpaceKeepsTheOldContent) {
  const Path path = folder_ / "state.json";
  write_file_atomically(path, "old");
  std::string message;
  {
    FileSizeLimit limit(4096);
    message = error_of([&] { write_file_atomically(path, std::string(100'000, 'x')); });
  }
  EXPECT_THAT(message, AllOf(HasSubstr("state.json"), HasSubstr("cannot write")));
  EXPECT_EQ(read_file(path), "old");
  EXPECT_THAT(names(), testing::ElementsAre("state.json"));
}

TEST_F(FileTest, AtomicWriteIntoAReadOnlyFolderKeepsTheOldContent) {
  const Path path = folder_ / "state.json";
  write_file_atomically(path, "old");
  ASSERT_EQ(::chmod(folder_.c_str(), 0555), 0);
  const bool root = ::geteuid() == 0;  // may write into any folder: become somebody else for a moment
  constexpr uid_t kNobody = 65534;
  if (root && ::seteuid(kNobody) != 0) GTEST_SKIP() << "root here cannot become another user";
  const std::string message = error_of([&] { write_file_atomically(path, "new"); });
  ASSERT_EQ(root ? ::seteuid(0) : 0, 0);
  EXPECT_THAT(message, AllOf(HasSubstr("state.json"), HasSubstr("Permission denied")));
  EXPECT_EQ(read_file(path), "old");
}

TEST_F(FileTest, AtomicWriteOverAFolderFailsAndLeavesIt) {
  const Path path = folder_ / "checkpoint";
  fs::create_directory(path);
  write_file_atomically(path / "inside", "kept");
  EXPECT_THAT(error_of([&] { write_file_atomically(path, "new"); }), HasSubstr("checkpoint"));
  EXPECT_EQ(read_file(path / "inside"), "kept");
  EXPECT_THAT(names(), testing::ElementsAre("checkpoint"));
}

TEST_F(FileTest, AtomicWriteIntoAMissingFolderNamesTheFile) {
  EXPECT_THAT(error_of([&] { write_file_atomically(folder_ / "none" / "a.json", "x"); }),
              AllOf(HasSubstr("none/a.json"), HasSubstr("No such file or directory")));
}

TEST_F(FileTest, AtomicWriteInPiecesKeepsTheOldContentWhenTheWriterFails) {
  const Path path = folder_ / "weights.bin";
  write_file_atomically(path, [](OutputFile& file) {
    file.write("ab", 2);
    file.write("c", 1);
  });
  EXPECT_EQ(read_file(path), "abc");
  EXPECT_EQ(error_of([&] {
              write_file_atomically(path, [](OutputFile& file) {
                file.write("x", 1);
                fail("no more");
              });
            }),
            "no more");
  EXPECT_EQ(read_file(path), "abc");
  EXPECT_THAT(names(), testing::ElementsAre("weights.bin"));
}

TEST_F(FileTest, MappedFileShowsTheContent) {
  const Path path = folder_ / "weights.bin";
  std::string content(10'000, '\0');
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 31);
  write_file_atomically(path, content);
  MappedFile file(path);
  EXPECT_EQ(file.text(), content);
  EXPECT_EQ(file.bytes().size(), content.size());
  EXPECT_EQ(file.path(), path);

  MappedFile moved(std::move(file));
  EXPECT_EQ(moved.text(), content);
  MappedFile assigned;
  assigned = std::move(moved);
  EXPECT_EQ(assigned.text(), content);
}

TEST_F(FileTest, MappedFileMayBeEmpty) {
  write_file_atomically(folder_ / "empty", "");
  EXPECT_THAT(MappedFile(folder_ / "empty").text(), IsEmpty());
  EXPECT_THAT(MappedFile().text(), IsEmpty());
}

TEST_F(FileTest, AMissingFileIsOneSentenceWithItsName) {
  const std::string want = (folder_ / "none.txt").string() + ": cannot open: No such file or directory";
  EXPECT_EQ(error_of([&] { MappedFile file(folder_ / "none.txt"); }), want);
  EXPECT_EQ(error_of([&] { read_file(folder_ / "none.txt"); }), want);
}

TEST_F(FileTest, AFolderOrAPipeIsNoFileToMap) {
  EXPECT_THAT(error_of([&] { MappedFile file(folder_); }),
              AllOf(HasSubstr(folder_.string()), HasSubstr("found a folder")));
  const Path pipe = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const int writer = ::open(pipe.c_str(), O_RDWR);  // else opening it to read would wait
  EXPECT_THAT(error_of([&] { MappedFile file(pipe); }), HasSubstr("pipe: expected a file"));
  ::close(writer);
}

TEST_F(FileTest, OutputFileWritesInPiecesAndAtOffsets) {
  const Path path = folder_ / "shard.bin";
  OutputFile file(path);
  file.write("0123", 4);
  file.write("4567", 4);
  file.write_at(2, "ab", 2);
  file.write("89", 2);
  file.close();
  EXPECT_EQ(read_file(path), "01ab456789");
}

TEST_F(FileTest, ADeviceCanBeClosed) {
  OutputFile file("/dev/null");
  file.write("x", 1);
  EXPECT_EQ(error_of([&] { file.close(); }), "");
}

TEST_F(FileTest, AFullDiskNamesTheFile) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "this system has no /dev/full";
  OutputFile file("/dev/full");
  EXPECT_THAT(error_of([&] { file.write("x", 1); }),
              AllOf(HasSubstr("/dev/full: cannot write"), HasSubstr("No space left")));
}

}  // namespace
}  // namespace propane
