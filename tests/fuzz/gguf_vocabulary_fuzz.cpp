// The vocabulary in a GGUF file of any bytes: an Error, or a tokenizer that encodes and decodes.
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "formats/gguf.h"
#include "tokenizer/gguf_vocabulary.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const propane::GgufFile file(std::as_bytes(std::span(data, size)), "fuzz.gguf");
    const propane::Tokenizer tokenizer(propane::read_gguf_vocabulary(file));
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    for (const std::string_view text :
         {std::string_view("It's 12 caf\u00e9s!\n \xFF<s>"), input.substr(size - size / 16).substr(0, 64)})
      tokenizer.decode(tokenizer.encode(text, propane::AllowedSpecials::all()));
  } catch (const propane::Error&) {
    // What every damaged file must end in.
  }
  return 0;
}
