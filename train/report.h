// report.html: a run on one page that needs nothing else.
#pragma once

#include "base/file.h"

namespace propane::train {

// Reads metrics.jsonl of a run's folder and, where they are there, summary.json, samples.jsonl, config.toml and
// machine.json, and writes report.html into it (atomically): the figures of the run, curves of loss, val_bpb, learning
// rate, gradient norm and throughput, samples, configuration and machine, as one page of HTML, CSS, SVG and a few lines
// of script, without a reference to anything outside. Whatever bytes samples and settings hold, the page shows them as
// text. A simulated device is said to be one at the top. Returns the page's path.
// Throws Error naming file and line when metrics.jsonl is missing, empty or damaged, or another of the files is
// damaged.
Path write_report(const Path& run_folder);

}  // namespace propane::train
