// GPT-2's byte-level alphabet: each byte as one printable character, so that tokens of any bytes can stand in JSON.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace propane {

// Bytes to the alphabet's characters, UTF-8.
std::string to_byte_level(std::string_view bytes);

// The reverse; nullopt if a character is not of the alphabet.
std::optional<std::string> from_byte_level(std::string_view text);

}  // namespace propane
