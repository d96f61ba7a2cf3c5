// The second half of BPE training: merging, over the distinct chunks of a corpus and their counts.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "tokenizer/bpe.h"
#include "tokenizer/hash_table.h"

namespace propane {

// The counts of distinct chunks.
using ChunkCounts = BytesTable<int64_t>;

// At most `limit` merges in the order in which training finds them; merge i makes token 256 + i, and bytes are tokens
// 0 to 255. Each step takes the pair of greatest count, of equals the lexicographically least by ids.
std::vector<Merge> find_merges(const ChunkCounts& chunks, int limit);

}  // namespace propane
