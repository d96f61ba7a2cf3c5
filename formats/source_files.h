// Which files a person means by paths, folders and globs.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/file.h"

namespace propane {

struct SourceFile {
  Path path;
  std::string name;  // relative to the argument that found it: "emma.txt", "1813/pride.txt"
};

enum class TextFormat { plain, jsonl, parquet };

// The format by the name: .txt, .jsonl, each also with .gz or .zst, and .parquet. False if the name has none of them.
bool text_format_of(const Path& path, TextFormat* format);

// Files named by the arguments, in the arguments' order. A folder stands for every text file in it and below, sorted
// by name (others in it are passed over); a pattern with * ? [ ] in its last part for the files that match, sorted.
// A file that several arguments name comes once. Throws Error if an argument finds nothing, and UsageError if a named
// file is of no known format.
std::vector<SourceFile> expand_sources(std::span<const std::string> arguments);

}  // namespace propane
