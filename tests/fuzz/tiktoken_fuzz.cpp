// The reader of tiktoken's rank files on any bytes: an Error, or a tokenizer that gives every text back. Seed it with
// tests/fixtures/tokenizer/*.tiktoken.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "tokenizer/rank_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  try {
    const propane::Tokenizer tokenizer(propane::read_rank_file(input, "input", {.specials = {"<s>"}}));
    const std::string_view text = input.substr(0, 256);
    if (tokenizer.decode(tokenizer.encode(text)) != text) std::abort();
  } catch (const propane::Error&) {
    // What every damaged file must end in.
  }
  return 0;
}
