#include "formats/text_source.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/utf8.h"
#include "formats/text_readers.h"

namespace propane {

namespace {

// Passes documents on and insists on at least one.
class NotEmpty : public TextSource {
 public:
  NotEmpty(std::unique_ptr<TextSource> source, std::string file) : source_(std::move(source)), file_(std::move(file)) {}

  bool next(Document* document) override {
    const bool found = source_->next(document);
    if (!found && !any_) fail("{}: expected text, found an empty file", file_);
    any_ = true;
    return found;
  }

 private:
  std::unique_ptr<TextSource> source_;
  std::string file_;
  bool any_ = false;
};

std::unique_ptr<TextSource> open_reader(const SourceFile& file, const TextOptions& options) {
  TextFormat format;
  if (!text_format_of(file.path, &format)) {
    fail_usage("{}: expected a .txt, .jsonl (also .gz, .zst) or .parquet file", file.path.string());
  }
  if (format == TextFormat::jsonl) return open_jsonl(file, options);
  if (format == TextFormat::plain) return open_plain_text(file, options);
#ifdef PROPANE_HAS_PARQUET
  return open_parquet(file, options);
#else
  fail("{}: this propane was built without Parquet (PROPANE_PARQUET=OFF)", file.path.string());
#endif
}

}  // namespace

void require_utf8(std::string* text, bool lossy, const TextPlace& place) {
  const size_t bad = utf8_valid_prefix(*text);
  if (bad == text->size()) return;
  if (lossy) {
    *text = utf8_replace_invalid(*text);
    return;
  }
  const auto byte = static_cast<unsigned char>((*text)[bad]);
  if (place.row > 0) {
    fail("{}: expected UTF-8, found byte 0x{:02x} at offset {} of row {} (--lossy replaces such bytes)", place.file,
         byte, bad, place.row);
  }
  const bool utf16 =
      place.offset + bad == 0 && text->size() > 1 && (text->starts_with("\xFF\xFE") || text->starts_with("\xFE\xFF"));
  fail("{}: expected UTF-8, found byte 0x{:02x} at offset {}, line {}{} (--lossy replaces such bytes)", place.file,
       byte, place.offset + bad,
       place.line +
           static_cast<uint64_t>(std::count(text->begin(), text->begin() + static_cast<std::ptrdiff_t>(bad), '\n')),
       utf16 ? ": it looks like UTF-16" : "");
}

std::unique_ptr<TextSource> open_text_source(const SourceFile& file, const TextOptions& options) {
  return std::make_unique<NotEmpty>(open_reader(file, options), file.path.string());
}

TextSources::TextSources(std::vector<SourceFile> files, TextOptions options)
    : files_(std::move(files)), options_(std::move(options)) {}

bool TextSources::next(Document* document) {
  for (;;) {
    if (current_ && current_->next(document)) return true;
    current_.reset();
    if (next_file_ == files_.size()) return false;
    current_ = open_text_source(files_[next_file_++], options_);
  }
}

}  // namespace propane
