#include "train/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/utf8.h"
#include "train/metrics.h"
#include "train/progress.h"
#include "train/report_chart.h"
#include "train/report_page.h"
#include "train/samples.h"
#include "train/summary.h"
#include "train/text.h"

namespace propane::train {

namespace {

constexpr size_t kOpenSamples = 2;      // steps whose samples show at once
constexpr size_t kFoldedSamples = 200;  // samples behind the fold

struct Run {
  std::string name;
  std::vector<StepMetrics> steps;  // at least one
  std::optional<RunSummary> summary;
  std::vector<Sample> samples;
  std::string config;
  nlohmann::ordered_json machine;
  DeviceLabel device;
};

Run read_run(const Path& folder) {
  Run run;
  run.name = std::filesystem::weakly_canonical(folder).filename().string();
  run.steps = read_metrics(folder / "metrics.jsonl");
  if (run.steps.empty()) fail("{}: expected at least one step, found none", (folder / "metrics.jsonl").string());
  if (std::filesystem::exists(folder / "summary.json")) run.summary = read_summary(folder / "summary.json");
  run.samples = read_samples(folder / "samples.jsonl");
  if (std::filesystem::exists(folder / "config.toml")) run.config = read_file(folder / "config.toml");
  if (const Path path = folder / "machine.json"; std::filesystem::exists(path)) {
    run.machine =
        nlohmann::ordered_json::parse(utf8_replace_invalid(read_file(path)), nullptr, /*allow_exceptions=*/false);
    if (!run.machine.is_object()) fail("{}: expected a JSON object", path.string());
  }
  run.device = run.steps.back().device;
  return run;
}

// "1,234,567".
std::string grouped(int64_t value) {
  std::string digits = std::to_string(value);
  for (ptrdiff_t at = static_cast<ptrdiff_t>(digits.size()) - 3; at > (value < 0 ? 1 : 0); at -= 3)
    digits.insert(static_cast<size_t>(at), 1, ',');
  return digits;
}

std::string bytes_text(double bytes) {
  const double gib = bytes / (1 << 30);
  return gib >= 1 ? fmt::format("{:.1f} GiB", gib) : fmt::format("{:.0f} MiB", bytes / (1 << 20));
}

// The median, since the first steps warm up and evaluations interrupt.
double median_speed(const Run& run) {
  std::vector<double> speeds;
  for (const StepMetrics& m : run.steps)
    if (m.tok_per_s > 0) speeds.push_back(m.tok_per_s);
  if (speeds.empty()) return 0;
  const auto middle = speeds.begin() + static_cast<ptrdiff_t>(speeds.size() / 2);
  std::nth_element(speeds.begin(), middle, speeds.end());
  return *middle;
}

std::optional<double> final_bpb(const Run& run) {
  if (run.summary && run.summary->val_bpb) return run.summary->val_bpb;
  for (auto m = run.steps.rbegin(); m != run.steps.rend(); ++m)
    if (m->val_bpb) return m->val_bpb;
  return std::nullopt;
}

std::vector<Point> points_of(const Run& run, double StepMetrics::*value) {
  std::vector<Point> points;
  for (const StepMetrics& m : run.steps) points.push_back({static_cast<double>(m.step), m.*value});
  return points;
}

// Over how many steps curves are smoothed.
size_t smooth_span(const Run& run) { return std::clamp<size_t>(run.steps.size() / 40, 4, 400); }

std::string header(const Run& run) {
  const StepMetrics& last = run.steps.back();
  const auto bpb = final_bpb(run);
  std::string lede;
  if (bpb) lede += fmt::format("<b>val_bpb {:.4f}</b> after ", *bpb);
  lede += fmt::format("{} steps and {} tokens in {} on {}", grouped(last.step),
                      count_text(static_cast<double>(last.tokens)), duration_text(last.seconds),
                      escape_html(run.device.str()));
  if (bpb && run.summary) {
    const char* joint = ": ";
    const auto compared = [&](const char* name, const std::optional<double>& other) {
      if (!other || *other <= 0) return;
      lede += fmt::format("{}{:.2f} times what {} needs ({:.3f})", joint, *bpb / *other, name, *other);
      joint = " and ";
    };
    compared("xz −9e", run.summary->xz_bpb);
    compared("PPMd", run.summary->ppmd_bpb);
  }
  lede += run.summary ? "." : ". The run has not ended: these are its figures so far.";
  std::string out =
      fmt::format(R"(<header><p class="kind">Propane training report</p><h1>{}</h1><p class="lede">{}</p></header>)"
                  "\n",
                  escape_html(run.name), lede);
  if (run.device.simulated)
    out += fmt::format(
        R"(<p class="banner" role="note"><b>Simulated device: {}.</b> Speeds are those of the host that simulated it, )"
        "not of the device; predicted values come from a cost model.</p>\n",
        escape_html(DeviceLabel{run.device.name, false, run.device.profile}.str()));
  return out;
}

std::string tiles(const Run& run) {
  std::string out = "<dl class=\"tiles\">\n";
  const auto tile = [&](std::string_view label, const std::string& value, const std::string& small = "") {
    out += fmt::format("<div><dt>{}</dt><dd>{}{}</dd></div>\n", label, value,
                       small.empty() ? "" : "<small>" + small + "</small>");
  };
  const StepMetrics& last = run.steps.back();
  if (const auto bpb = final_bpb(run)) tile("val_bpb", fmt::format("{:.4f}", *bpb), "bits per byte, held-out text");
  const double loss = smooth(points_of(run, &StepMetrics::loss), smooth_span(run)).back().y;
  tile("training loss", fmt::format("{:.4f}", loss), "nats per token, smoothed");
  tile("tokens", count_text(static_cast<double>(last.tokens)), grouped(last.step) + " steps");
  const std::string total =
      run.summary && run.summary->total_seconds > 0 ? duration_text(run.summary->total_seconds) + " in all" : "";
  tile("training time", duration_text(last.seconds), total);
  tile(run.device.simulated ? "host tokens/s" : "tokens/s", count_text(median_speed(run)), "median of the steps");
  if (!run.device.simulated) {
    const std::optional<double> mfu = run.summary && run.summary->mfu ? run.summary->mfu : last.mfu;
    if (mfu) tile("MFU", fmt::format("{:.1f} %", 100 * *mfu), "of the peak rate");
  }
  for (const auto& [name, value] : last.predicted)
    tile("predicted " + escape_html(name), value < 1000 ? fmt::format("{:.4g}", value) : count_text(value),
         "by the cost model");
  if (run.summary && run.summary->parameters > 0)
    tile("parameters", count_text(static_cast<double>(run.summary->parameters)),
         fmt::format("{} layers", run.summary->depth));
  if (run.summary && run.summary->peak_memory_bytes > 0)
    tile("peak memory", bytes_text(static_cast<double>(run.summary->peak_memory_bytes)));
  return out + "</dl>\n";
}

// Every step faintly and the trend over it.
std::vector<Series> raw_and_smooth(const Run& run, double StepMetrics::*value) {
  const std::vector<Point> raw = points_of(run, value);
  const size_t span = smooth_span(run);
  return {{"each step", "faint", raw}, {fmt::format("smoothed over {} steps", span), "main", smooth(raw, span)}};
}

std::string charts(const Run& run) {
  const double last_step = static_cast<double>(run.steps.back().step);
  Chart loss{.title = "Training loss",
             .unit = "nats per token",
             .series = raw_and_smooth(run, &StepMetrics::loss),
             .last_x = last_step,
             .wide = true};
  const auto lost =
      std::find_if(run.steps.begin(), run.steps.end(), [](const auto& m) { return !std::isfinite(m.loss); });
  if (lost != run.steps.end())
    loss.note = fmt::format("The loss was not a finite number at step {}.", grouped(lost->step));

  Chart bpb{.title = "val_bpb",
            .unit = "bits per byte, held-out text",
            .series = {{"val_bpb", "main"}},
            .last_x = last_step,
            .wide = true};
  for (const StepMetrics& m : run.steps)
    if (m.val_bpb) bpb.series[0].points.push_back({static_cast<double>(m.step), *m.val_bpb});
  bpb.series[0].markers = bpb.series[0].points.size() <= 60;
  if (run.summary && run.summary->xz_bpb) bpb.references.push_back({"xz −9e", *run.summary->xz_bpb});
  if (run.summary && run.summary->ppmd_bpb) bpb.references.push_back({"PPMd", *run.summary->ppmd_bpb});

  const Chart rate{.title = "Learning rate",
                   .unit = "",
                   .series = {{"learning rate", "main", points_of(run, &StepMetrics::lr)}},
                   .last_x = last_step,
                   .from_zero = true};
  const Chart norm{.title = "Gradient norm",
                   .unit = "before clipping",
                   .series = raw_and_smooth(run, &StepMetrics::grad_norm),
                   .last_x = last_step,
                   .from_zero = true};
  const Chart speed{.title = run.device.simulated ? "Throughput of the host" : "Throughput",
                    .unit = "tokens per second",
                    .series = raw_and_smooth(run, &StepMetrics::tok_per_s),
                    .last_x = last_step,
                    .from_zero = true};
  std::string out = "<h2>Curves</h2>\n<div class=\"charts\">\n" + render_chart(loss);
  if (!bpb.series[0].points.empty()) out += render_chart(bpb);
  return out + render_chart(rate) + render_chart(norm) + render_chart(speed) + "</div>\n";
}

std::string sample_html(const Sample& sample) {
  return fmt::format("<article class=\"sample\"><h3>step {}</h3><p><b>{}</b>{}</p></article>\n", grouped(sample.step),
                     escape_html(sample.prompt), escape_html(sample.text));
}

// The newest steps' samples openly, older ones behind a fold, evenly chosen where there are very many.
std::string samples(const Run& run) {
  if (run.samples.empty()) return "";
  std::vector<Sample> newest_first = run.samples;
  std::stable_sort(newest_first.begin(), newest_first.end(),
                   [](const auto& a, const auto& b) { return a.step > b.step; });
  size_t open = 0;
  for (size_t steps = 0; open < newest_first.size(); ++open) {
    const bool new_step = open == 0 || newest_first[open].step != newest_first[open - 1].step;
    if (new_step && ++steps > kOpenSamples) break;
  }
  std::string out = "<h2>Samples</h2>\n<div class=\"samples\">\n";
  for (size_t i = 0; i < open; ++i) out += sample_html(newest_first[i]);
  out += "</div>\n";
  const size_t rest = newest_first.size() - open;
  if (rest == 0) return out;
  const size_t shown = std::min(rest, kFoldedSamples);
  out += fmt::format("<details><summary>Earlier samples ({}{})</summary>\n<div class=\"samples\">\n", shown,
                     shown < rest ? fmt::format(" of {}", grouped(static_cast<int64_t>(rest))) : "");
  for (size_t i = 0; i < shown; ++i) out += sample_html(newest_first[open + i * rest / shown]);
  return out + "</div>\n</details>\n";
}

// TOML with its tables bold and its comments soft; a "#" inside a value is left alone.
std::string config(const Run& run) {
  if (run.config.empty()) return "";
  std::string out = "<section><h2>Configuration</h2>\n<pre>";
  std::string_view rest = run.config;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const size_t first = line.find_first_not_of(" \t");
    const char lead = first == std::string_view::npos ? ' ' : line[first];
    const char* form = lead == '[' ? "<b>{}</b>\n" : lead == '#' ? "<i>{}</i>\n" : "{}\n";
    out += fmt::format(fmt::runtime(form), escape_html(line));
  }
  return out + "</pre></section>\n";
}

std::string machine(const Run& run) {
  std::string out = "<section><h2>Machine</h2>\n<table>\n";
  const auto row = [&](std::string_view name, const std::string& value) {
    out += fmt::format("<tr><th>{}</th><td>{}</td></tr>\n", escape_html(name), escape_html(value));
  };
  row("device", run.device.str());
  for (const auto& [key, value] : run.machine.items()) {
    if (key == "memory_bytes" && value.is_number()) row("memory", bytes_text(value.get<double>()));
    else row(key == "version" ? "Propane" : key, value.is_string() ? value.get<std::string>() : value.dump());
  }
  return out + "</table></section>\n";
}

}  // namespace

Path write_report(const Path& run_folder) {
  const Run run = read_run(run_folder);
  std::string page = fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>{} – Propane training report</title>\n<style>{}</style>\n</head>\n<body>\n<main>\n",
      escape_html(run.name), report_style());
  page += header(run) + tiles(run) + charts(run) + samples(run);
  page += "<div class=\"pair\">\n" + config(run) + machine(run) + "</div>\n";
  page += fmt::format("</main>\n<script>{}</script>\n</body>\n</html>\n", report_script());
  const Path path = run_folder / "report.html";
  write_file_atomically(path, page);
  return path;
}

}  // namespace propane::train
