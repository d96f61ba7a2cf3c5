#include "tokenizer/train.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/threads.h"
#include "tokenizer/pair_merger.h"

namespace propane {

namespace {

constexpr int kBytes = 256;
constexpr size_t kSliceBytes = 64 * 1024;         // what one thread counts at a time
constexpr size_t kBatchBytes = 32 * 1024 * 1024;  // of streamed documents held in memory

// Counts the distinct chunks of documents, each thread in a table of its own.
class ChunkCounter {
 public:
  explicit ChunkCounter(const Splitter& splitter)
      : splitter_(splitter), threads_(static_cast<size_t>(threads().size())) {}

  void count(std::span<const std::string_view> documents) {
    std::vector<std::string_view> slices;
    for (const std::string_view document : documents)
      for (size_t at = 0; at < document.size();) {
        const size_t cut = splitter_.safe_cut(document, std::min(document.size(), at + kSliceBytes));
        slices.push_back(document.substr(at, cut - at));
        at = cut;
      }
    threads().parallel_tasks(static_cast<int64_t>(slices.size()), [&](int64_t i, int thread) {
      ThreadState& state = threads_[static_cast<size_t>(thread)];
      if (!state.walker) state.walker.emplace(splitter_);
      state.walker->walk(slices[static_cast<size_t>(i)], [&](std::span<const std::string_view> chunks) {
        for (const std::string_view chunk : chunks) ++state.counts[chunk];
      });
    });
  }

  // The sums over all threads; to be called once, at the end.
  ChunkCounts total() {
    ChunkCounts sum = std::move(threads_[0].counts);
    for (size_t t = 1; t < threads_.size(); ++t)
      threads_[t].counts.for_each([&](std::string_view chunk, int64_t count) { sum[chunk] += count; });
    return sum;
  }

 private:
  struct ThreadState {
    std::optional<Splitter::Walker> walker;
    ChunkCounts counts;
  };
  const Splitter& splitter_;
  std::vector<ThreadState> threads_;
};

void check(const BpeTrainOptions& options) {
  const auto least = kBytes + static_cast<int>(options.specials.size());
  if (options.vocab_size < least)
    fail_usage("vocab_size {}: expected at least {} for 256 bytes and {} specials", options.vocab_size, least,
               options.specials.size());
  for (size_t i = 0; i < options.specials.size(); ++i) {
    const std::string& special = options.specials[i];
    if (special.empty()) fail_usage("the text of special {} is empty", i);
    if (std::find(options.specials.begin(), options.specials.begin() + static_cast<std::ptrdiff_t>(i), special) !=
        options.specials.begin() + static_cast<std::ptrdiff_t>(i))
      fail_usage("the special \"{}\" is there twice", special);
  }
}

// What the pattern leaves between its matches is not counted.
Splitter make_splitter(const std::string& pattern) {
  try {
    return Splitter({{.pattern = std::string(named_pattern(pattern)), .keep_gaps = false}});
  } catch (const Error& error) {
    fail_usage("{}", error.what());
  }
}

Tokenizer make_tokenizer(const BpeTrainOptions& options, const ChunkCounts& chunks) {
  TokenizerSpec spec;
  spec.split = {{.pattern = std::string(named_pattern(options.pattern))}};
  spec.merges = find_merges(chunks, options.vocab_size - kBytes - static_cast<int>(options.specials.size()));
  for (int byte = 0; byte < kBytes; ++byte) spec.tokens.push_back(std::string(1, static_cast<char>(byte)));
  for (const Merge& merge : spec.merges)
    spec.tokens.push_back(spec.tokens[static_cast<size_t>(merge.left)] + spec.tokens[static_cast<size_t>(merge.right)]);
  for (const std::string& special : options.specials)
    spec.added.push_back({.id = static_cast<int32_t>(spec.tokens.size() + spec.added.size()), .text = special});
  return Tokenizer(std::move(spec));
}

}  // namespace

std::vector<std::string> autoresearch_specials() {
  return {"<|reserved_0|>", "<|reserved_1|>", "<|reserved_2|>", "<|reserved_3|>"};
}

Tokenizer train_bpe(const BpeTrainOptions& options, const DocumentSource& documents) {
  check(options);
  const Splitter splitter = make_splitter(options.pattern);
  ChunkCounter counter(splitter);
  std::string batch;
  std::vector<size_t> ends;
  const auto count_batch = [&] {
    std::vector<std::string_view> views;
    for (size_t i = 0, begin = 0; i < ends.size(); begin = ends[i++])
      views.push_back(std::string_view(batch).substr(begin, ends[i] - begin));
    counter.count(views);
    batch.clear();
    ends.clear();
  };
  for (std::string_view document; documents(document);) {
    batch += document;
    ends.push_back(batch.size());
    if (batch.size() >= kBatchBytes) count_batch();
  }
  count_batch();
  return make_tokenizer(options, counter.total());
}

Tokenizer train_bpe(const BpeTrainOptions& options, std::span<const std::string_view> documents) {
  check(options);
  const Splitter splitter = make_splitter(options.pattern);
  ChunkCounter counter(splitter);
  counter.count(documents);
  return make_tokenizer(options, counter.total());
}

}  // namespace propane
