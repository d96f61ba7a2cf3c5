// Packing: which pieces of documents fill which row of seq + 1 tokens. Rows are always full.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "train/config.h"
#include "train/piece_order.h"

namespace propane::train {

struct PackingOptions {
  Packing packing = Packing::best_fit;
  int64_t seq = 0;
  int64_t buffer_documents = 1000;  // among how many the best fit is sought
  bool shuffle = false;
  uint64_t seed = 0;
};

// All that decides the rows to come.
struct PackerState {
  int64_t epoch = 1;
  uint64_t position = 0;
  std::vector<Piece> buffer;
};

class RowPacker {
 public:
  virtual ~RowPacker() = default;

  // The pieces of the next row, in order; their sizes add up to seq + 1.
  virtual void next_row(std::vector<Piece>* row) = 0;

  // The epoch of the piece that was read last, counted from 1.
  virtual int64_t epoch() const = 0;

  virtual void save(PackerState* state) const = 0;
  virtual void restore(const PackerState& state) = 0;
};

// packing = best_fit: long documents are cut into pieces of a row (PieceOrder). A row is opened by the piece that has
// waited longest; the rest of it is filled with beginnings of documents: the longest that fits, else the one that has
// waited longest is cut, and its remainder opens a later row. Only if no beginning waits is a remainder put in the
// middle of a row. So every target of the corpus comes once an epoch.
//
// packing = autoresearch: documents are never cut beforehand. The longest that fits is taken (the first of equals),
// else the shortest is cut to fill the row and its rest thrown away. The buffer is refilled by 128 documents at a time
// whenever fewer than `buffer_documents` are in it (karpathy/autoresearch, prepare.py).
//
// `corpus` outlives the packer. Throws UsageError if seq or buffer_documents is not positive.
std::unique_ptr<RowPacker> make_packer(const TokenCorpus& corpus, const PackingOptions& options);

// One row as a model takes it; all spans of `seq` elements.
struct RowBuffers {
  std::span<int32_t> tokens;
  std::span<int32_t> targets;    // the token after each; −1 where a piece ends and what follows is not what the
                                 // document says: not the end of one document and the beginning of another
  std::span<int32_t> doc_start;  // index in the row of the first token of each token's own document
};

// Fills a row from its pieces.
void fill_row(const TokenCorpus& corpus, std::span<const Piece> pieces, const RowBuffers& row);

}  // namespace propane::train
