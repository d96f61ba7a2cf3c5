#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace propane {

namespace {

[[noreturn]] void fail_errno(const Path& path, const char* what) {
  const int error = errno;
  fail("{}: cannot {}: {}", path.string(), what, std::strerror(error));
}

// Asks that what was written survives a power cut. Pipes and devices have nothing to flush and say EINVAL.
bool flush_to_disk(int fd) {
#if defined(F_FULLFSYNC)
  if (::fcntl(fd, F_FULLFSYNC) == 0) return true;  // macOS: fsync alone stops at the drive's own cache
#endif
  return ::fsync(fd) == 0 || errno == EINVAL;
}

// An open descriptor that closes itself.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

}  // namespace

MappedFile::MappedFile(const Path& path) : path_(path) {
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) fail_errno(path, "open");
  struct stat status;
  if (::fstat(file.fd, &status) != 0) fail_errno(path, "read the size");
  if (S_ISDIR(status.st_mode)) fail("{}: expected a file, found a folder", path.string());
  if (!S_ISREG(status.st_mode)) fail("{}: expected a file to map, found a pipe or a device", path.string());
  size_ = static_cast<size_t>(status.st_size);
  if (size_ == 0) return;
  void* data = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (data == MAP_FAILED) fail_errno(path, "map");
  data_ = static_cast<const std::byte*>(data);
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

std::string read_file(const Path& path) {
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) fail_errno(path, "open");
  std::string content;
  char buffer[1 << 16];
  for (;;) {
    const ssize_t n = ::read(file.fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_errno(path, "read");
    if (n == 0) return content;
    content.append(buffer, static_cast<size_t>(n));
  }
}

void write_file_atomically(const Path& path, std::string_view content) {
  write_file_atomically(path, [&](OutputFile& file) { file.write(content.data(), content.size()); });
}

void write_file_atomically(const Path& path, const std::function<void(OutputFile&)>& write) {
  static std::atomic<unsigned> writes{0};  // two threads writing one file each have a temporary of their own
  Path temporary = path;
  temporary += fmt::format(".tmp{}-{}", ::getpid(), writes.fetch_add(1));
  try {
    OutputFile file(temporary);
    write(file);
    file.close();
    if (::rename(temporary.c_str(), path.c_str()) != 0) fail_errno(path, "rename the new file into place");
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  sync_folder(path.has_parent_path() ? path.parent_path() : Path("."));
}

OutputFile::OutputFile(const Path& path) : path_(path) {
  fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd_ < 0) fail_errno(path, "create");
}

OutputFile::~OutputFile() {
  if (fd_ >= 0) ::close(fd_);
}

void OutputFile::write(const void* data, size_t bytes) {
  const char* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t n = ::write(fd_, at, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_errno(path_, "write");
    at += n;
    bytes -= static_cast<size_t>(n);
  }
}

void OutputFile::write_at(size_t offset, const void* data, size_t bytes) {
  const char* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t n = ::pwrite(fd_, at, bytes, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_errno(path_, "write");
    at += n;
    offset += static_cast<size_t>(n);
    bytes -= static_cast<size_t>(n);
  }
}

void OutputFile::close() {
  if (fd_ < 0) return;
  if (!flush_to_disk(fd_)) fail_errno(path_, "flush to the disk");
  if (::close(std::exchange(fd_, -1)) != 0) fail_errno(path_, "close");
}

void sync_folder(const Path& folder) {
  Descriptor file{::open(folder.c_str(), O_RDONLY | O_CLOEXEC)};
  // Some file systems refuse to sync a folder; the rename itself has succeeded.
  if (file.fd >= 0) flush_to_disk(file.fd);
}

}  // namespace propane
