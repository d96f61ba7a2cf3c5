// CRC-32C (Castagnoli), as TFRecord files use it.
#pragma once

#include <cstdint>
#include <string_view>

namespace propane::train {

uint32_t crc32c(std::string_view bytes);

}  // namespace propane::train
