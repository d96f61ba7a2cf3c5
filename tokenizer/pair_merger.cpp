#include "tokenizer/pair_merger.h"

#include <queue>

namespace propane {

namespace {

struct Pair {
  uint32_t left;
  uint32_t right;
  int64_t count;                // true at every moment
  std::vector<uint32_t> words;  // where the pair is or has been, ascending
};

// A pair with the count it had when it was put into the heap. Once all its occurrences are made, by the merge that
// makes its younger token, a pair's count only falls, so an outdated candidate never stands too low: it is put back
// with the count of the day when it comes to the top.
struct Candidate {
  int64_t count;
  uint64_t key;
  uint32_t pair;
  bool operator<(const Candidate& other) const { return count != other.count ? count < other.count : key > other.key; }
};

class Merger {
 public:
  explicit Merger(const ChunkCounts& chunks) {
    chunks.for_each([&](std::string_view bytes, int64_t count) {
      if (bytes.size() < 2) return;
      words_.push_back({tokens_.size(), static_cast<uint32_t>(bytes.size()), count});
      for (const char c : bytes) tokens_.push_back(static_cast<unsigned char>(c));
    });
    for (uint32_t w = 0; w < words_.size(); ++w) {
      const uint32_t* tokens = tokens_.data() + words_[w].offset;
      for (uint32_t i = 0; i + 1 < words_[w].size; ++i) add(tokens[i], tokens[i + 1], w);
    }
    push_pairs_from(0);
  }

  std::vector<Merge> run(int limit) {
    std::vector<Merge> merges;
    while (static_cast<int>(merges.size()) < limit && !heap_.empty()) {
      Candidate top = heap_.top();
      heap_.pop();
      const int64_t count = pairs_[top.pair].count;
      if (count != top.count) {
        if (count > 0) heap_.push({count, top.key, top.pair});
        continue;
      }
      const auto rank = static_cast<int32_t>(merges.size());
      const Pair& pair = pairs_[top.pair];
      merges.push_back({static_cast<int32_t>(pair.left), static_cast<int32_t>(pair.right), 256 + rank, rank});
      merge(top.pair, 256 + static_cast<uint32_t>(rank));
    }
    return merges;
  }

 private:
  struct Word {
    size_t offset;  // of its first token in tokens_
    uint32_t size;
    int64_t count;
  };

  uint32_t pair_of(uint32_t left, uint32_t right) {
    uint32_t& slot = index_[pair_key(left, right)];  // index + 1; 0: new
    if (slot == 0) {
      pairs_.push_back({left, right, 0, {}});
      slot = static_cast<uint32_t>(pairs_.size());
    }
    return slot - 1;
  }

  void add(uint32_t left, uint32_t right, uint32_t word) {
    Pair& pair = pairs_[pair_of(left, right)];
    pair.count += words_[word].count;
    if (pair.words.empty() || pair.words.back() != word) pair.words.push_back(word);
  }

  void take(uint32_t left, uint32_t right, uint32_t word) { pairs_[pair_of(left, right)].count -= words_[word].count; }

  void push_pairs_from(size_t first) {
    for (size_t i = first; i < pairs_.size(); ++i)
      if (pairs_[i].count > 0)
        heap_.push({pairs_[i].count, pair_key(pairs_[i].left, pairs_[i].right), static_cast<uint32_t>(i)});
  }

  void merge(uint32_t merged, uint32_t token) {
    const uint32_t left = pairs_[merged].left, right = pairs_[merged].right;
    const size_t old_pairs = pairs_.size();
    const std::vector<uint32_t> where = std::move(pairs_[merged].words);
    for (const uint32_t w : where) merge_word(w, left, right, token);
    push_pairs_from(old_pairs);
  }

  // Replaces the pair in one word from left to right, keeping the counts of all pairs around true.
  void merge_word(uint32_t w, uint32_t left, uint32_t right, uint32_t token) {
    uint32_t* const tokens = tokens_.data() + words_[w].offset;
    const uint32_t n = words_[w].size;
    uint32_t size = 0;
    for (uint32_t i = 0; i < n;) {
      if (i + 1 == n || tokens[i] != left || tokens[i + 1] != right) {
        tokens[size++] = tokens[i++];
        continue;
      }
      if (size > 0) {
        take(tokens[size - 1], left, w);
        add(tokens[size - 1], token, w);
      }
      take(left, right, w);
      if (i + 2 < n) {
        take(right, tokens[i + 2], w);
        add(token, tokens[i + 2], w);
      }
      tokens[size++] = token;
      i += 2;
    }
    words_[w].size = size;
  }

  std::vector<uint32_t> tokens_;  // of all words, one behind the other
  std::vector<Word> words_;
  std::vector<Pair> pairs_;
  KeyTable<uint32_t> index_;
  std::priority_queue<Candidate> heap_;
};

}  // namespace

std::vector<Merge> find_merges(const ChunkCounts& chunks, int limit) { return Merger(chunks).run(limit); }

}  // namespace propane
