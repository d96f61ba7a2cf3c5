#include "train/token_corpus.h"

#include <algorithm>
#include <utility>

namespace propane::train {

TokenCorpus::TokenCorpus(std::vector<TokenShard> shards) : shards_(std::move(shards)) {
  first_document_.push_back(0);
  for (const TokenShard& shard : shards_) {
    first_document_.push_back(first_document_.back() + shard.document_count());
    token_count_ += shard.token_count();
    text_bytes_ += shard.text_bytes();
  }
}

TokenSpan TokenCorpus::document(uint64_t index) const {
  const auto next = std::upper_bound(first_document_.begin(), first_document_.end(), index);
  const auto shard = static_cast<size_t>(next - first_document_.begin() - 1);
  return shards_.at(shard).document(index - first_document_[shard]);
}

}  // namespace propane::train
