// The reader of tokenizer.model on any bytes: an Error, or a tokenizer that encodes and decodes, charsmap included.
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "tokenizer/sentencepiece_model.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  try {
    const propane::Tokenizer tokenizer(propane::read_sentencepiece_model(input, "input"));
    for (const std::string_view text :
         {std::string_view("It's 12 caf\u00e9s!\n \xFF<s>\u2460"), input.substr(size - size / 16).substr(0, 64)})
      tokenizer.decode(tokenizer.encode(text, propane::AllowedSpecials::all()));
  } catch (const propane::Error&) {
    // What every damaged file must end in.
  }
  return 0;
}
