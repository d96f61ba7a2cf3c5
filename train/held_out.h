// Which documents are held out of training, by a rule that gives the same answer whenever it is asked.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "formats/text_source.h"

namespace propane::train {

struct HeldOutOptions {
  // A share in [0, 1), or files, folders and globs that are held out as a whole; empty: `default_fraction`, unless one
  // of the next two decides.
  std::vector<std::string> held_out;
  // A file of document ids (Document::id), one a line; # begins a comment. Without it and without `held_out`, a source
  // folder's own held_out.list is taken; else autoresearch's pinned shard, shard_06542.parquet, if it is a source.
  std::string list;
};

class HeldOut {
 public:
  static constexpr double kDefaultFraction = 0.05;
  // With fewer documents than this a share of them would be uneven or empty.
  static constexpr uint64_t kFewDocuments = 100;

  // Decides on the rule and takes the files that are held out as a whole from `sources`. `arguments` is what the person
  // named as sources. Reads up to kFewDocuments documents if the rule is a share. Throws UsageError for a share outside
  // [0, 1) or two rules at once, Error for a list that cannot be read.
  HeldOut(const HeldOutOptions& options, std::span<const std::string> arguments, std::vector<SourceFile>* sources,
          const TextOptions& text);

  // Files that are held out as a whole.
  const std::vector<SourceFile>& files() const { return files_; }

  // How many bytes of a document of the other files are trained on, from its beginning; the rest is held out. Marks
  // listed ids as found.
  size_t training_bytes(const Document& document);

  // Throws Error if a listed document did not come.
  void require_all_found() const;

  // What dataset.json says: "list", "files", "hash", "tail" or "none"; the list's path; the share.
  const char* rule() const;
  const std::string& list() const { return list_; }
  double fraction() const { return fraction_; }

 private:
  enum class Rule { none, list, files, hash, tail };

  void use_fraction(double fraction, std::span<const SourceFile> sources, const TextOptions& text);
  void read_list(const std::string& path);

  Rule rule_ = Rule::none;
  double fraction_ = 0;
  std::string list_;
  std::map<std::string, bool, std::less<>> ids_;  // whether each was found
  std::vector<SourceFile> files_;
};

}  // namespace propane::train
