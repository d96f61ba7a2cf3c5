// Where the fixtures that tests/peers/make_tokenizer_fixtures.py made lie, for tests.
#pragma once

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace propane::testing {

inline Path fixture(const std::string& name) { return Path(PROPANE_SOURCE_DIR) / "tests/fixtures/tokenizer" / name; }

inline nlohmann::json json_fixture(const std::string& name) { return nlohmann::json::parse(read_file(fixture(name))); }

// The same for tests/peers/make_vocabulary_fixtures.py.
inline Path vocabulary(const std::string& name) {
  return Path(PROPANE_SOURCE_DIR) / "tests/fixtures/vocabulary" / name;
}

inline nlohmann::json vocabulary_json(const std::string& name) {
  return nlohmann::json::parse(read_file(vocabulary(name)));
}

// The documents of the bundled novels, as the fixtures' script cuts them.
inline std::vector<std::string> austen_documents(const std::vector<std::string>& names) {
  std::vector<std::string> documents;
  for (const std::string& name : names) {
    const std::string text = read_file(Path(PROPANE_SOURCE_DIR) / "data/austen" / name);
    for (size_t at = 0; at < text.size();) {
      const size_t end = std::min(text.find('\f', at), text.size());
      documents.push_back(text.substr(at, end - at));
      at = end + 1;
    }
  }
  return documents;
}

// A file in the tests' temporary folder with the given content.
inline Path temporary_file(const std::string& name, std::string_view content) {
  const Path path = Path(::testing::TempDir()) / ("propane_tokenizer_" + name);
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

}  // namespace propane::testing
