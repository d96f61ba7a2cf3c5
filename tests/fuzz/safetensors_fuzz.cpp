// Any bytes are either an error or a file whose every tensor lies inside it and has the size that its shape says.
#include <cstdint>
#include <cstdlib>

#include "base/error.h"
#include "formats/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    const propane::SafetensorsFile file(bytes, "fuzz.safetensors");
    size_t total = 0;
    unsigned sum = 0;
    for (const propane::SafetensorsTensor& tensor : file.tensors()) {
      if (&file.at(tensor.name) != &tensor) std::abort();
      if (tensor.dtype) {
        const auto expected = static_cast<size_t>(tensor.shape.count()) * propane::dtype_size(*tensor.dtype);
        if (expected != tensor.data.size()) std::abort();
      }
      for (std::byte byte : tensor.data) sum += static_cast<unsigned>(byte);
      total += tensor.data.size();
    }
    if (total > size || sum > 255u * size) std::abort();
  } catch (const propane::Error&) {
  }
  return 0;
}
