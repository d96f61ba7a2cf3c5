// UTF-8 as Unicode defines it (chapter 3.9, table 3-7): no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace propane {

// Offset of the first byte that does not belong to a well-formed sequence, or `npos` if all do.
size_t find_invalid_utf8(std::string_view text);

// The text with every ill-formed part replaced by U+FFFD, one for each maximal part that could have begun a sequence,
// as Unicode recommends and as Python and the web's decoders do.
std::string replace_invalid_utf8(std::string_view text);

}  // namespace propane
