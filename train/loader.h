// The training data as batches of packed rows, made ahead of their use on a thread of their own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "train/packing.h"

namespace propane::train {

struct LoaderOptions {
  PackingOptions packing;
  int64_t rows = 1;  // of a batch, on this rank
  // The ranks' batches together are the batch that one rank of world · rows rows would get: what is trained on does not
  // depend on how many share the work.
  int rank = 0;
  int world = 1;
  int prefetch = 4;  // batches made ahead
};

// All of [rows, seq], row-major.
struct Batch {
  std::vector<int32_t> tokens;
  std::vector<int32_t> targets;    // −1: not scored (see fill_row)
  std::vector<int32_t> doc_start;  // index in the row of the first token of the token's own document
  std::vector<int32_t> positions;  // index in the row
  int64_t epoch = 1;               // of the document that was read last
};

class Loader {
 public:
  // `corpus` outlives the loader. Throws UsageError if rows, rank, world or prefetch are impossible.
  Loader(const TokenCorpus& corpus, const LoaderOptions& options);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // The next batch, valid until the next call. What goes wrong on the thread (a damaged shard) is thrown here.
  const Batch& next();

  // Where the batch that `next` returned last ends, as JSON (about 20 bytes a buffered document). A loader of the same
  // corpus, packing options and total rows that restores it goes on with exactly the batch that comes next; it may be
  // of another rank or world.
  std::string state() const;

  // Throws Error if the state is damaged, or of other data or other options.
  void restore(std::string_view state);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace propane::train
