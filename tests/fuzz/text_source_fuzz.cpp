// Any bytes, taken as a file of each text format and compression of ours, are either an error or documents of UTF-8.
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "base/utf8.h"
#include "formats/text_source.h"

namespace {

struct Folder {
  Folder() {
    // In memory where the system has such a folder: a busy disk looks like a hang.
    const propane::Path shared = "/dev/shm";
    const bool has_shared = std::filesystem::is_directory(shared);
    std::string pattern =
        ((has_shared ? shared : std::filesystem::temp_directory_path()) / "propane-fuzz-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) std::abort();
    path = pattern;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  propane::Path path;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Folder folder;
  for (const char* name : {"x.txt", "x.jsonl", "x.txt.gz", "x.txt.zst"}) {
    const propane::Path path = folder.path / name;
    {
      propane::OutputFile file(path);
      file.write(data, size);
    }
    for (const bool lossy : {false, true}) {
      try {
        const auto source = propane::open_text_source({path, name}, {.separator = "\n\n", .lossy = lossy});
        uint64_t total = 0;
        for (propane::Document document; total < (64u << 20) && source->next(&document);) {
          if (document.text.empty()) std::abort();
          if (!propane::utf8_valid(document.text)) std::abort();
          total += document.text.size();
        }
      } catch (const propane::Error&) {
      }
    }
  }
  return 0;
}
