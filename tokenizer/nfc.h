// Unicode's Normalization Form C (UAX #15): canonical decomposition, then composition. Some tokenizers (Qwen's) put
// texts into it before cutting them. Unicode 14.
#pragma once

#include <string>
#include <string_view>

namespace propane {

// True if the text is certainly in NFC: it holds no character that normalization could touch. Cheap.
bool is_nfc_quick(std::string_view text);

// The text in NFC. Ill-formed bytes stay as they are, and well-formed text on either side is normalized by itself.
std::string to_nfc(std::string_view text);

}  // namespace propane
