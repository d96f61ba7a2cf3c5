// Watches a run for numbers that mean it is lost (NaN, a loss beyond reason) or in danger (spikes).
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

namespace propane::train {

// How far a value lies from the mean of the last `window` values, itself included, in standard deviations (llm.c's
// outlier_detector). NaN until the window is full.
class OutlierWindow {
 public:
  explicit OutlierWindow(int window) : window_(window) {}

  double z_score(double value);

  // The values, oldest first, for state.json: a resumed run judges as the uninterrupted one would.
  const std::vector<double>& values() const { return values_; }
  void set_values(std::vector<double> values) { values_ = std::move(values); }

 private:
  int window_;
  std::vector<double> values_;
};

struct GuardOptions {
  double loss_limit = 100;  // autoresearch's
  double spike_z = 0;       // z-score of the loss or the gradient norm from which a step is a spike; 0: off
  int window = 128;         // steps
};

struct GuardVerdict {
  enum class Kind {
    ok,
    spike,  // worth a warning; the loop may skip the update
    stop,   // the run is lost
  };
  Kind kind = Kind::ok;
  std::string message = {};  // one sentence that names the step and, for stop, the first tensor that is not finite
};

class Guard {
 public:
  // (name, norm) of every tensor worth naming, in the model's order; called only when a step went wrong.
  using TensorNorms = std::function<std::vector<std::pair<std::string, double>>()>;

  // Throws UsageError on a limit or window that is not positive, or a z-score below 0.
  explicit Guard(const GuardOptions& options = {});

  // Judges a step by its loss (nats a token) and global gradient norm, either of which may be NaN or infinite.
  GuardVerdict check(int64_t step, double loss, double grad_norm, const TensorNorms& norms = {});

  // The windows, for state.json. load() throws Error when the state is not what save() wrote.
  nlohmann::json save() const;
  void load(const nlohmann::json& state);

 private:
  GuardOptions options_;
  OutlierWindow loss_;
  OutlierWindow grad_norm_;
};

}  // namespace propane::train
