// The tokenizer.json reader on any bytes: an Error, or a tokenizer that encodes, decodes and can be written. Seed it
// with tests/fixtures/tokenizer/hf_*.json.
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "tokenizer/tokenizer_json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  try {
    const propane::Tokenizer tokenizer(propane::read_tokenizer_json(input, "input"));
    for (const std::string_view text :
         {std::string_view("It's 12 caf\u00e9s!\n \xFF"), input.substr(size - size / 16)}) {
      const auto ids = tokenizer.encode(text.substr(0, 64), propane::AllowedSpecials::all());
      tokenizer.decode(ids);
    }
    propane::read_tokenizer_json(propane::write_tokenizer_json(tokenizer.spec()), "written");
  } catch (const propane::Error&) {
    // What every damaged file must end in.
  }
  return 0;
}
