#include "train/eval_tokens.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "tokenizer/tokenizer.h"

namespace propane::train {

namespace {

constexpr int64_t kAutoresearchTokens = 40 * 524'288;

int64_t stride_of(int64_t seq) { return std::max<int64_t>(seq / 2, 1); }

}  // namespace

std::vector<int32_t> token_bytes(const Tokenizer& tokenizer, ByteCount count) {
  std::vector<int32_t> bytes(static_cast<size_t>(tokenizer.vocab_size()));
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    bytes[static_cast<size_t>(id)] =
        count == ByteCount::actual ? tokenizer.token_bytes(id) : tokenizer.token_bytes_replaced(id);
  }
  return bytes;
}

EvalTokens::EvalTokens(const TokenCorpus& corpus, std::vector<int32_t> bytes, const EvalOptions& options)
    : corpus_(corpus), token_bytes_(std::move(bytes)), options_(options) {
  if (options.seq < 1) fail_usage("expected a positive number of tokens a row, found {}", options.seq);
  if (options.max_tokens < 0) fail_usage("expected a number of tokens to score, found {}", options.max_tokens);
  if (options.autoresearch) pack_rows();
  else list_windows();

  EvalBatch batch;
  for (int64_t row = 0; row < rows_; ++row) {
    fill(row, 1, &batch);
    scored_ += batch.scored;
    total_bytes_ += batch.bytes;
  }
  if (scored_ == 0) fail("expected held-out text to evaluate on, found none");
}

void EvalTokens::list_windows() {
  starts_.push_back(0);
  for (uint64_t i = 0; i < corpus_.document_count(); ++i)
    starts_.push_back(starts_.back() + corpus_.document(i).size());
  end_ = starts_.back();
  if (options_.max_tokens > 0) end_ = std::min(end_, static_cast<uint64_t>(options_.max_tokens) + 1);
  const int64_t targets = static_cast<int64_t>(end_) - 1;
  if (targets < 1) return;
  const int64_t stride = stride_of(options_.seq);
  rows_ = 1 + (std::max<int64_t>(targets - options_.seq, 0) + stride - 1) / stride;
}

void EvalTokens::pack_rows() {
  const int64_t tokens = options_.max_tokens > 0 ? options_.max_tokens : kAutoresearchTokens;
  if (options_.autoresearch_rows < 1)
    fail_usage("expected a positive number of rows, found {}", options_.autoresearch_rows);
  rows_ = tokens / (options_.autoresearch_rows * options_.seq) * options_.autoresearch_rows;
  packed_.resize(static_cast<size_t>(rows_));
  const auto packer = make_packer(corpus_, {.packing = Packing::autoresearch, .seq = options_.seq});
  for (auto& row : packed_) packer->next_row(&row);
}

// Tokens of the stream from `begin` on; zeros behind its end.
void EvalTokens::copy_stream(uint64_t begin, std::span<int32_t> out) const {
  auto document = static_cast<uint64_t>(std::upper_bound(starts_.begin(), starts_.end(), begin) - starts_.begin() - 1);
  for (size_t done = 0; done < out.size();) {
    if (document == corpus_.document_count()) {
      std::fill(out.begin() + static_cast<std::ptrdiff_t>(done), out.end(), 0);
      return;
    }
    const uint64_t within = begin + done - starts_[document];
    const auto count = static_cast<size_t>(std::min<uint64_t>(out.size() - done, starts_[document + 1] - begin - done));
    corpus_.document(document++).copy(within, count, out.data() + done);
    done += count;
  }
}

void EvalTokens::fill_window(int64_t index, const RowBuffers& row) const {
  const auto seq = static_cast<uint64_t>(options_.seq), stride = static_cast<uint64_t>(stride_of(options_.seq));
  const uint64_t begin = static_cast<uint64_t>(index) * stride;
  copy_stream(begin, row.tokens);
  copy_stream(begin + 1, row.targets);
  const uint64_t scored_before = index == 0 ? 0 : seq - stride;  // by the windows before this one
  auto document = static_cast<size_t>(std::upper_bound(starts_.begin(), starts_.end(), begin) - starts_.begin());
  int32_t start = 0;
  for (uint64_t i = 0; i < seq; ++i) {
    if (document < starts_.size() && begin + i == starts_[document]) {
      start = static_cast<int32_t>(i);
      ++document;
    }
    row.doc_start[i] = start;
    if (i < scored_before || begin + i + 1 >= end_) row.targets[i] = -1;
  }
}

void EvalTokens::fill(int64_t first, int64_t count, EvalBatch* batch) const {
  const auto seq = static_cast<size_t>(options_.seq);
  const size_t size = static_cast<size_t>(count) * seq;
  for (auto* values : {&batch->tokens, &batch->targets, &batch->doc_start, &batch->positions}) values->resize(size);
  batch->scored = batch->bytes = 0;
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    const RowBuffers row{std::span(batch->tokens).subspan(i * seq, seq),
                         std::span(batch->targets).subspan(i * seq, seq),
                         std::span(batch->doc_start).subspan(i * seq, seq)};
    const int64_t index = first + static_cast<int64_t>(i);
    if (index >= rows_) {
      std::fill(row.tokens.begin(), row.tokens.end(), 0);
      std::fill(row.targets.begin(), row.targets.end(), -1);
      std::fill(row.doc_start.begin(), row.doc_start.end(), 0);
    } else if (options_.autoresearch) {
      fill_row(corpus_, packed_[static_cast<size_t>(index)], row);
    } else {
      fill_window(index, row);
    }
    for (int32_t& target : row.targets) {
      if (target < 0) continue;
      if (static_cast<size_t>(target) >= token_bytes_.size()) {
        fail("expected held-out tokens below the vocabulary size {}, found {}", token_bytes_.size(), target);
      }
      const int32_t bytes = token_bytes_[static_cast<size_t>(target)];
      if (bytes == 0) target = -1;  // specials are in neither sum
      batch->scored += bytes > 0;
      batch->bytes += bytes;
    }
    for (size_t k = 0; k < seq; ++k) batch->positions[i * seq + k] = static_cast<int32_t>(k);
  }
}

}  // namespace propane::train
