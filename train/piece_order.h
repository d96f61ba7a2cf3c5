// In which order the loader reads a corpus: epoch after epoch of pieces of documents.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "train/permutation.h"
#include "train/token_corpus.h"

namespace propane::train {

// Tokens [begin, begin + size) of a document.
struct Piece {
  uint64_t document = 0;
  uint64_t begin = 0;
  uint64_t size = 0;

  bool operator==(const Piece&) const = default;
};

struct PieceOrderOptions {
  // Documents of more targets than this (a document's targets: all its tokens but the first) are cut into pieces of at
  // most so many. A piece begins with the last token of the one before, so that every target is in one piece only and
  // has at least one token before it.
  uint64_t max_targets = std::numeric_limits<uint64_t>::max();
  // Pieces come in another random order each epoch, and long documents are cut elsewhere each epoch.
  bool shuffle = false;
  uint64_t seed = 0;
};

class PieceOrder {
 public:
  // `corpus` outlives this object. Throws Error if it has no document.
  PieceOrder(const TokenCorpus& corpus, const PieceOrderOptions& options);

  // The next piece; after an epoch's last comes the next epoch's first.
  Piece next();

  // The epoch of the piece that came last, counted from 1.
  int64_t epoch() const { return epoch_; }
  // Pieces of that epoch that came already.
  uint64_t position() const { return position_; }
  // Pieces in that epoch.
  uint64_t epoch_size() const { return first_piece_.back(); }

  // Goes to where epoch() and position() were read.
  void seek(int64_t epoch, uint64_t position);

 private:
  void start_epoch(int64_t epoch);
  uint64_t first_targets(uint64_t document, uint64_t targets) const;

  const TokenCorpus& corpus_;
  PieceOrderOptions options_;
  int64_t epoch_ = 0;
  uint64_t position_ = 0;
  std::vector<uint64_t> first_piece_;  // number of each document's first piece in file order, and one past the last
  std::optional<Permutation> permutation_;
};

}  // namespace propane::train
