#include "train/machine.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "base/file.h"
#include "base/version.h"

namespace propane::train {
namespace {

TEST(Machine, KnowsWhatItRunsOn) {
  const MachineFacts facts = machine_facts();
  EXPECT_FALSE(facts.cpu.empty());
  EXPECT_GE(facts.cores, 1);
  EXPECT_GT(facts.memory_bytes, int64_t{64} << 20);
  EXPECT_FALSE(facts.os.empty());
  EXPECT_NE(facts.compiler.find('.'), std::string::npos);
  EXPECT_FALSE(facts.simd.empty());
}

TEST(Machine, JsonHoldsEveryFact) {
  MachineFacts facts = machine_facts();
  facts.cpu = "Odd \xff \"CPU\"";
  const auto object = nlohmann::json::parse(machine_json(facts));
  EXPECT_EQ(object["cpu"], "Odd \xEF\xBF\xBD \"CPU\"");
  EXPECT_EQ(object["cores"], facts.cores);
  EXPECT_EQ(object["memory_bytes"], facts.memory_bytes);
  EXPECT_EQ(object["os"], facts.os);
  EXPECT_EQ(object["compiler"], facts.compiler);
  EXPECT_EQ(object["version"], facts.version);
  EXPECT_EQ(object["simd"], facts.simd);
}

TEST(Machine, PeakMemoryGrowsWithUse) {
  const int64_t before = peak_resident_bytes();
  const std::vector<char> used(static_cast<size_t>(before) + (64 << 20), 1);
  EXPECT_GE(peak_resident_bytes(), before + (32 << 20)) << used.size();
}

TEST(Version, IsTheOneOfTheBuild) {
  const std::string build = read_file(Path(PROPANE_SOURCE_DIR) / "CMakeLists.txt");
  EXPECT_NE(build.find("project(propane VERSION " + std::string(kVersion) + " "), std::string::npos);
}

}  // namespace
}  // namespace propane::train
