#include "train/packing.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/error.h"

namespace propane::train {

namespace {

// The pieces that wait, oldest first, with what the search looks at in an array of its own: the compiler vectorises the
// scan over a thousand 32-bit sizes, and nothing is allocated.
class Buffer {
 public:
  static constexpr size_t kNone = std::numeric_limits<size_t>::max();

  size_t size() const { return pieces_.size(); }
  const Piece& operator[](size_t i) const { return pieces_[i]; }
  const std::vector<Piece>& pieces() const { return pieces_; }

  void push(const Piece& piece) {
    pieces_.push_back(piece);
    sizes_.push_back(size_key(piece));
  }
  Piece take(size_t i) {
    const Piece piece = pieces_[i];
    pieces_.erase(pieces_.begin() + static_cast<std::ptrdiff_t>(i));
    sizes_.erase(sizes_.begin() + static_cast<std::ptrdiff_t>(i));
    return piece;
  }
  void replace(size_t i, const Piece& piece) {
    pieces_[i] = piece;
    sizes_[i] = size_key(piece);
  }
  void assign(const std::vector<Piece>& pieces) {
    pieces_ = pieces;
    sizes_.clear();
    for (const Piece& piece : pieces_) sizes_.push_back(size_key(piece));
  }

  // The first of the longest beginnings of documents that have at most `room` tokens.
  size_t longest_beginning(uint64_t room) const {
    const auto limit = static_cast<uint32_t>(std::min<uint64_t>(room, kNotABeginning - 1));
    uint32_t best = 0;
    for (uint32_t size : sizes_) best = std::max(best, size <= limit ? size : 0);
    return best == 0 ? kNone : index_of(best);
  }
  size_t shortest() const { return index_of(*std::min_element(sizes_.begin(), sizes_.end())); }
  size_t oldest_beginning() const {
    const auto found = std::find_if(sizes_.begin(), sizes_.end(), [](uint32_t size) { return size != kNotABeginning; });
    return found == sizes_.end() ? kNone : static_cast<size_t>(found - sizes_.begin());
  }

 private:
  static constexpr uint32_t kNotABeginning = std::numeric_limits<uint32_t>::max();

  static uint32_t size_key(const Piece& piece) {
    if (piece.begin > 0) return kNotABeginning;
    return static_cast<uint32_t>(std::min<uint64_t>(piece.size, kNotABeginning - 1));
  }
  size_t index_of(uint32_t size) const {
    return static_cast<size_t>(std::find(sizes_.begin(), sizes_.end(), size) - sizes_.begin());
  }

  std::vector<Piece> pieces_;
  std::vector<uint32_t> sizes_;
};

class PackerBase : public RowPacker {
 public:
  PackerBase(const TokenCorpus& corpus, const PackingOptions& options, uint64_t max_targets)
      : order_(corpus, {max_targets, options.shuffle, options.seed}),
        row_size_(static_cast<uint64_t>(options.seq) + 1),
        buffer_size_(static_cast<uint64_t>(options.buffer_documents)) {}

  int64_t epoch() const override { return order_.epoch(); }

  void save(PackerState* state) const override {
    state->epoch = order_.epoch();
    state->position = order_.position();
    state->buffer = buffer_.pieces();
  }

  void restore(const PackerState& state) override {
    order_.seek(state.epoch, state.position);
    buffer_.assign(state.buffer);
  }

 protected:
  PieceOrder order_;
  Buffer buffer_;
  uint64_t row_size_;
  uint64_t buffer_size_;
};

class BestFitPacker : public PackerBase {
 public:
  BestFitPacker(const TokenCorpus& corpus, const PackingOptions& options)
      : PackerBase(corpus, options, static_cast<uint64_t>(options.seq)) {}

  void next_row(std::vector<Piece>* row) override {
    row->clear();
    refill();
    row->push_back(buffer_.take(0));
    for (uint64_t room = row_size_ - row->back().size; room > 0; room -= row->back().size) {
      refill();
      if (const size_t fits = buffer_.longest_beginning(room); fits != Buffer::kNone) {
        row->push_back(buffer_.take(fits));
        continue;
      }
      const size_t beginning = buffer_.oldest_beginning();
      row->push_back(cut(beginning == Buffer::kNone ? 0 : beginning, room));
    }
  }

 private:
  // An epoch of a small corpus should not be mixed with many later ones in the buffer.
  void refill() {
    while (buffer_.size() < std::min(buffer_size_, order_.epoch_size())) buffer_.push(order_.next());
  }

  // Takes at most `room` tokens of a waiting piece; what is left keeps its place and begins with the last token taken.
  Piece cut(size_t i, uint64_t room) {
    const Piece whole = buffer_[i];
    if (whole.size <= room) return buffer_.take(i);
    buffer_.replace(i, {whole.document, whole.begin + room - 1, whole.size - room + 1});
    return {whole.document, whole.begin, room};
  }
};

class AutoresearchPacker : public PackerBase {
 public:
  AutoresearchPacker(const TokenCorpus& corpus, const PackingOptions& options)
      : PackerBase(corpus, options, std::numeric_limits<uint64_t>::max()) {}

  void next_row(std::vector<Piece>* row) override {
    row->clear();
    for (uint64_t room = row_size_; room > 0; room -= row->back().size) {
      while (buffer_.size() < buffer_size_) refill();
      const size_t fits = buffer_.longest_beginning(room);
      row->push_back(buffer_.take(fits == Buffer::kNone ? buffer_.shortest() : fits));
      row->back().size = std::min(row->back().size, room);
    }
  }

 private:
  static constexpr int kRefill = 128;

  // A batch of documents as its tokenizer gets them; an epoch's last batch may be smaller.
  void refill() {
    for (int i = 0; i < kRefill; ++i) {
      buffer_.push(order_.next());
      if (order_.position() == order_.epoch_size()) return;
    }
  }
};

}  // namespace

std::unique_ptr<RowPacker> make_packer(const TokenCorpus& corpus, const PackingOptions& options) {
  if (options.seq < 1) fail_usage("expected a positive number of tokens a row, found {}", options.seq);
  if (options.buffer_documents < 1) {
    fail_usage("expected a positive number of documents to pack from, found {}", options.buffer_documents);
  }
  if (options.packing == Packing::autoresearch) return std::make_unique<AutoresearchPacker>(corpus, options);
  return std::make_unique<BestFitPacker>(corpus, options);
}

void fill_row(const TokenCorpus& corpus, std::span<const Piece> pieces, const RowBuffers& row) {
  const size_t seq = row.tokens.size();
  size_t at = 0;
  bool ended = false;  // the piece before ends its document
  for (const Piece& piece : pieces) {
    const TokenSpan document = corpus.document(piece.document);
    // The row's last token is a target only.
    const size_t inputs = std::min<size_t>(piece.size, seq - std::min(at, seq));
    document.copy(piece.begin, inputs, row.tokens.data() + at);
    document.copy(piece.begin + 1, piece.size - 1, row.targets.data() + at);
    std::fill_n(row.doc_start.begin() + static_cast<std::ptrdiff_t>(at), inputs, static_cast<int32_t>(at));
    if (at > 0) {
      const bool follows = ended && piece.begin == 0;
      row.targets[at - 1] = follows ? static_cast<int32_t>(document[0]) : -1;
    }
    at += piece.size;
    ended = piece.begin + piece.size == document.size();
  }
}

}  // namespace propane::train
