// A TOML table read key by key, with every mistake reported in one sentence: the file, the line, the key, what was
// expected and what was found; a key that nobody asked for is an error that suggests the nearest known one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace propane {

class TomlReader {
 public:
  // Parses text; `source` is the file's name for messages. Throws UsageError with the line of a syntax error.
  TomlReader(std::string_view text, std::string source);
  ~TomlReader();
  TomlReader(TomlReader&&) noexcept;

  // A sub-table, empty when absent. It reports its own unknown keys in finish().
  TomlReader& table(const std::string& name);
  bool has(const std::string& key) const;

  // The value of a key, or `absent`. Throws UsageError on another type or outside [least, most].
  int64_t integer(const std::string& key, int64_t absent, int64_t least = INT64_MIN, int64_t most = INT64_MAX);
  double real(const std::string& key, double absent, double least = -1e300, double most = 1e300);
  bool boolean(const std::string& key, bool absent);
  std::string text(const std::string& key, const std::string& absent);
  std::string choice(const std::string& key, const std::string& absent, const std::vector<std::string>& choices);
  std::vector<std::string> texts(const std::string& key);

  // Throws UsageError for a key, here or in a table that was read, that nobody asked for.
  void finish() const;

  // Sets `table.key` to a TOML value given as text, as `--set train.lr=0.1` does; a word that is no TOML value is taken
  // as a string.
  void override_with(std::string_view assignment);

  // "run.toml: [train] lr" for messages.
  std::string where(const std::string& key) const;

 private:
  struct Impl;
  explicit TomlReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The word of `known` that is nearest to `word` by edit distance, when it is near enough to be meant.
std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& known);

// A string as a TOML literal, quoted and escaped.
std::string toml_quote(std::string_view text);

}  // namespace propane
