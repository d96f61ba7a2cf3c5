#include "train/summary.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "train/jsonl.h"

namespace propane::train {

namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr double kMiB = 1024.0 * 1024.0;

std::string fixed(const std::optional<double>& value, int decimals) {
  return value && std::isfinite(*value) ? fmt::format("{:.{}f}", *value, decimals) : "null";
}

ordered_json number_or_null(const std::optional<double>& value) {
  return value ? ordered_json(*value) : ordered_json(nullptr);
}

}  // namespace

std::string summary_block(const RunSummary& s) {
  std::string block = "---\n";
  const auto line = [&](std::string_view key, const std::string& value) {
    block += fmt::format("{:<17} {}\n", fmt::format("{}:", key), value);
  };
  std::optional<double> mfu_percent;
  if (s.mfu && !s.device.simulated) mfu_percent = 100 * *s.mfu;
  line("val_bpb", fixed(s.val_bpb, 6));
  line("training_seconds", fixed(s.training_seconds, 1));
  line("total_seconds", fixed(s.total_seconds, 1));
  line("peak_vram_mb", fixed(static_cast<double>(s.peak_memory_bytes) / kMiB, 1));
  line("mfu_percent", fixed(mfu_percent, 2));
  line("total_tokens_M", fixed(static_cast<double>(s.tokens) / 1e6, s.tokens < 1'000'000 ? 4 : 1));
  line("num_steps", fmt::format("{}", s.steps));
  line("num_params_M", fixed(static_cast<double>(s.parameters) / 1e6, s.parameters < 1'000'000 ? 4 : 1));
  line("depth", fmt::format("{}", s.depth));
  line("device", s.device.str());
  if (s.xz_bpb) line("xz_bpb", fixed(s.xz_bpb, 6));
  if (s.ppmd_bpb) line("ppmd_bpb", fixed(s.ppmd_bpb, 6));
  return block;
}

std::string summary_json(const RunSummary& s) {
  ordered_json object = {
      {"val_bpb", number_or_null(s.val_bpb)},
      {"val_loss", number_or_null(s.val_loss)},
      {"training_seconds", s.training_seconds},
      {"total_seconds", s.total_seconds},
      {"peak_vram_mb", static_cast<double>(s.peak_memory_bytes) / kMiB},
      {"peak_memory_bytes", s.peak_memory_bytes},
      {"mfu_percent", s.mfu && !s.device.simulated ? ordered_json(100 * *s.mfu) : ordered_json(nullptr)},
      {"total_tokens_M", static_cast<double>(s.tokens) / 1e6},
      {"num_steps", s.steps},
      {"num_params_M", static_cast<double>(s.parameters) / 1e6},
      {"depth", s.depth}};
  object["device"] = device_object(s.device);
  if (s.xz_bpb) object["xz_bpb"] = *s.xz_bpb;
  if (s.ppmd_bpb) object["ppmd_bpb"] = *s.ppmd_bpb;
  return object.dump(2) + "\n";
}

RunSummary read_summary(const Path& path) {
  const json object = json::parse(read_file(path), nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) fail("{}: expected a JSON object", path.string());
  const auto optional = [&](const json& from, const char* key) -> std::optional<double> {
    const auto found = from.find(key);
    if (found == from.end() || found->is_null()) return std::nullopt;
    if (!found->is_number())
      fail("{}: expected a number or null for '{}', found {}", path.string(), key, found->dump());
    return found->get<double>();
  };
  const auto number = [&](const char* key) { return optional(object, key).value_or(0); };
  const auto whole = [&](const char* key, double unit) {
    return static_cast<int64_t>(std::llround(number(key) * unit));
  };
  RunSummary s;
  s.val_bpb = optional(object, "val_bpb");
  s.val_loss = optional(object, "val_loss");
  s.training_seconds = number("training_seconds");
  s.total_seconds = number("total_seconds");
  s.peak_memory_bytes = whole("peak_memory_bytes", 1);
  if (const auto percent = optional(object, "mfu_percent")) s.mfu = *percent / 100;
  s.tokens = whole("total_tokens_M", 1e6);
  s.steps = whole("num_steps", 1);
  s.parameters = whole("num_params_M", 1e6);
  s.depth = whole("depth", 1);
  s.xz_bpb = optional(object, "xz_bpb");
  s.ppmd_bpb = optional(object, "ppmd_bpb");
  if (const auto device = object.find("device"); device != object.end()) {
    const bool readable = device->is_object() && device->value("name", json("")).is_string() &&
                          device->value("simulated", json(false)).is_boolean() &&
                          device->value("profile", json("")).is_string();
    if (!readable)
      fail("{}: expected an object {{name, simulated, profile}} for 'device', found {}", path.string(), device->dump());
    s.device = {device->value("name", "cpu"), device->value("simulated", false), device->value("profile", "")};
  }
  return s;
}

}  // namespace propane::train
