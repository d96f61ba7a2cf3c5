#include "train/metrics.h"

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace propane::train {

namespace {

using nlohmann::json;
using nlohmann::ordered_json;

ordered_json number_or_null(const std::optional<double>& value) {
  return value ? ordered_json(*value) : ordered_json(nullptr);
}

std::optional<double> optional_number(const json& object, const char* key, const Path& path, int line) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return std::nullopt;
  return jsonl_number(object, key, path, line);
}

}  // namespace

std::string metrics_line(const StepMetrics& m) {
  ordered_json line;
  line["step"] = m.step;
  line["loss"] = m.loss;
  line["lr"] = m.lr;
  line["grad_norm"] = m.grad_norm;
  line["tokens"] = m.tokens;
  line[m.device.simulated ? "host_tok_per_s" : "tok_per_s"] = m.tok_per_s;
  line["mfu"] = m.device.simulated ? ordered_json(nullptr) : number_or_null(m.mfu);
  for (const auto& [name, value] : m.predicted) line["predicted_" + name] = value;
  line["progress"] = m.progress;
  line["seconds"] = m.seconds;
  if (m.val_loss) line["val_loss"] = *m.val_loss;
  if (m.val_bpb) line["val_bpb"] = *m.val_bpb;
  line["device"] = device_object(m.device);
  return line.dump();
}

MetricsWriter MetricsWriter::start(const Path& path) {
  std::error_code ignored;
  if (const auto size = std::filesystem::file_size(path, ignored); !ignored && size > 0)
    fail(
        "{}: expected no metrics yet, found {} bytes of an earlier run; continue it with --resume or choose another "
        "folder with --out",
        path.string(), size);
  return MetricsWriter(path);
}

MetricsWriter MetricsWriter::resume(const Path& path, int64_t checkpoint_step) {
  keep_jsonl_to_step(path, checkpoint_step);
  return MetricsWriter(path);
}

std::vector<StepMetrics> read_metrics(const Path& path) {
  std::vector<StepMetrics> all;
  read_jsonl(path, [&](const json& object, int line) {
    const auto number = [&](const char* key) {
      return object.contains(key) ? jsonl_number(object, key, path, line) : 0.0;
    };
    StepMetrics m;
    m.device = jsonl_device(object, path, line);
    m.step = jsonl_integer(object, "step", path, line);
    m.loss = jsonl_number(object, "loss", path, line);
    m.lr = number("lr");
    m.grad_norm = number("grad_norm");
    m.tokens = object.contains("tokens") ? jsonl_integer(object, "tokens", path, line) : 0;
    m.tok_per_s = number(m.device.simulated ? "host_tok_per_s" : "tok_per_s");
    m.mfu = optional_number(object, "mfu", path, line);
    m.progress = number("progress");
    m.seconds = number("seconds");
    m.val_loss = optional_number(object, "val_loss", path, line);
    m.val_bpb = optional_number(object, "val_bpb", path, line);
    for (const auto& [key, value] : object.items())
      if (key.starts_with("predicted_")) m.predicted[key.substr(10)] = jsonl_number(object, key.c_str(), path, line);
    all.push_back(std::move(m));
  });
  return all;
}

}  // namespace propane::train
