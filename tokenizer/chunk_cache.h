// A direct-mapped cache of the chunks that one thread met last and their tokens: words repeat.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "tokenizer/hash_table.h"

namespace propane {

class ChunkCache {
 public:
  ChunkCache() : lines_(kLines) {}

  // Appends the tokens of a chunk that is there; false if it is not.
  bool find(std::string_view chunk, std::vector<int32_t>& out) const {
    if (chunk.size() > kMaxBytes) return false;
    const Line& line = lines_[index(chunk)];
    if (line.size != chunk.size() || std::memcmp(line.bytes, chunk.data(), chunk.size()) != 0) return false;
    out.insert(out.end(), line.ids, line.ids + line.tokens);
    return true;
  }

  // Takes a chunk that is not empty and its tokens, out[from] to the end, in the place of another; passes over what is
  // too long for it.
  void put(std::string_view chunk, const std::vector<int32_t>& out, size_t from) {
    const size_t count = out.size() - from;
    if (chunk.size() > kMaxBytes || count > kMaxTokens) return;
    Line& line = lines_[index(chunk)];
    line.size = static_cast<uint8_t>(chunk.size());
    line.tokens = static_cast<uint8_t>(count);
    std::memcpy(line.bytes, chunk.data(), chunk.size());
    std::copy_n(out.data() + from, count, line.ids);
  }

 private:
  static constexpr size_t kLines = 1 << 14;  // 1 MiB, within a core's own cache
  static constexpr size_t kMaxBytes = 30, kMaxTokens = 8;

  // One cache line of the processor.
  struct alignas(64) Line {
    uint8_t size = 0;  // 0: free
    uint8_t tokens = 0;
    char bytes[kMaxBytes];
    int32_t ids[kMaxTokens];
  };

  static size_t index(std::string_view chunk) { return hash_bytes(chunk.data(), chunk.size()) & (kLines - 1); }

  std::vector<Line> lines_;
};

}  // namespace propane
