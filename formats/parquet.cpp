#include <dlfcn.h>

#include "base/error.h"
#include "formats/parquet_module.h"
#include "formats/text_readers.h"

namespace propane {

namespace {

// Stays loaded. It lies beside the program or where the program's search path for libraries says.
OpenParquetColumn load_module() {
#ifdef __APPLE__
  const char* file = "@rpath/libpropane_parquet.dylib";
#else
  const char* file = "libpropane_parquet.so";
#endif
  void* module = ::dlopen(file, RTLD_NOW | RTLD_LOCAL);
  if (!module) fail("reading Parquet needs {} beside the program, which cannot be loaded: {}", file, ::dlerror());
  void* symbol = ::dlsym(module, kOpenParquetColumn);
  if (!symbol) fail("{}: expected the symbol {}, found none: it belongs to another version", file, kOpenParquetColumn);
  return reinterpret_cast<OpenParquetColumn>(symbol);
}

class Parquet : public TextSource {
 public:
  Parquet(const SourceFile& file, const TextOptions& options) : file_(file), lossy_(options.lossy) {
    static const OpenParquetColumn open = load_module();
    column_.reset(open(file.path.string(), options.column));
  }

  bool next(Document* document) override {
    std::string_view value;
    uint64_t row = 0;
    if (!column_->next(&value, &row)) return false;
    document->text = value;
    require_utf8(&document->text, lossy_, {.file = file_.path.string(), .row = row});
    document->id = file_.name + "#" + std::to_string(row);
    return true;
  }

 private:
  SourceFile file_;
  bool lossy_;
  std::unique_ptr<ParquetColumn> column_;
};

}  // namespace

std::unique_ptr<TextSource> open_parquet(const SourceFile& file, const TextOptions& options) {
  return std::make_unique<Parquet>(file, options);
}

}  // namespace propane
