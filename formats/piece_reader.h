// A file's text cut at a separator, streamed: the lines of a .jsonl, the documents of a .txt.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "formats/byte_stream.h"

namespace propane {

class PieceReader {
 public:
  // An empty separator never cuts.
  PieceReader(const Path& path, std::string separator);

  // The next piece, without its separator, or false at the end. An empty last piece is none.
  bool next(std::string* piece);

  // Where the piece of the last `next` starts in the decompressed file: its first byte, its line counted from 1.
  uint64_t offset() const { return offset_; }
  uint64_t line() const { return line_; }

 private:
  bool cut(std::string* piece);
  bool read_more();

  std::unique_ptr<ByteStream> stream_;
  std::string separator_;
  uint64_t separator_lines_;
  std::string buffer_;
  size_t begin_ = 0;     // of what is not handed out yet
  size_t searched_ = 0;  // no separator starts between begin_ and here
  bool finished_ = false;
  uint64_t offset_ = 0, line_ = 1;
  uint64_t next_offset_ = 0, next_line_ = 1;
};

}  // namespace propane
