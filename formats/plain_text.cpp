#include "formats/piece_reader.h"
#include "formats/text_readers.h"

namespace propane {

namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

class PlainText : public TextSource {
 public:
  PlainText(const SourceFile& file, const TextOptions& options)
      : file_(file), lossy_(options.lossy), pieces_(file.path, options.separator) {}

  bool next(Document* document) override {
    while (pieces_.next(&document->text)) {
      if (pieces_.offset() == 0 && document->text.starts_with(kByteOrderMark)) {
        document->text.erase(0, kByteOrderMark.size());
      }
      if (document->text.find_first_not_of(" \t\r\n\v\f") == std::string::npos) continue;
      require_utf8(&document->text, lossy_, {file_.path.string(), pieces_.offset(), pieces_.line()});
      document->id = file_.name + "#" + std::to_string(++count_);
      return true;
    }
    return false;
  }

 private:
  SourceFile file_;
  bool lossy_;
  PieceReader pieces_;
  uint64_t count_ = 0;
};

}  // namespace

std::unique_ptr<TextSource> open_plain_text(const SourceFile& file, const TextOptions& options) {
  return std::make_unique<PlainText>(file, options);
}

}  // namespace propane
