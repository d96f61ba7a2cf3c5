#include "formats/piece_reader.h"

#include <algorithm>
#include <utility>

namespace propane {

namespace {

constexpr size_t kChunk = 1 << 16;

uint64_t line_feeds(const std::string& text) {
  return static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

PieceReader::PieceReader(const Path& path, std::string separator)
    : stream_(open_byte_stream(path)), separator_(std::move(separator)), separator_lines_(line_feeds(separator_)) {}

bool PieceReader::next(std::string* piece) {
  if (!cut(piece)) return false;
  offset_ = next_offset_;
  line_ = next_line_;
  next_offset_ += piece->size() + separator_.size();
  next_line_ += line_feeds(*piece) + separator_lines_;
  return true;
}

bool PieceReader::cut(std::string* piece) {
  if (finished_) return false;
  do {
    const size_t found = separator_.empty() ? std::string::npos : buffer_.find(separator_, searched_);
    if (found != std::string::npos) {
      piece->assign(buffer_, begin_, found - begin_);
      begin_ = searched_ = found + separator_.size();
      return true;
    }
    // The end of what was read may hold the beginning of a separator.
    const size_t overlap = std::min(buffer_.size(), std::max<size_t>(separator_.size(), 1) - 1);
    searched_ = std::max(begin_, buffer_.size() - overlap);
  } while (read_more());
  finished_ = true;
  piece->assign(buffer_, begin_);
  buffer_ = std::string();
  return !piece->empty();
}

// Appends a chunk to the buffer, dropping what was handed out; false at the end of the file.
bool PieceReader::read_more() {
  buffer_.erase(0, begin_);
  searched_ -= begin_;
  begin_ = 0;
  const size_t size = buffer_.size();
  buffer_.resize(size + kChunk);
  const size_t read = stream_->read(buffer_.data() + size, kChunk);
  buffer_.resize(size + read);
  return read > 0;
}

}  // namespace propane
