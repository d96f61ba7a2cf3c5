#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/piece_reader.h"
#include "formats/text_readers.h"

namespace propane {

namespace {

using nlohmann::json;

class Jsonl : public TextSource {
 public:
  Jsonl(const SourceFile& file, const TextOptions& options)
      : file_(file), key_(options.text_key), lossy_(options.lossy), lines_(file.path, "\n") {}

  bool next(Document* document) override {
    while (lines_.next(&line_)) {
      if (line_.find_first_not_of(" \t\r") == std::string::npos) continue;
      require_utf8(&line_, lossy_, {file_.path.string(), lines_.offset(), lines_.line()});
      document->text = parse_line();
      if (document->text.empty()) continue;
      document->id = file_.name + "#" + std::to_string(lines_.line());
      return true;
    }
    return false;
  }

 private:
  std::string parse_line() const {
    const std::string where = file_.path.string() + ": line " + std::to_string(lines_.line());
    json object;
    try {
      object = json::parse(line_);  // takes a byte order mark too
    } catch (const json::exception& error) {
      fail("{}: expected a JSON object, found damaged JSON ({})", where, error.what());
    }
    if (!object.is_object()) fail("{}: expected a JSON object, found {}", where, object.type_name());
    const auto text = object.find(key_);
    if (text == object.end()) fail("{}: expected the key \"{}\", found none (--text-key names another)", where, key_);
    if (!text->is_string()) fail("{}: expected a string as \"{}\", found {}", where, key_, text->type_name());
    return std::move(text->get_ref<std::string&>());
  }

  SourceFile file_;
  std::string key_;
  bool lossy_;
  PieceReader lines_;
  std::string line_;
};

}  // namespace

std::unique_ptr<TextSource> open_jsonl(const SourceFile& file, const TextOptions& options) {
  return std::make_unique<Jsonl>(file, options);
}

}  // namespace propane
