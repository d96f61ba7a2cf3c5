// The readers behind open_text_source; nothing outside formats/ includes this.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "formats/text_source.h"

namespace propane {

std::unique_ptr<TextSource> open_plain_text(const SourceFile& file, const TextOptions& options);
std::unique_ptr<TextSource> open_jsonl(const SourceFile& file, const TextOptions& options);
std::unique_ptr<TextSource> open_parquet(const SourceFile& file, const TextOptions& options);

// Where a text stands in its file, for errors.
struct TextPlace {
  std::string file;
  uint64_t offset = 0;  // of the text's first byte, after decompression
  uint64_t line = 1;    // of the text's first byte
  uint64_t row = 0;     // of a .parquet, which has no lines; else 0
};

// Returns if `text` is UTF-8. Otherwise replaces what is not if `lossy`, else throws Error naming byte and line or row.
void require_utf8(std::string* text, bool lossy, const TextPlace& place);

}  // namespace propane
