// The held-out tokens that an evaluation scores: a list of rows that is fixed by the data alone.
#pragma once

#include <cstdint>
#include <vector>

#include "train/packing.h"

namespace propane {
class Tokenizer;
}

namespace propane::train {

enum class ByteCount {
  actual,       // the bytes of text that a token stands for
  autoresearch  // the UTF-8 bytes of the token decoded by itself: 3 for every U+FFFD where it is no UTF-8
};

// Bytes of every token of the vocabulary; 0 for specials, which no evaluation scores.
std::vector<int32_t> token_bytes(const Tokenizer& tokenizer, ByteCount count);

struct EvalOptions {
  int64_t seq = 0;

  // Score at most so many tokens, the first of the list. 0: with `autoresearch` its 40 · 524,288, else all.
  int64_t max_tokens = 0;

  // The rows of autoresearch's own evaluation instead: its packing loader over the held-out documents, from the
  // beginning, max_tokens / (rows · seq) batches of `autoresearch_rows` rows, every target of them scored. Rare
  // documents come several times and others never, and the number of rows changes what is scored.
  bool autoresearch = false;
  int64_t autoresearch_rows = 128;
};

// Rows of the list; all of [rows, seq], row-major.
struct EvalBatch {
  std::vector<int32_t> tokens;
  std::vector<int32_t> targets;    // −1: not scored here
  std::vector<int32_t> doc_start;  // index in the row of the first token of the token's own document in the row
  std::vector<int32_t> positions;  // index in the row
  int64_t scored = 0;              // targets that are not −1
  int64_t bytes = 0;               // what they stand for: bits a byte = Σ nats / (ln 2 · Σ bytes)
};

// The default list: the held-out documents joined into one stream and read through windows of seq tokens every seq/2. A
// window scores the targets that no earlier window did, so each byte is scored exactly once, all but the first seq/2
// with at least seq/2 tokens before it. Neither the rows a batch nor the order of batches changes any of it.
class EvalTokens {
 public:
  // `corpus` outlives this object; `bytes` is of every token (token_bytes). Throws Error if there is nothing to score
  // or a token is outside `bytes`.
  EvalTokens(const TokenCorpus& corpus, std::vector<int32_t> bytes, const EvalOptions& options);

  int64_t seq() const { return options_.seq; }
  int64_t rows() const { return rows_; }
  int64_t scored() const { return scored_; }
  int64_t bytes() const { return total_bytes_; }
  // Bytes that a target stands for.
  int32_t token_bytes(int32_t id) const { return token_bytes_[static_cast<size_t>(id)]; }

  // Fills `batch` with rows [first, first + count) of the list; rows beyond the end score nothing.
  void fill(int64_t first, int64_t count, EvalBatch* batch) const;

 private:
  void list_windows();
  void pack_rows();
  void fill_window(int64_t index, const RowBuffers& row) const;
  void copy_stream(uint64_t begin, std::span<int32_t> out) const;

  const TokenCorpus& corpus_;
  std::vector<int32_t> token_bytes_;
  EvalOptions options_;
  int64_t rows_ = 0, scored_ = 0, total_bytes_ = 0;
  // The stream of the default list.
  std::vector<uint64_t> starts_;  // where each document starts, and the stream's end
  uint64_t end_ = 0;              // tokens of the stream that are looked at
  // autoresearch's rows.
  std::vector<std::vector<Piece>> packed_;
};

}  // namespace propane::train
