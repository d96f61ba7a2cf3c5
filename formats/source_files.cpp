#include "formats/source_files.h"

#include <glob.h>

#include <algorithm>
#include <set>
#include <system_error>

#include "base/error.h"

namespace propane {

namespace fs = std::filesystem;

namespace {

std::vector<SourceFile> files_of_folder(const Path& folder) {
  std::vector<SourceFile> files;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; it != end; it.increment(error)) {
    TextFormat format;
    if (it->is_regular_file() && text_format_of(it->path(), &format)) {
      files.push_back({it->path(), it->path().lexically_relative(folder).generic_string()});
    }
    if (error) break;
  }
  if (error) fail("{}: cannot read the folder: {}", folder.string(), error.message());
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  if (files.empty()) fail("{}: expected .txt, .jsonl or .parquet files in the folder, found none", folder.string());
  return files;
}

std::vector<SourceFile> files_of_pattern(const std::string& pattern) {
  glob_t found{};
  std::vector<SourceFile> files;
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {  // sorted
    for (size_t i = 0; i < found.gl_pathc; ++i) {
      const Path path = found.gl_pathv[i];
      TextFormat format;
      if (fs::is_regular_file(path) && text_format_of(path, &format)) files.push_back({path, path.filename().string()});
    }
  }
  ::globfree(&found);
  if (files.empty()) fail("{}: expected .txt, .jsonl or .parquet files, found none that match", pattern);
  return files;
}

}  // namespace

bool text_format_of(const Path& path, TextFormat* format) {
  if (path.extension() == ".parquet") {
    *format = TextFormat::parquet;
    return true;
  }
  const bool packed = path.extension() == ".gz" || path.extension() == ".zst";
  const Path extension = packed ? path.stem().extension() : path.extension();
  *format = extension == ".jsonl" ? TextFormat::jsonl : TextFormat::plain;
  return extension == ".jsonl" || extension == ".txt";
}

std::vector<SourceFile> expand_sources(std::span<const std::string> arguments) {
  std::vector<SourceFile> files;
  std::set<Path> seen;
  for (const std::string& argument : arguments) {
    std::vector<SourceFile> found;
    TextFormat format;
    if (fs::is_directory(argument)) {
      found = files_of_folder(argument);
    } else if (fs::exists(argument)) {
      if (!text_format_of(argument, &format)) {
        fail_usage("{}: expected a .txt, .jsonl (also .gz, .zst) or .parquet file, found another extension", argument);
      }
      found = {{argument, Path(argument).filename().string()}};
    } else if (argument.find_first_of("*?[") != std::string::npos) {
      found = files_of_pattern(argument);
    } else {
      fail("{}: no such file or folder", argument);
    }
    for (SourceFile& file : found) {
      if (seen.insert(fs::weakly_canonical(file.path)).second) files.push_back(std::move(file));
    }
  }
  return files;
}

}  // namespace propane
