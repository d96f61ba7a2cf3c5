// TensorBoard event files: records framed as TFRecord does (length, masked CRC-32C, data, masked CRC-32C), each a
// protobuf Event of tensorflow/core/util/event.proto, encoded here by hand since we need five fields of it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/file.h"

namespace propane::train {

class TensorBoardWriter {
 public:
  // Starts a new file events.out.tfevents.<seconds>.<host>.<pid>.<n> in the folder, which is made. `resumed_step` > 0
  // tells TensorBoard that the run went on from there: it then drops what earlier files of the folder say of later
  // steps. Throws Error naming the file and the reason.
  explicit TensorBoardWriter(const Path& folder, int64_t resumed_step = 0);
  ~TensorBoardWriter();

  // One point of the curve `tag` ("train/loss"). Every call writes through to the file.
  void scalar(std::string_view tag, int64_t step, double value);

  // Markdown text under `tag`, shown on the Text page; bytes that are not UTF-8 become U+FFFD.
  void text(std::string_view tag, int64_t step, std::string_view markdown);

  const Path& path() const { return path_; }

 private:
  void record(std::string_view event);

  Path path_;
  std::unique_ptr<OutputFile> file_;
};

}  // namespace propane::train
