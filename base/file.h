// Files: mapped reading, whole reads, and writes that leave either the old or the new content, never a part.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace propane {

using Path = std::filesystem::path;

// A file mapped read-only; empty files are allowed. Throws Error naming the file and the system's reason.
class MappedFile {
 public:
  MappedFile() = default;
  explicit MappedFile(const Path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }
  size_t size() const { return size_; }
  const Path& path() const { return path_; }

 private:
  Path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// The whole file as a string. Throws Error naming the file.
std::string read_file(const Path& path);

class OutputFile;

// Writes a file by way of a temporary one beside it: write, fsync, rename, fsync of the folder. On failure (a full
// disk, a read-only folder, an exception of `write`) throws and leaves what was there.
void write_file_atomically(const Path& path, std::string_view content);
void write_file_atomically(const Path& path, const std::function<void(OutputFile&)>& write);

// An output file of a known path, written in pieces; every failed write throws Error naming the file.
class OutputFile {
 public:
  explicit OutputFile(const Path& path);  // creates or truncates
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(const void* data, size_t bytes);
  void write_at(size_t offset, const void* data, size_t bytes);
  // Flushes to the disk and closes. Without it the destructor closes without a word.
  void close();

 private:
  Path path_;
  int fd_ = -1;
};

// Flushes a folder's entries to the disk, so that a rename in it survives a crash.
void sync_folder(const Path& folder);

}  // namespace propane
