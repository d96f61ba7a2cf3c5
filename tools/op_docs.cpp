// Prints docs/ops.md from the ops themselves: op_docs > docs/ops.md. With --check FILE it compares instead, and fails
// where the page says something else.
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "graph/op.h"

namespace propane {
namespace {

struct Family {
  std::string_view title;
  std::span<const OpDef> ops;
};

// Which inputs the op updates in place, asked of a node with every optional input; of a group of parameters, of one.
std::string writes(const OpDef& op) {
  if (!op.writes) return "";
  constexpr int kInputs = 6;
  const Node node{&op, {{"n", int64_t{1}}}, std::vector<Val>(kInputs, Val{0}), {}, {}, {}};
  std::vector<int> written;
  for (int i = 0; i < kInputs; ++i)
    if (op.writes(node, i)) written.push_back(i);
  return fmt::format("{}", fmt::join(written, ", "));
}

std::string shares(const OpDef& op) {
  if (op.is_view) return "view of 0";
  std::vector<std::string> pairs;
  for (const auto& [output, input] : op.may_share) pairs.push_back(fmt::format("{}→{}", output, input));
  return fmt::format("{}", fmt::join(pairs, ", "));
}

// A bar would end the table's cell.
std::string cell(std::string_view text) {
  std::string out;
  for (char c : text) out += c == '|' ? "\\|" : std::string(1, c);
  return out;
}

std::string page() {
  const Family families[] = {
      {"linear", linear_ops()},
      {"elementwise", elementwise_ops()},
      {"norm", norm_ops()},
      {"embedding", embedding_ops()},
      {"attention", attention_ops()},
      {"experts", expert_ops()},
      {"loss", loss_ops()},
      {"optimizer", optimizer_ops()},
      {"state", state_ops()},
      {"collective", collective_ops()},
  };
  size_t count = 0;
  for (const Family& family : families) count += family.ops.size();
  if (count != all_ops().size())
    fail("op_docs: {} ops are in the families, {} in the vocabulary", count, all_ops().size());

  std::string out =
      "# Ops\n\n"
      "Everything that a model, a training step or a decode step is made of. This page is written by `op_docs` from\n"
      "`graph/ops/`; after a change there: `build/op_docs > docs/ops.md`.\n\n"
      "Shapes are outermost first, \"...\" is any number of leading axes, linear weights are [out, in], indices are "
      "i32.\n"
      "*Gradient*: the op has a rule in autodiff. *Writes*: the inputs, counted from 0, that are state which the op\n"
      "updates in place (of an optimizer's group, for one parameter). *May share*: output→input, an output that may "
      "be\n"
      "given the memory of an input.\n";
  for (const Family& family : families) {
    out += fmt::format("\n## {} (`graph/ops/{}.cpp`)\n\n| op | what it computes | gradient | writes | may share |\n",
                       family.title, family.title);
    out += "| --- | --- | --- | --- | --- |\n";
    for (const OpDef& op : family.ops)
      out += fmt::format("| `{}` | {} | {} | {} | {} |\n", op.name, cell(op.doc), op.gradient ? "yes" : "", writes(op),
                         shares(op));
  }
  return out;
}

void check(const Path& path) {
  if (std::string(read_file(path)) != page())
    fail("{}: is not what the ops say now; write it again with: op_docs > {}", path.string(), path.string());
}

}  // namespace
}  // namespace propane

int main(int argc, char** argv) {
  try {
    if (argc == 3 && std::string_view(argv[1]) == "--check") {
      propane::check(argv[2]);
    } else if (argc == 1) {
      std::fputs(propane::page().c_str(), stdout);
    } else {
      propane::fail_usage("op_docs: expected no arguments, or --check FILE");
    }
    return 0;
  } catch (const propane::UsageError& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
  } catch (const propane::Error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
