// What general compressors need for a data set's held-out text: the figures that a run's val_bpb is set beside.
#pragma once

#include <optional>

#include "base/file.h"

namespace propane::train {

// Bits a held-out byte, given the training text.
struct CompressorFigures {
  std::optional<double> xz_bpb = {};    // of xz -9e
  std::optional<double> ppmd_bpb = {};  // of 7-Zip's PPMd of order 8
};

// Reads the compressors.json that tools/compressors.sh prints, one object of the two keys, each of which may be absent
// or null. No file is no figures. Throws Error naming the file, and the key that is no positive number.
CompressorFigures read_compressors(const Path& path);

}  // namespace propane::train
