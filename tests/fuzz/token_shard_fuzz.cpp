// Any bytes are either an error or a shard whose documents can be read, checked or not.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "formats/token_shard.h"

namespace {

void read(const std::vector<uint8_t>& bytes) {
  const propane::TokenShard shard(std::as_bytes(std::span(bytes)), "fuzz.bin");
  uint64_t read_tokens = 0;
  std::vector<int32_t> tokens;
  for (uint64_t i = 0; i < shard.document_count(); ++i) {
    try {
      const propane::TokenSpan document = shard.document(i);
      tokens.resize(document.size());
      document.copy(0, document.size(), tokens.data());
      read_tokens += document.size();
    } catch (const propane::Error&) {  // this document alone is damaged
    }
    if (read_tokens > bytes.size()) break;  // overlapping documents: reading them all could take for ever
  }
  shard.verify();
  for (uint64_t i = 0; i < shard.document_count(); ++i) shard.document(i);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<uint8_t> bytes(data, data + size);
  try {
    read(bytes);
  } catch (const propane::Error&) {
  }
  // With the header's checksum put right, what lies behind it is reached.
  constexpr size_t kHeader = 128;
  if (size < kHeader) return 0;
  const uint64_t checksum = propane::xxh64(std::as_bytes(std::span(bytes)).first(kHeader - sizeof(uint64_t)));
  std::memcpy(bytes.data() + kHeader - sizeof checksum, &checksum, sizeof checksum);
  try {
    read(bytes);
  } catch (const propane::Error&) {
  }
  return 0;
}
