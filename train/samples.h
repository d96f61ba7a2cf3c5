// samples.jsonl: what the model writes while it learns, a line a sample.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file.h"
#include "train/jsonl.h"

namespace propane::train {

struct Sample {
  int64_t step = 0;
  std::string prompt = {};
  std::string text = {};  // the continuation, without the prompt; any bytes
  DeviceLabel device = {};
};

// The line, without its newline; bytes that are not UTF-8 become U+FFFD, since JSON holds only text.
std::string sample_line(const Sample& sample);

class SampleWriter {
 public:
  // Continues after a checkpoint (0: a new run): lines of later steps go, as in MetricsWriter::resume.
  SampleWriter(const Path& path, int64_t checkpoint_step);

  void write(const Sample& sample) { file_.append(sample_line(sample)); }

 private:
  JsonlAppender file_;
};

// All samples; none if the file is missing. Throws Error naming file:line and key where a line is not a sample.
std::vector<Sample> read_samples(const Path& path);

}  // namespace propane::train
