// SentencePiece's precompiled normalization (Kudo and Richardson 2018): a table of what strings become, such as NFKC.
// Four bytes say how long a trie is, a double array as darts-clone lays it out; then come the trie and the strings that
// it points to, each ended by a zero.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace propane {

class Charsmap {
 public:
  // Throws Error if the trie does not lie inside the bytes. A trie that points out of itself is no error: what it leads
  // to stays as it is.
  explicit Charsmap(std::string_view bytes);

  // Replaces again and again the longest string of the table that the text begins with; where none does, a character
  // stays, and each byte of ill-formed UTF-8 becomes U+FFFD.
  std::string apply(std::string_view text) const;

 private:
  // The length of the longest string of the table at the front of `text`, 0 if there is none, and what it becomes.
  size_t find(std::string_view text, std::string_view& replacement) const;

  std::vector<uint32_t> units_;
  std::string strings_;
};

}  // namespace propane
