// tiktoken's rank files: a line a token, its bytes in base64, a space, its rank, which is its id.
#pragma once

#include <string>
#include <string_view>

#include "tokenizer/tokenizer.h"

namespace propane {

// Reads the content of a rank file; `name` is for messages. Throws Error naming the line and what is wrong there.
// Merges are all splits of a token into two others, as tiktoken merges whatever is a token.
TokenizerSpec read_rank_file(std::string_view content, const std::string& name, const RankFileOptions& options);

// The mergeable tokens in the order of their ids. Throws Error if the merges' order is not that of the ids they make:
// tiktoken could not repeat them.
std::string write_rank_file(const TokenizerSpec& spec);

// Every split of a token longer than a byte into two tokens, with the token's id as rank; sorted by (rank, left,
// right).
std::vector<Merge> merges_of_ranks(const std::vector<std::string>& tokens);

// Base64 with its padding; false if `text` is none.
bool decode_base64(std::string_view text, std::string& bytes);

// Ids beyond this are refused as damage: the largest vocabularies have some 300,000.
inline constexpr int32_t kMaxTokenId = (1 << 21) - 1;

}  // namespace propane
