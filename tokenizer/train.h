// Training a byte-level BPE: count the distinct chunks of all documents, then again and again merge the most frequent
// pair of adjacent tokens (of equals the one with the smaller ids, the left one first). The merges are those of rustbpe
// 0.1.0, which nanochat and autoresearch train with. As there, text between two matches of the pattern is not learned
// from (encoding keeps it, as chunks of its own); ill-formed UTF-8 is cut as Splitter says.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace propane {

struct BpeTrainOptions {
  int vocab_size = 8192;                               // bytes, merges and specials together
  std::string pattern = std::string(kDefaultPattern);  // a name (see named_pattern) or a regular expression
  std::vector<std::string> specials = {};              // get the last ids, in this order
};

// autoresearch's specials; the first begins a document.
std::vector<std::string> autoresearch_specials();

// Sets `document` to the next document and returns true, or returns false behind the last one. The view need only live
// until the next call, so a corpus of any size can be streamed; calls come from the calling thread only.
using DocumentSource = std::function<bool(std::string_view& document)>;

// Trains on the pool of threads; the result does not depend on their number. A corpus too small for the asked size
// gives a smaller vocabulary: its merges end when no two adjacent tokens are left. Merges never cross documents. Throws
// UsageError for a vocab_size below 256 + specials, a bad pattern or a special that is there twice.
Tokenizer train_bpe(const BpeTrainOptions& options, const DocumentSource& documents);

// The same on documents in memory.
Tokenizer train_bpe(const BpeTrainOptions& options, std::span<const std::string_view> documents);

}  // namespace propane
