// A file's content from beginning to end, decompressed on the way: plain, gzip (.gz) or Zstandard (.zst).
#pragma once

#include <cstddef>
#include <memory>

#include "base/file.h"

namespace propane {

class ByteStream {
 public:
  virtual ~ByteStream() = default;

  // Writes up to `capacity` bytes to `out` and returns how many; 0 only at the end. Throws Error naming the file if it
  // is damaged or ends in the middle of its compressed data.
  virtual size_t read(char* out, size_t capacity) = 0;
};

// Chooses by the file's last extension. Several gzip members or Zstandard frames in a row read as one content.
std::unique_ptr<ByteStream> open_byte_stream(const Path& path);

}  // namespace propane
