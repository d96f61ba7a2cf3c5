// Documents from text files: .txt, .jsonl (each also .gz and .zst) and .parquet, one reader a format, all streamed.
#pragma once

#include <memory>
#include <string>

#include "formats/source_files.h"

namespace propane {

struct Document {
  std::string text;  // UTF-8, not empty
  // "<file>#<n>": counted from 1, the document of a .txt, the line of a .jsonl, the row of a .parquet.
  std::string id;
};

struct TextOptions {
  // What stands between two documents of a .txt: by default a form feed, so that a file without one is one document.
  // Empty: never split. Pieces of only white space are passed over.
  std::string separator = "\f";
  std::string text_key = "text";  // the key of a .jsonl line's object that holds the document
  std::string column = "text";    // the string column of a .parquet
  bool lossy = false;             // replace what is not UTF-8 by U+FFFD instead of failing
};

class TextSource {
 public:
  virtual ~TextSource() = default;

  // The next document, or false at the end. Throws Error naming the file and the line, row or byte: text that is not
  // UTF-8, damaged compression, no such key or column.
  virtual bool next(Document* document) = 0;
};

// Opens a file by its format. A file without a single document is an Error, when its end is reached.
std::unique_ptr<TextSource> open_text_source(const SourceFile& file, const TextOptions& options);

// Documents of several files, one after the other.
class TextSources : public TextSource {
 public:
  TextSources(std::vector<SourceFile> files, TextOptions options);
  bool next(Document* document) override;

 private:
  std::vector<SourceFile> files_;
  TextOptions options_;
  size_t next_file_ = 0;
  std::unique_ptr<TextSource> current_;
};

}  // namespace propane
