#include "tokenizer/unigram.h"

#include <algorithm>
#include <limits>

#include "base/utf8.h"

namespace propane {

namespace {
constexpr double kUnknownPenalty = 10;
constexpr double kNoWay = -std::numeric_limits<double>::infinity();
}  // namespace

Unigram::Unigram(const std::vector<std::string>& pieces, const std::vector<float>& scores,
                 const std::array<int32_t, 256>& bytes, int32_t unknown)
    : ids_(1, -1), scores_(scores), bytes_(bytes), unknown_(unknown) {
  float least = 0;
  bool first = true;
  for (size_t id = 0; id < pieces.size(); ++id) {
    if (pieces[id].empty()) continue;
    least = first ? scores[id] : std::min(least, scores[id]);
    first = false;
    uint64_t node = 0;
    for (const char c : pieces[id]) {
      uint32_t& child = children_[node << 8 | static_cast<unsigned char>(c)];
      if (child == 0) {
        child = static_cast<uint32_t>(ids_.size());
        ids_.push_back(-1);
      }
      node = child;
    }
    ids_[node] = static_cast<int32_t>(id);
  }
  unknown_score_ = static_cast<double>(least) - kUnknownPenalty;
}

void Unigram::Encoder::encode(std::string_view chunk, std::vector<int32_t>& out) {
  if (chunk.empty() || cache_.find(chunk, out)) return;
  const size_t before = out.size();
  encode_uncached(chunk, out);
  cache_.put(chunk, out, before);
}

void Unigram::Encoder::encode_uncached(std::string_view chunk, std::vector<int32_t>& out) {
  const Unigram& u = unigram_;
  best_.assign(chunk.size() + 1, {kNoWay, 0, -1});
  best_[0].score = 0;
  for (size_t at = 0; at < chunk.size();) {
    const Utf8Step step = utf8_step(chunk.data() + at, chunk.data() + chunk.size());
    const size_t character = step.valid ? static_cast<size_t>(step.length) : 1;
    const double here = best_[at].score;
    const auto offer = [&](size_t end, double score, int32_t id) {
      if (score > best_[end].score) best_[end] = {score, static_cast<uint32_t>(at), id};
    };
    bool whole_character = false;
    uint64_t node = 0;
    for (size_t end = at; end < chunk.size();) {
      const uint32_t* child = u.children_.find(node << 8 | static_cast<unsigned char>(chunk[end]));
      if (!child) break;
      node = *child;
      ++end;
      const int32_t id = u.ids_[node];
      if (id < 0) continue;
      offer(end, here + static_cast<double>(u.scores_[static_cast<size_t>(id)]), id);
      whole_character |= end == at + character;
    }
    if (!whole_character) offer(at + character, here + u.unknown_score_, -1);
    at += character;
  }

  backward_.clear();
  for (size_t end = chunk.size(); end > 0; end = backward_.back().begin) backward_.push_back(best_[end]);
  const size_t before = out.size();
  for (size_t i = backward_.size(); i-- > 0;) {
    if (backward_[i].id >= 0) {
      out.push_back(backward_[i].id);
      continue;
    }
    const size_t begin = backward_[i].begin, end = i > 0 ? backward_[i - 1].begin : chunk.size();
    const std::string_view character = chunk.substr(begin, end - begin);
    if (std::all_of(character.begin(), character.end(),
                    [&](char c) { return u.bytes_[static_cast<unsigned char>(c)] >= 0; }))
      for (const char c : character) out.push_back(u.bytes_[static_cast<unsigned char>(c)]);
    else if (u.unknown_ >= 0 && (out.size() == before || out.back() != u.unknown_)) out.push_back(u.unknown_);
  }
}

}  // namespace propane
