// Text from anywhere (samples of an untrained model hold any bytes) made fit to show.
#pragma once

#include <string>
#include <string_view>

namespace propane::train {

// Valid UTF-8 with & < > " ' as character references and control characters other than tab and newline as the symbols
// that picture them (U+2400...), so that it can stand anywhere in HTML, in attributes too.
std::string escape_html(std::string_view text);

// The first `limit` bytes of a text for an error sentence, without line ends, "..." after it if something was cut.
std::string excerpt(std::string_view text, size_t limit);

}  // namespace propane::train
