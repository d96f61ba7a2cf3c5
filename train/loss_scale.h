// Dynamic loss scaling for backends whose gradients are float16: the loss is multiplied by a power of two so that small
// gradients do not vanish, and the scale finds the largest value that does not overflow (Micikevicius et al., "Mixed
// precision training", 2018; the rule of torch.cuda.amp.GradScaler).
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>

namespace propane::train {

struct LossScaleOptions {
  double initial = 65536;
  double min = 1;
  double max = 16777216;           // 2^24
  int64_t growth_interval = 2000;  // steps without overflow before the scale doubles
};

class LossScaler {
 public:
  // Throws UsageError unless 0 < min <= initial <= max and growth_interval >= 1.
  explicit LossScaler(const LossScaleOptions& options);

  // What the loss is multiplied with now; the gradients are divided by the same.
  double scale() const { return scale_; }

  // Tells how a step went. After an overflow (its update was skipped) the scale halves, down to min; after
  // growth_interval good steps in a row it doubles, up to max.
  void update(bool overflow);

  // At min and still overflowing: the trouble is not the scale.
  bool exhausted() const { return overflowed_at_min_; }

  // {"scale": x, "good_steps": n}, for state.json. load() throws Error naming what is missing or impossible.
  nlohmann::json save() const;
  void load(const nlohmann::json& state);

 private:
  LossScaleOptions options_;
  double scale_;
  int64_t good_steps_ = 0;
  bool overflowed_at_min_ = false;
};

}  // namespace propane::train
