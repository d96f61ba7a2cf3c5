#include "train/held_out.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>

#include "base/error.h"
#include "formats/xxh64.h"

namespace propane::train {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kListName = "held_out.list";
constexpr std::string_view kPinnedShard = "shard_06542.parquet";  // autoresearch's validation shard, the last of 6,543

std::optional<double> as_number(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The list that lies in a source folder; empty if there is none. Two would have to be merged by the person.
std::string find_list(std::span<const std::string> arguments) {
  std::string found;
  for (const std::string& argument : arguments) {
    const Path path = Path(argument) / kListName;
    if (!fs::exists(path)) continue;
    if (!found.empty())
      fail_usage("{} and {}: expected one list of held-out documents (--held-out-list)", found, path.string());
    found = path.string();
  }
  return found;
}

// Takes the files that `test` is true for out of `files`.
template <typename Test>
std::vector<SourceFile> extract(std::vector<SourceFile>* files, Test test) {
  const auto rest = std::stable_partition(files->begin(), files->end(), [&](const auto& file) { return !test(file); });
  std::vector<SourceFile> taken(std::make_move_iterator(rest), std::make_move_iterator(files->end()));
  files->erase(rest, files->end());
  return taken;
}

// Where the tail begins that holds about `fraction` of a text: at the next paragraph, else line, else word. The whole
// text's size if there is no such place.
size_t tail_begin(std::string_view text, double fraction) {
  const auto wanted = static_cast<size_t>(static_cast<double>(text.size()) * (1 - fraction));
  for (std::string_view end : {"\n\n", "\n", " "}) {
    const size_t found = text.find(end, wanted);
    if (found == std::string_view::npos) continue;
    const size_t begin = found + end.size();
    if (begin < text.size()) return begin;
  }
  return text.size();
}

}  // namespace

HeldOut::HeldOut(const HeldOutOptions& options, std::span<const std::string> arguments,
                 std::vector<SourceFile>* sources, const TextOptions& text) {
  if (!options.list.empty() && !options.held_out.empty()) {
    fail_usage("--held-out and --held-out-list: expected one of them, found both");
  }
  const std::optional<double> fraction = options.held_out.size() == 1 ? as_number(options.held_out[0]) : std::nullopt;
  const auto is_pinned = [](const SourceFile& file) { return file.path.filename() == kPinnedShard; };
  if (!options.list.empty()) {
    read_list(options.list);
  } else if (fraction) {
    use_fraction(*fraction, *sources, text);
  } else if (!options.held_out.empty()) {
    rule_ = Rule::files;
    files_ = expand_sources(options.held_out);
    extract(sources, [&](const SourceFile& file) {
      return std::any_of(files_.begin(), files_.end(),
                         [&](const auto& held) { return fs::equivalent(held.path, file.path); });
    });
  } else if (const std::string list = find_list(arguments); !list.empty()) {
    read_list(list);
  } else if (std::any_of(sources->begin(), sources->end(), is_pinned)) {
    rule_ = Rule::files;
    files_ = extract(sources, is_pinned);
  } else {
    use_fraction(kDefaultFraction, *sources, text);
  }
  if (sources->empty()) fail("expected text to train on, found that every source is held out");
}

void HeldOut::use_fraction(double fraction, std::span<const SourceFile> sources, const TextOptions& text) {
  if (!(fraction >= 0 && fraction < 1))
    fail_usage("--held-out: expected a share from 0 to below 1, found {}", fraction);
  fraction_ = fraction;
  if (fraction == 0) return;
  TextSources documents({sources.begin(), sources.end()}, text);
  uint64_t count = 0;
  for (Document document; count < kFewDocuments && documents.next(&document);) ++count;
  rule_ = count < kFewDocuments ? Rule::tail : Rule::hash;
}

void HeldOut::read_list(const std::string& path) {
  rule_ = Rule::list;
  list_ = path;
  const std::string content = read_file(path);
  for (size_t at = 0; at < content.size();) {
    const size_t end = std::min(content.find('\n', at), content.size());
    std::string line = content.substr(at, end - at);
    at = end + 1;
    const size_t first = line.find_first_not_of(" \t"), last = line.find_last_not_of(" \t\r");
    if (first == std::string::npos || line[first] == '#' || last == std::string::npos) continue;
    ids_.emplace(line.substr(first, last - first + 1), false);
  }
  if (ids_.empty()) fail("{}: expected ids of documents to hold out, one a line, found none", path);
}

size_t HeldOut::training_bytes(const Document& document) {
  switch (rule_) {
    case Rule::none:
    case Rule::files: return document.text.size();
    case Rule::list: {
      const auto found = ids_.find(document.id);
      if (found == ids_.end()) return document.text.size();
      found->second = true;
      return 0;
    }
    case Rule::hash: {
      // By its text, so that a document is on one side however often and in whatever order it comes.
      const double place = static_cast<double>(xxh64(document.text) >> 11) * 0x1p-53;
      return place < fraction_ ? 0 : document.text.size();
    }
    case Rule::tail: return tail_begin(document.text, fraction_);
  }
  return document.text.size();
}

void HeldOut::require_all_found() const {
  for (const auto& [id, found] : ids_) {
    if (!found) fail("{}: expected only documents of the sources, found {}, which did not come", list_, id);
  }
}

const char* HeldOut::rule() const {
  switch (rule_) {
    case Rule::none: return "none";
    case Rule::list: return "list";
    case Rule::files: return "files";
    case Rule::hash: return "hash";
    case Rule::tail: return "tail";
  }
  return "none";
}

}  // namespace propane::train
