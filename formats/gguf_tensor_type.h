// The tensor types of the GGUF format and the sizes of their blocks, those included that Propane does not compute with.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "quant/block_type.h"

namespace propane {

struct GgufTensorType {
  uint32_t id;  // as files hold it
  std::string_view name;
  uint32_t elements;  // of a block
  uint32_t bytes;     // of a block
  std::optional<quant::BlockType> block_type;
};

// Null for a number that the format does not give to any type, or no longer does.
const GgufTensorType* find_gguf_tensor_type(uint32_t id);

const GgufTensorType& gguf_tensor_type(quant::BlockType type);

}  // namespace propane
