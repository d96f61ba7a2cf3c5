#include "train/samples.h"

#include <nlohmann/json.hpp>

#include "base/utf8.h"

namespace propane::train {

namespace {

Path cut_back(const Path& path, int64_t checkpoint_step) {
  keep_jsonl_to_step(path, checkpoint_step);
  return path;
}

}  // namespace

std::string sample_line(const Sample& sample) {
  const nlohmann::ordered_json line = {{"step", sample.step},
                                       {"prompt", utf8_replace_invalid(sample.prompt)},
                                       {"text", utf8_replace_invalid(sample.text)},
                                       {"device", device_object(sample.device)}};
  return line.dump();
}

SampleWriter::SampleWriter(const Path& path, int64_t checkpoint_step) : file_(cut_back(path, checkpoint_step)) {}

std::vector<Sample> read_samples(const Path& path) {
  std::vector<Sample> all;
  if (!std::filesystem::exists(path)) return all;
  read_jsonl(path, [&](const nlohmann::json& object, int line) {
    all.push_back({jsonl_integer(object, "step", path, line), jsonl_text(object, "prompt", path, line),
                   jsonl_text(object, "text", path, line), jsonl_device(object, path, line)});
  });
  return all;
}

}  // namespace propane::train
