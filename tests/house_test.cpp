// Checks the tree against "The house" of docs/design.md, which is read from that page: the page is the rule.
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace propane {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int kMaxLines = 600;

struct Folder {
  std::string path;     // from the root: "graph", "backends/cpu"
  int level = 0;        // may include folders of a lower level only, and itself
  bool sealed = false;  // nobody else includes its headers, and it includes only backends/ane's
  bool code = true;     // false for tests, docs, tools and the like: not part of the order
};
using House = std::vector<Folder>;
using Problems = std::vector<std::string>;

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// The folder names of one line of the list: words that end in '/', at its start or after two spaces, none in brackets.
std::vector<std::string> folder_names(std::string_view line) {
  std::vector<std::string> names;
  int depth = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    depth += (line[i] == '(') - (line[i] == ')');
    if (depth > 0 || line.substr(i, 2) != "  ") continue;
    const size_t begin = line.find_first_not_of(' ', i);
    if (begin == line.npos) break;
    const size_t end = std::min(line.find(' ', begin), line.size());
    if (line[end - 1] == '/') names.emplace_back(line.substr(begin, end - begin - 1));
    i = begin - 1;
  }
  return names;
}

House parse_house(std::string_view design) {
  const size_t start = design.find("## The house\n");
  if (start == design.npos) fail("docs/design.md: expected a section '## The house', found none");
  House house;
  int level = 0;
  for (std::string_view line : split_lines(design.substr(start))) {
    if (line.starts_with("##") || line.empty()) continue;
    if (!line.starts_with("    ")) break;
    const auto names = folder_names(line);
    if (names.empty()) continue;
    const bool code = names[0] != "tests";
    const bool sealed = line.find("nothing else may include its headers") != line.npos;
    if (names[0] == "backends") {  // the rest of the line are its parts, which do not see each other
      house.push_back({names[0], level++});
      for (size_t i = 1; i < names.size(); ++i) house.push_back({"backends/" + names[i], level});
      ++level;
    } else {
      for (const auto& name : names) house.push_back({name, level++, sealed, code});
    }
  }
  return house;
}

// The innermost folder of the house that a path from the root lies in.
const Folder* folder_of(const House& house, std::string_view path) {
  const Folder* best = nullptr;
  for (const Folder& folder : house)
    if (path.starts_with(folder.path + "/") && (!best || folder.path.size() > best->path.size())) best = &folder;
  return best;
}

// Every file of the tree, as a path from the root, in order; build folders, virtual environments and runs left out.
std::vector<std::string> files_of(const Path& root) {
  std::vector<std::string> files;
  for (auto it = fs::recursive_directory_iterator(root); it != fs::recursive_directory_iterator(); ++it) {
    const std::string name = it->path().filename().string();
    const bool ours = !name.starts_with(".") && !name.starts_with("build-") && name != "__pycache__" &&
                      !(it.depth() == 0 && (name == "build" || name == "runs"));
    if (it->is_directory() && !ours) it.disable_recursion_pending();
    if (it->is_regular_file() && ours) files.push_back(it->path().lexically_relative(root).generic_string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

bool has_extension(std::string_view file, std::initializer_list<std::string_view> extensions) {
  return std::any_of(extensions.begin(), extensions.end(), [&](std::string_view e) { return file.ends_with(e); });
}

// The path in `#include "path"` or `#import "path"`.
std::optional<std::string_view> quoted_include(std::string_view line) {
  const auto skip = [&](std::string_view word) {
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    if (!line.starts_with(word)) return false;
    line.remove_prefix(word.size());
    return true;
  };
  if (!skip("#") || !(skip("include") || skip("import")) || !skip("\"")) return {};
  return line.substr(0, line.find('"'));
}

// Why `from` may not include a header of `to`; empty when it may.
std::string refusal(const House& house, const Folder& from, std::string_view header, const Folder& to) {
  if (&from == &to) return "";
  if (to.sealed) return fmt::format("nothing else may include headers of {}/", to.path);
  if (from.sealed && !header.starts_with("backends/ane/"))
    return fmt::format("{}/ may use only backends/ane/'s grammar and rules of ours", from.path);
  if (to.code && to.level < from.level) return "";
  std::vector<std::string> allowed;
  for (const Folder& folder : house)
    if (folder.code && folder.level < from.level && !folder.sealed) allowed.push_back(folder.path);
  return fmt::format("{}/ may use only {}", from.path,
                     allowed.empty() ? "itself" : fmt::format("{}", fmt::join(allowed, ", ")));
}

Problems include_problems(const Path& root, const House& house) {
  Problems problems;
  for (const std::string& file : files_of(root)) {
    const Folder* from = folder_of(house, file);
    if (!from || !from->code || file.find("_test.") != file.npos) continue;
    if (!has_extension(file, {".h", ".hpp", ".cpp", ".cc", ".c", ".mm", ".m", ".cu", ".cuh", ".metal", ".inc"}))
      continue;
    const std::string text = read_file(root / file);
    int number = 0;
    for (std::string_view line : split_lines(text)) {
      ++number;
      const auto header = quoted_include(line);
      if (!header) continue;
      const Folder* to = folder_of(house, *header);
      const std::string why =
          to ? refusal(house, *from, *header, *to) : "a header of ours is included by its path from the root";
      if (!why.empty()) problems.push_back(fmt::format("{}:{}: includes \"{}\": {}", file, number, *header, why));
    }
  }
  return problems;
}

// The paragraphs of a page, headings left out; each as its number of words.
std::vector<int> paragraphs(std::string_view page) {
  std::vector<int> words;
  bool inside = false;
  for (std::string_view line : split_lines(page)) {
    const bool text = line.find_first_not_of(" \t\r") != line.npos && !line.starts_with("#");
    if (text && !inside) words.push_back(0);
    inside = text;
    if (text) words.back() += 1 + static_cast<int>(std::count(line.begin(), line.end(), ' '));
  }
  return words;
}

Problems readme_problems(const Path& root, const House& house) {
  std::set<std::string> present, unknown;
  for (const std::string& file : files_of(root)) {
    const Folder* folder = folder_of(house, file);
    if (folder) present.insert(folder->path);
    else if (file.find('/') != file.npos) unknown.insert(file.substr(0, file.find('/')));
  }
  Problems problems;
  for (const std::string& name : unknown)
    problems.push_back(fmt::format("{}/: is not in the list of \"The house\" in docs/design.md", name));
  for (const Folder& folder : house) {
    if (!present.contains(folder.path)) continue;
    const std::string readme = folder.path + "/README.md";
    if (!fs::exists(root / readme)) {
      problems.push_back(fmt::format("{}:1: is missing; every folder says in a paragraph what lives there", readme));
      continue;
    }
    const auto words = paragraphs(read_file(root / readme));
    if (words.empty() || words[0] < 15)
      problems.push_back(fmt::format("{}:1: expected a paragraph that says what lives there, found {} words", readme,
                                     words.empty() ? 0 : words[0]));
    else if (folder.code && words.size() > 1)
      problems.push_back(fmt::format("{}:1: expected one paragraph, found {}", readme, words.size()));
  }
  return problems;
}

Problems length_problems(const Path& root) {
  Problems problems;
  for (const std::string& file : files_of(root)) {
    if (file.starts_with("data/") || file.starts_with("tests/fixtures/")) continue;
    if (!has_extension(file, {".h",  ".hpp", ".cpp", ".cc", ".c",     ".mm",   ".m",   ".cu", ".cuh",     ".metal",
                              ".py", ".inc", ".sh",  ".md", ".cmake", ".html", ".css", ".js", "Makefile", ".txt"}))
      continue;
    const std::string text = read_file(root / file);
    const auto lines = std::count(text.begin(), text.end(), '\n');
    if (lines > kMaxLines)
      problems.push_back(fmt::format("{}:{}: the file goes on to line {}; one idea a file, {} lines at most", file,
                                     kMaxLines + 1, lines, kMaxLines));
  }
  return problems;
}

std::string listed(const Problems& problems) { return fmt::format("{}\n", fmt::join(problems, "\n")); }

const Path kRoot = PROPANE_SOURCE_DIR;

House our_house() { return parse_house(read_file(kRoot / "docs/design.md")); }

TEST(House, EachFolderUsesOnlyThoseAboveIt) {
  const Problems problems = include_problems(kRoot, our_house());
  EXPECT_THAT(problems, IsEmpty()) << listed(problems);
}

TEST(House, EachFolderSaysInAParagraphWhatLivesThere) {
  const Problems problems = readme_problems(kRoot, our_house());
  EXPECT_THAT(problems, IsEmpty()) << listed(problems);
}

TEST(House, NoFileIsTooLong) {
  const Problems problems = length_problems(kRoot);
  EXPECT_THAT(problems, IsEmpty()) << listed(problems);
}

TEST(House, TheDesignListsTheFoldersInOrder) {
  const House house = our_house();
  const auto level = [&](std::string_view path) {
    const auto it = std::find_if(house.begin(), house.end(), [&](const Folder& f) { return f.path == path; });
    return it == house.end() ? -1 : it->level;
  };
  EXPECT_EQ(level("base"), 0);
  const std::vector<std::string> order = {"base",     "formats",      "tokenizer", "jinja", "graph", "models",
                                          "backends", "backends/cpu", "applesim",  "infer", "train", "serve",
                                          "agent",    "lab",          "api",       "cli"};
  for (size_t i = 1; i < order.size(); ++i) EXPECT_LT(level(order[i - 1]), level(order[i])) << order[i];
  EXPECT_EQ(level("backends/ref"), level("backends/cpu"));
  EXPECT_GE(level("bench"), 0);
}

// The rules themselves, on a tree that breaks each of them.
class HouseRules : public testing::Test {
 protected:
  HouseRules() {
    std::string pattern = (fs::temp_directory_path() / "propane-house-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
  }
  ~HouseRules() override { fs::remove_all(root_); }

  void put(const std::string& file, std::string_view content) {
    fs::create_directories((root_ / file).parent_path());
    write_file_atomically(root_ / file, content);
  }

  Path root_;
  House house_ = parse_house(
      "## The house\n\n"
      "    base/      files and threads\n"
      "    backends/  ref/ (the oracle)  cpu/  gpu/ (kernels/ cuda/)\n"
      "    sim/       a stand-in; nothing else may include its headers\n"
      "    serve/     HTTP API, pages     agent/   tool loop\n"
      "    tests/  docs/\n\nNo more/ of them.\n");
};

TEST_F(HouseRules, TheListIsReadWithItsPartsAndLevels) {
  std::vector<std::string> read;
  for (const Folder& f : house_)
    read.push_back(fmt::format("{} {}{}{}", f.path, f.level, f.sealed ? " sealed" : "", f.code ? "" : " free"));
  EXPECT_THAT(read, ElementsAre("base 0", "backends 1", "backends/ref 2", "backends/cpu 2", "backends/gpu 2",
                                "sim 3 sealed", "serve 4", "agent 5", "tests 6 free", "docs 7 free"));
}

TEST_F(HouseRules, AnIncludeOfAFolderBelowIsNamedByFileAndLine) {
  put("base/file.h", "#pragma once\n#include <vector>\n  #  include \"serve/http.h\"\n");
  EXPECT_THAT(include_problems(root_, house_),
              ElementsAre("base/file.h:3: includes \"serve/http.h\": base/ may use only itself"));
}

TEST_F(HouseRules, BackendsDoNotSeeEachOther) {
  put("backends/cpu/gemm.cpp",
      "#include \"base/file.h\"\n#include \"backends/cpu/gemm.h\"\n#include \"backends/ref/gemm.h\"\n");
  EXPECT_THAT(
      include_problems(root_, house_),
      ElementsAre(
          "backends/cpu/gemm.cpp:3: includes \"backends/ref/gemm.h\": backends/cpu/ may use only base, backends"));
}

TEST_F(HouseRules, ASealedFolderIsNeitherIncludedNorIncludes) {
  put("serve/a.mm", "#import \"sim/ane.h\"\n");
  put("sim/b.mm", "#import \"base/file.h\"\n#import \"backends/ane/mil/grammar.h\"\n#import \"sim/ane.h\"\n");
  const Problems problems = include_problems(root_, parse_house("## The house\n\n    base/  b\n    backends/  ane/\n"
                                                                "    sim/  nothing else may include its headers\n"
                                                                "    serve/  s\n"));
  EXPECT_THAT(problems, ElementsAre(HasSubstr("serve/a.mm:1:"), HasSubstr("sim/b.mm:1:")));
}

TEST_F(HouseRules, IncludesGoByThePathFromTheRoot) {
  put("base/file.cpp", "#include \"file.h\"\n");
  EXPECT_THAT(include_problems(root_, house_), ElementsAre(HasSubstr("base/file.cpp:1: includes \"file.h\"")));
}

TEST_F(HouseRules, TestsMayIncludeAnything) {
  put("base/file_test.cpp", "#include \"serve/http.h\"\n");
  put("tests/whole.cpp", "#include \"serve/http.h\"\n");
  EXPECT_THAT(include_problems(root_, house_), IsEmpty());
}

TEST_F(HouseRules, MissingEmptyAndLongReadmesAreFound) {
  const std::string paragraph =
      "Sixteen words or more that say what lives in this folder and where\nto start reading it, in order.\n";
  put("base/a.h", "");
  put("serve/README.md", "# serve\n\n" + paragraph);
  put("agent/README.md", "# agent\n\nAn agent.\n");
  put("backends/cpu/README.md", paragraph + "\n" + paragraph);
  put("docs/README.md", paragraph + "\n" + paragraph);
  put("stray/a.h", "");
  put(".venv-x/lib/a.h", "");
  EXPECT_THAT(readme_problems(root_, house_),
              ElementsAre(HasSubstr("stray/: is not in the list"), HasSubstr("base/README.md:1: is missing"),
                          HasSubstr("backends/cpu/README.md:1: expected one paragraph, found 2"),
                          HasSubstr("agent/README.md:1: expected a paragraph")));
}

TEST_F(HouseRules, AFileOf601LinesIsTooLongUnlessItIsData) {
  const std::string lines(kMaxLines, '\n');
  put("base/short.cpp", lines);
  put("base/long.cpp", lines + "\n");
  put("data/long.txt", lines + "\n");
  put("tests/fixtures/long.py", lines + "\n");
  EXPECT_THAT(length_problems(root_), ElementsAre(HasSubstr("base/long.cpp:601:")));
}

}  // namespace
}  // namespace propane
