#include "tokenizer/bpe.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <queue>

namespace propane {

namespace {

constexpr int32_t kNoMerge = std::numeric_limits<int32_t>::max();

// Up to here scanning all ranks for the least beats a heap.
constexpr size_t kShort = 96;

}  // namespace

Bpe::Bpe(const std::vector<std::string>& tokens, const std::vector<Merge>& merges, bool whole_chunk_first)
    : targets_(merges.size()), whole_chunk_first_(whole_chunk_first) {
  byte_token_.fill(-1);
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (tokens[id].size() == 1) byte_token_[static_cast<unsigned char>(tokens[id][0])] = static_cast<int32_t>(id);
    if (whole_chunk_first && !tokens[id].empty()) whole_[tokens[id]] = static_cast<int32_t>(id);
  }
  for (const Merge& merge : merges)
    targets_[pair_key(static_cast<uint32_t>(merge.left), static_cast<uint32_t>(merge.right))] = {merge.rank,
                                                                                                 merge.result};
}

// A direct-mapped cache: one cache line of the processor an entry, a new chunk displaces the old one.
struct alignas(64) Bpe::Encoder::CacheLine {
  static constexpr size_t kMaxBytes = 30, kMaxTokens = 8;
  uint8_t size = 0;  // 0: free
  uint8_t tokens = 0;
  char bytes[kMaxBytes];
  int32_t ids[kMaxTokens];
};

// A token in the linked list of a long chunk.
struct Bpe::Encoder::Part {
  int32_t id;
  int32_t rank;  // of the merge with the next part
  uint32_t previous;
  uint32_t next;
};

namespace {
constexpr size_t kCacheLines = 1 << 14;  // 1 MiB, within a core's own cache
}

Bpe::Encoder::Encoder(const Bpe& bpe) : bpe_(bpe), cache_(kCacheLines) {}
Bpe::Encoder::~Encoder() = default;
Bpe::Encoder::Encoder(Encoder&&) noexcept = default;

void Bpe::Encoder::encode(std::string_view chunk, std::vector<int32_t>& out) {
  if (chunk.empty()) return;
  if (chunk.size() > CacheLine::kMaxBytes) return encode_uncached(chunk, out);
  CacheLine& line = cache_[hash_bytes(chunk.data(), chunk.size()) & (kCacheLines - 1)];
  if (line.size == chunk.size() && std::memcmp(line.bytes, chunk.data(), chunk.size()) == 0) {
    out.insert(out.end(), line.ids, line.ids + line.tokens);
    return;
  }
  const size_t before = out.size();
  encode_uncached(chunk, out);
  const size_t count = out.size() - before;
  if (count > CacheLine::kMaxTokens) return;
  line.size = static_cast<uint8_t>(chunk.size());
  line.tokens = static_cast<uint8_t>(count);
  std::memcpy(line.bytes, chunk.data(), chunk.size());
  std::copy_n(out.data() + before, count, line.ids);
}

void Bpe::Encoder::encode_uncached(std::string_view chunk, std::vector<int32_t>& out) {
  if (bpe_.whole_chunk_first_)
    if (const int32_t* id = bpe_.whole_.find(chunk)) return out.push_back(*id);
  ids_.clear();
  for (const char c : chunk) {
    const int32_t id = bpe_.byte_token_[static_cast<unsigned char>(c)];
    if (id >= 0) ids_.push_back(id);
  }
  if (ids_.size() <= kShort) merge_short(out);
  else merge_long(out);
}

void Bpe::Encoder::merge_short(std::vector<int32_t>& out) {
  int32_t ranks[kShort], results[kShort];  // of the merge of i and i + 1
  size_t n = ids_.size();
  const auto look_up = [&](size_t i) {
    const Target* target = bpe_.find(ids_[i], ids_[i + 1]);
    ranks[i] = target ? target->rank : kNoMerge;
    results[i] = target ? target->result : -1;
  };
  for (size_t i = 0; i + 1 < n; ++i) look_up(i);
  while (n > 1) {
    const size_t best = static_cast<size_t>(std::min_element(ranks, ranks + n - 1) - ranks);
    if (ranks[best] == kNoMerge) break;
    ids_[best] = results[best];
    --n;
    for (size_t i = best + 1; i < n; ++i) ids_[i] = ids_[i + 1];
    for (size_t i = best; i + 1 < n; ++i) {
      ranks[i] = ranks[i + 1];
      results[i] = results[i + 1];
    }
    if (best > 0) look_up(best - 1);
    if (best + 1 < n) look_up(best);
  }
  out.insert(out.end(), ids_.begin(), ids_.begin() + static_cast<std::ptrdiff_t>(n));
}

// A linked list of parts and a heap of candidate merges, so that a chunk of n bytes takes O(n log n).
void Bpe::Encoder::merge_long(std::vector<int32_t>& out) {
  constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();
  using Candidate = std::pair<int32_t, uint32_t>;  // rank, part: the leftmost of equal ranks comes first
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> heap;

  const auto n = static_cast<uint32_t>(ids_.size());
  parts_.resize(n);
  for (uint32_t i = 0; i < n; ++i) parts_[i] = {ids_[i], kNoMerge, i - 1, i + 1 < n ? i + 1 : kNone};
  const auto look_up = [&](uint32_t i) {
    Part& part = parts_[i];
    const Target* target = part.next == kNone ? nullptr : bpe_.find(part.id, parts_[part.next].id);
    part.rank = target ? target->rank : kNoMerge;
    if (target) heap.push({target->rank, i});
  };
  for (uint32_t i = 0; i < n; ++i) look_up(i);

  while (!heap.empty()) {
    const auto [rank, i] = heap.top();
    heap.pop();
    Part& part = parts_[i];
    if (part.rank != rank) continue;  // merged away or changed since
    Part& gone = parts_[part.next];
    part.id = bpe_.find(part.id, gone.id)->result;
    part.next = gone.next;
    gone.rank = kNoMerge;
    if (part.next != kNone) parts_[part.next].previous = i;
    look_up(i);
    if (part.previous != kNone) look_up(part.previous);
  }
  for (uint32_t i = 0; i != kNone; i = parts_[i].next) out.push_back(parts_[i].id);
}

}  // namespace propane
