#include "train/piece_order.h"

#include <algorithm>

#include "base/error.h"

namespace propane::train {

namespace {

uint64_t pieces_after(uint64_t targets, uint64_t first, uint64_t most) { return (targets - first + most - 1) / most; }

uint64_t epoch_stream(std::string_view name, int64_t epoch) { return stream_id(name) + static_cast<uint64_t>(epoch); }

}  // namespace

PieceOrder::PieceOrder(const TokenCorpus& corpus, const PieceOrderOptions& options)
    : corpus_(corpus), options_(options) {
  if (corpus.document_count() == 0) fail("expected at least one document to train on, found none");
  start_epoch(1);
}

// Targets of a document's first piece. Cut at the same places, the same tokens would be the ones without context in
// every epoch; so shuffling moves all cuts of a long document by a random distance.
uint64_t PieceOrder::first_targets(uint64_t document, uint64_t targets) const {
  if (targets <= options_.max_targets) return targets;
  if (!options_.shuffle) return options_.max_targets;
  const Random random(options_.seed, epoch_stream("loader cuts", epoch_));
  return options_.max_targets -
         static_cast<uint64_t>(random.uniform(document) * static_cast<double>(options_.max_targets));
}

void PieceOrder::start_epoch(int64_t epoch) {
  epoch_ = epoch;
  position_ = 0;
  const uint64_t documents = corpus_.document_count();
  first_piece_.resize(documents + 1);
  first_piece_[0] = 0;
  for (uint64_t i = 0; i < documents; ++i) {
    const uint64_t targets = corpus_.document(i).size() - 1;
    const uint64_t first = first_targets(i, targets);
    first_piece_[i + 1] = first_piece_[i] + 1 + pieces_after(targets, first, options_.max_targets);
  }
  if (options_.shuffle) permutation_.emplace(first_piece_.back(), options_.seed, epoch_stream("loader order", epoch));
}

Piece PieceOrder::next() {
  if (position_ == first_piece_.back()) start_epoch(epoch_ + 1);
  const uint64_t number = permutation_ ? (*permutation_)(position_) : position_;
  ++position_;
  const auto after = std::upper_bound(first_piece_.begin(), first_piece_.end(), number);
  const auto document = static_cast<uint64_t>(after - first_piece_.begin() - 1);
  const uint64_t targets = corpus_.document(document).size() - 1;
  const uint64_t first = first_targets(document, targets);
  const uint64_t place = number - first_piece_[document];
  if (place == 0) return {document, 0, first + 1};
  const uint64_t begin = first + (place - 1) * options_.max_targets;
  return {document, begin, std::min(options_.max_targets, targets - begin) + 1};
}

void PieceOrder::seek(int64_t epoch, uint64_t position) {
  start_epoch(epoch);
  if (position > first_piece_.back()) {
    fail("the data position {} of epoch {} is beyond its {} pieces: the state is of other data", position, epoch,
         first_piece_.back());
  }
  position_ = position;
}

}  // namespace propane::train
