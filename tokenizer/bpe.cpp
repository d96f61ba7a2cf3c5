#include "tokenizer/bpe.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <queue>

#include "base/utf8.h"

namespace propane {

namespace {

constexpr int32_t kNoMerge = std::numeric_limits<int32_t>::max();

// Up to here scanning all ranks for the least beats a heap.
constexpr size_t kShort = 96;

}  // namespace

Bpe::Bpe(const std::vector<std::string>& tokens, const std::vector<Merge>& merges, bool whole_chunk_first)
    : targets_(merges.size()), whole_chunk_first_(whole_chunk_first), first_part_(static_cast<int32_t>(tokens.size())) {
  byte_token_.fill(-1);
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (tokens[id].size() == 1) byte_token_[static_cast<unsigned char>(tokens[id][0])] = static_cast<int32_t>(id);
    if (whole_chunk_first && !tokens[id].empty()) whole_[tokens[id]] = static_cast<int32_t>(id);
  }
  for (const Merge& merge : merges)
    targets_[pair_key(static_cast<uint32_t>(merge.left), static_cast<uint32_t>(merge.right))] = {merge.rank,
                                                                                                 merge.result};
}

Bpe::Bpe(const std::vector<std::string>& tokens, const std::vector<Merge>& merges, bool whole_chunk_first,
         BpeCharacters characters)
    : Bpe(tokens, merges, whole_chunk_first) {
  characters_ = std::move(characters);
}

// The tokens of a character that has none itself.
void Bpe::append_fallback(std::string_view character, std::vector<int32_t>& out) const {
  const size_t before = out.size();
  for (const char c : character) {
    const int32_t id = characters_->bytes[static_cast<unsigned char>(c)];
    if (id >= 0) out.push_back(id);
  }
  if (out.size() - before == character.size()) return;
  out.resize(before);
  const int32_t unknown = characters_->unknown;
  if (unknown >= 0 && (out.empty() || out.back() != unknown)) out.push_back(unknown);
}

// A token in the linked list of a long chunk.
struct Bpe::Encoder::Part {
  int32_t id;
  int32_t rank;  // of the merge with the next part
  uint32_t previous;
  uint32_t next;
};

Bpe::Encoder::Encoder(const Bpe& bpe) : bpe_(bpe) {}
Bpe::Encoder::~Encoder() = default;
Bpe::Encoder::Encoder(Encoder&&) noexcept = default;

void Bpe::Encoder::encode(std::string_view chunk, std::vector<int32_t>& out) {
  if (chunk.empty()) return;
  if (cache_.find(chunk, out)) return;
  const size_t before = out.size();
  encode_uncached(chunk, out);
  cache_.put(chunk, out, before);
}

void Bpe::Encoder::encode_uncached(std::string_view chunk, std::vector<int32_t>& out) {
  if (bpe_.whole_chunk_first_)
    if (const int32_t* id = bpe_.whole_.find(chunk)) return out.push_back(*id);
  ids_.clear();
  if (bpe_.characters_) {
    start_with_characters(chunk);
  } else {
    for (const char c : chunk) {
      const int32_t id = bpe_.byte_token_[static_cast<unsigned char>(c)];
      if (id >= 0) ids_.push_back(id);
    }
  }
  const size_t before = out.size();
  if (ids_.size() <= kShort) merge_short(out);
  else merge_long(out);
  if (bpe_.characters_) replace_parts(before, out);
}

void Bpe::Encoder::start_with_characters(std::string_view chunk) {
  const char* const end = chunk.data() + chunk.size();
  for (const char* at = chunk.data(); at < end;) {
    const Utf8Step step = utf8_step(at, end);
    const std::string_view character(at, step.valid ? static_cast<size_t>(step.length) : 1);
    at += character.size();
    if (const int32_t* id = bpe_.characters_->ids.find(character)) ids_.push_back(*id);
    else bpe_.append_fallback(character, ids_);
  }
}

// Puts the tokens of their bytes for the characters that found nothing to merge with.
void Bpe::Encoder::replace_parts(size_t from, std::vector<int32_t>& out) const {
  const auto is_part = [&](int32_t id) { return id >= bpe_.first_part_; };
  if (std::none_of(out.begin() + static_cast<std::ptrdiff_t>(from), out.end(), is_part)) return;
  const std::vector<int32_t> merged(out.begin() + static_cast<std::ptrdiff_t>(from), out.end());
  std::vector<int32_t> replaced;
  for (const int32_t id : merged) {
    if (is_part(id))
      bpe_.append_fallback(bpe_.characters_->parts_only[static_cast<size_t>(id - bpe_.first_part_)], replaced);
    else if (id != bpe_.characters_->unknown || replaced.empty() || replaced.back() != id) replaced.push_back(id);
  }
  out.resize(from);
  out.insert(out.end(), replaced.begin(), replaced.end());
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
