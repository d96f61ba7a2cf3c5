#include "train/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <regex>

#include "base/error.h"
#include "base/utf8.h"
#include "train/machine.h"
#include "train/metrics.h"
#include "train/samples.h"
#include "train/summary.h"
#include "train/test_folder.h"
#include "train/text.h"

namespace propane::train {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

void write(const Path& path, std::string_view content) { std::ofstream(path, std::ios::binary) << content; }

void write_metrics(const Path& folder, int64_t steps, const DeviceLabel& device = {}) {
  MetricsWriter writer = MetricsWriter::start(folder / "metrics.jsonl");
  for (int64_t step = 1; step <= steps; ++step) {
    StepMetrics m{.step = step, .loss = 2 + 7 / static_cast<double>(step), .lr = 0.04, .grad_norm = 0.5};
    m.tokens = step * 1000;
    m.tok_per_s = 10000;
    m.mfu = 0.5;
    m.seconds = 0.1 * static_cast<double>(step);
    m.device = device;
    if (device.simulated) m.predicted = {{"tok_per_s", 250000}};
    if (step % 10 == 0) m.val_bpb = 1.5 + 1 / static_cast<double>(step);
    writer.write(m);
  }
}

RunSummary a_summary() {
  return {.val_bpb = 1.5,
          .val_loss = 3,
          .training_seconds = 10,
          .total_seconds = 12,
          .peak_memory_bytes = 300 << 20,
          .mfu = 0.5,
          .tokens = 100000,
          .steps = 100,
          .parameters = 1300000,
          .depth = 4,
          .xz_bpb = 2.0,
          .ppmd_bpb = 1.6};
}

std::string page_of(const Path& folder) { return read_file(write_report(folder)); }

// Whether every element that is opened is closed, in order; "" or the first tag that is not.
std::string unbalanced(const std::string& html) {
  static const std::regex tag(R"(<(/?)([a-zA-Z][a-zA-Z0-9]*)((?:[^<>"]|"[^"]*")*?)(/?)>)");
  std::string body = std::regex_replace(html, std::regex(R"(<(script|style)[^>]*>[^]*?</\1>)"), "");
  std::vector<std::string> open;
  for (std::sregex_iterator at(body.begin(), body.end(), tag), end; at != end; ++at) {
    const std::string name = (*at)[2];
    if (name == "meta" || (*at)[4] == "/") continue;
    if ((*at)[1] != "/") {
      open.push_back(name);
    } else {
      if (open.empty() || open.back() != name) return at->str();
      open.pop_back();
    }
  }
  return open.empty() ? "" : open.back();
}

TEST(Report, ShowsTheWholeRunOnOnePage) {
  const TestFolder folder;
  write_metrics(folder.path(), 100);
  write(folder / "summary.json", summary_json(a_summary()));
  write(folder / "machine.json", machine_json(machine_facts()));
  write(folder / "config.toml", "# settings\n[model]\ndepth = 4\n");
  SampleWriter(folder / "samples.jsonl", 0).write({100, "Once", " upon a time"});
  EXPECT_EQ(write_report(folder.path()), folder / "report.html");
  const std::string page = read_file(folder / "report.html");
  EXPECT_EQ(unbalanced(page), "");
  for (const char* title : {"Training loss", "val_bpb", "Learning rate", "Gradient norm", "Throughput"})
    EXPECT_THAT(page, HasSubstr(std::string("<h3>") + title + "</h3>")) << title;
  EXPECT_THAT(page,
              HasSubstr("<b>val_bpb 1.5000</b> after 100 steps and 100k tokens in 0:10 on cpu: 0.75 times what xz "
                        "−9e needs (2.000) and 0.94 times what PPMd needs (1.600)."));
  EXPECT_THAT(page, HasSubstr(">xz −9e 2.000<"));
  EXPECT_THAT(page, HasSubstr(">PPMd 1.600<"));
  EXPECT_THAT(page, HasSubstr("<dt>MFU</dt><dd>50.0 %"));
  EXPECT_THAT(page, HasSubstr("<dt>peak memory</dt><dd>300 MiB"));
  EXPECT_THAT(page, HasSubstr("<b>Once</b> upon a time"));
  EXPECT_THAT(page, HasSubstr("<i># settings</i>\n<b>[model]</b>\ndepth = 4\n"));
  EXPECT_THAT(page, HasSubstr(escape_html(machine_facts().cpu)));
  EXPECT_THAT(page, HasSubstr("prefers-color-scheme: dark"));
}

TEST(Report, NeedsNothingFromOutside) {
  const TestFolder folder;
  write_metrics(folder.path(), 30);
  const std::string page = page_of(folder.path());
  for (const char* outside :
       {"http:", "https:", "//cdn", "src=", "href=", "url(", "@import", "fetch(", "<link", "<img"})
    EXPECT_THAT(page, Not(HasSubstr(outside)));
}

TEST(Report, HostileBytesAreShownAsText) {
  const TestFolder folder;
  const Path run = folder / "<i>run & \"co\"";
  std::filesystem::create_directory(run);
  write_metrics(run, 30);
  using namespace std::string_literals;
  const std::string evil = "</p><script>alert('x')</script>\0\x1B\xFF\xC3<!--"s;
  SampleWriter(run / "samples.jsonl", 0).write({30, evil, evil});
  write(run / "config.toml", "name = \"" + evil + "\"\n[" + evil + "]\n# " + evil);
  write(run / "machine.json", "{\"cpu\": \"</td><script>x\\u0000\", \"<k>\": [1, \"<b>\"]}");
  const std::string page = page_of(run);
  EXPECT_EQ(unbalanced(page), "");
  EXPECT_EQ(utf8_replace_invalid(page), page);
  EXPECT_EQ(page.find('\0'), std::string::npos);
  EXPECT_THAT(page, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(page, Not(HasSubstr("<script>x")));
  EXPECT_THAT(page, Not(HasSubstr("<!--")));
  EXPECT_THAT(page, Not(HasSubstr("<i>run")));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;\xE2\x90\x80\xE2\x90\x9B\xEF\xBF\xBD"));
}

TEST(Report, SaysThatADeviceIsSimulated) {
  const TestFolder folder;
  write_metrics(folder.path(), 30, {"ane:sim", true, "M4"});
  const std::string page = page_of(folder.path());
  EXPECT_THAT(page, HasSubstr("<b>Simulated device: ane:sim=M4.</b>"));
  EXPECT_THAT(page, HasSubstr("Throughput of the host"));
  EXPECT_THAT(page, HasSubstr("<dt>host tokens/s</dt>"));
  EXPECT_THAT(page, HasSubstr("<dt>predicted tok_per_s</dt><dd>250k"));
  EXPECT_THAT(page, Not(HasSubstr("<dt>MFU</dt>")));
  const TestFolder real;
  write_metrics(real.path(), 30);
  EXPECT_THAT(page_of(real.path()), Not(HasSubstr("Simulated")));
}

TEST(Report, OfARunThatHasNotEndedSaysSo) {
  const TestFolder folder;
  write_metrics(folder.path(), 5);
  const std::string page = page_of(folder.path());
  EXPECT_EQ(unbalanced(page), "");
  EXPECT_THAT(page, HasSubstr("The run has not ended"));
  EXPECT_THAT(page, Not(HasSubstr("<h3>val_bpb</h3>")));
  EXPECT_THAT(page, Not(HasSubstr("<h2>Samples</h2>")));
  EXPECT_THAT(page, Not(HasSubstr("<h2>Configuration</h2>")));
}

TEST(Report, MarksTheStepAtWhichARunWasLost) {
  const TestFolder folder;
  write_metrics(folder.path(), 20);
  JsonlAppender(folder / "metrics.jsonl").append("{\"step\":21,\"loss\":null,\"grad_norm\":null}");
  const std::string page = page_of(folder.path());
  EXPECT_THAT(page, HasSubstr("The loss was not a finite number at step 21."));
  EXPECT_THAT(page, HasSubstr("class=\"lost\""));
}

TEST(Report, OfALongRunStaysSmall) {
  const TestFolder folder;
  write_metrics(folder.path(), 50000);
  SampleWriter samples(folder / "samples.jsonl", 0);
  for (int64_t step = 100; step <= 50000; step += 100) samples.write({step, "Prompt", " text"});
  const std::string page = page_of(folder.path());
  EXPECT_LT(page.size(), 400'000u);
  EXPECT_THAT(page, HasSubstr("Earlier samples (200 of 498)"));
  EXPECT_THAT(page, HasSubstr("<h3>step 50,000</h3>"));
}

TEST(Report, ADamagedFileIsNamedAndTheOldReportStays) {
  const TestFolder folder;
  const auto error = [&]() -> std::string {
    try {
      write_report(folder.path());
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_THAT(error(), HasSubstr("metrics.jsonl"));
  write(folder / "metrics.jsonl", "");
  EXPECT_THAT(error(), HasSubstr("metrics.jsonl: expected at least one step, found none"));
  write_metrics(folder.path(), 3);
  write(folder / "report.html", "old");
  write(folder / "samples.jsonl", "{\"step\":1,\"prompt\":\"p\",\"text\":\"t\"}\n{\"step\":2}\n");
  EXPECT_THAT(error(), HasSubstr("samples.jsonl:2: expected the key 'prompt'"));
  std::filesystem::remove(folder / "samples.jsonl");
  write(folder / "machine.json", "[");
  EXPECT_THAT(error(), HasSubstr("machine.json: expected a JSON object"));
  std::filesystem::remove(folder / "machine.json");
  write(folder / "summary.json", "nothing");
  EXPECT_THAT(error(), HasSubstr("summary.json: expected a JSON object"));
  EXPECT_EQ(read_file(folder / "report.html"), "old");
}

}  // namespace
}  // namespace propane::train
