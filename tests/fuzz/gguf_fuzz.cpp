// Any bytes are either an error or a file whose every tensor and value lies inside it, and whose values can be asked
// for.
#include <cstdint>
#include <cstdlib>

#include "base/error.h"
#include "formats/gguf.h"

namespace propane {
namespace {

// Asks for everything that a value of its type can be; returns how many bytes of the file it saw.
size_t read_value(const GgufValue& value) {
  switch (value.type()) {
    case GgufType::boolean: return value.boolean() ? 1 : 0;
    case GgufType::string: return value.string().size();
    case GgufType::array: break;
    default: return value.number<double>() == 0 ? 0 : 1;
  }
  size_t seen = 0;
  switch (value.element_type()) {
    case GgufType::boolean: return value.booleans().size();
    case GgufType::string:
      for (std::string_view text : value.strings()) seen += text.size();
      return seen;
    case GgufType::array:
      for (const GgufValue& array : value.arrays()) seen += read_value(array);
      return seen;
    default: return value.numbers<double>().size();
  }
}

void read_tensors(const GgufFile& file, size_t size) {
  size_t total = 0;
  unsigned sum = 0;
  for (const GgufTensor& tensor : file.tensors()) {
    if (&file.at(tensor.name) != &tensor) std::abort();
    if (tensor.block_type) {
      const int64_t columns = tensor.shape.rank() > 0 ? tensor.shape.dim(-1) : 1;
      const auto expected = quant::row_bytes(*tensor.block_type, columns) * static_cast<size_t>(tensor.shape.rows());
      if (columns > 0 && expected != tensor.data.size()) std::abort();
    }
    for (std::byte byte : tensor.data) sum += static_cast<unsigned>(byte);
    total += tensor.data.size();
  }
  if (total > size || sum > 255u * size) std::abort();
}

}  // namespace
}  // namespace propane

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const propane::GgufFile file(std::as_bytes(std::span(data, size)), "fuzz.gguf");
    for (const propane::GgufValue& value : file.metadata()) {
      if (propane::read_value(value) > size) std::abort();
    }
    propane::read_tensors(file, size);
  } catch (const propane::Error&) {
    // What a damaged file is supposed to be.
  }
  return 0;
}
