// The documents of several token shards as one numbered list.
#pragma once

#include <cstdint>
#include <vector>

#include "formats/token_shard.h"

namespace propane::train {

class TokenCorpus {
 public:
  TokenCorpus() = default;
  explicit TokenCorpus(std::vector<TokenShard> shards);

  uint64_t document_count() const { return first_document_.empty() ? 0 : first_document_.back(); }
  uint64_t token_count() const { return token_count_; }
  uint64_t text_bytes() const { return text_bytes_; }

  // Tokens of a document.
  TokenSpan document(uint64_t index) const;

  const std::vector<TokenShard>& shards() const { return shards_; }

 private:
  std::vector<TokenShard> shards_;
  std::vector<uint64_t> first_document_;  // of each shard, and one past the last
  uint64_t token_count_ = 0, text_bytes_ = 0;
};

}  // namespace propane::train
