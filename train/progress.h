// How a run shows that it is alive: one line that renews itself on a terminal, now and then a line in a pipe.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "train/device_label.h"

namespace propane::train {

struct ProgressState {
  int64_t step = 0;
  int64_t total_steps = 0;  // 0 when the budget is time
  double progress = 0;      // share of the budget used, in [0, 1]
  double loss = 0;
  std::optional<double> val_bpb = {};  // the latest
  double tok_per_s = 0;
  std::optional<double> mfu = {};                                  // in [0, 1]
  double seconds_left = std::numeric_limits<double>::quiet_NaN();  // not finite: unknown
};

struct ProgressStyle {
  int width = 0;             // columns to fit into; what matters least is left out first. 0: no limit, no bar
  bool unicode_bar = false;  // else of '#' and '-'
};

// "cpu  step 120/500  24 %  loss 3.2145  val_bpb 1.2340  12.3k tok/s  MFU 38.2 %  1:05 left"; on a simulated device the
// speed is "host 12.3k tok/s" and there is no MFU. The device of a simulated run is the last thing to be left out.
std::string progress_line(const ProgressState& state, const DeviceLabel& device, const ProgressStyle& style = {});

// "0:07", "12:34", "1:02:03", "3 d 4 h".
std::string duration_text(double seconds);

// Three digits: "812", "12.3k", "1.66M", "246M".
std::string count_text(double value);

struct ProgressOptions {
  int fd = 2;
  DeviceLabel device = {};
  double plain_seconds = 10;  // in a pipe: a line when so many seconds have passed since the last
  int64_t plain_steps = 0;    // or so many steps; 0: only the seconds count
};

// Writes progress to a descriptor. On a terminal (and TERM other than "dumb") one line is rewritten in place, at most
// ten times a second and in one write each, so that it does not flicker; elsewhere plain lines. A failed write is
// ignored: nobody's run should die of a closed window.
class Progress {
 public:
  explicit Progress(const ProgressOptions& options);
  ~Progress() { finish(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(const ProgressState& state);

  // A line of its own (a sample, "saved step 500", a warning); the live line continues below it.
  void note(std::string_view text);

  // Shows the last state and leaves the line, so that what follows starts on a new one. update() may start another.
  void finish();

  bool live() const { return live_; }

 private:
  using Clock = std::chrono::steady_clock;

  std::string line(const ProgressState& state) const;
  void show(const ProgressState& state);
  void write(std::string_view text) const;

  ProgressOptions options_;
  bool live_ = false;
  bool unicode_ = false;
  std::optional<ProgressState> latest_;
  bool latest_shown_ = false;
  bool line_open_ = false;  // the cursor stands behind a live line
  std::optional<Clock::time_point> shown_at_;
  int64_t shown_step_ = 0;
};

}  // namespace propane::train
