#include "train/loss_scale.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace propane::train {

LossScaler::LossScaler(const LossScaleOptions& options) : options_(options), scale_(options.initial) {
  if (!(options.min > 0 && options.min <= options.initial && options.initial <= options.max))
    fail_usage("loss scale: expected 0 < min <= initial <= max, found min {}, initial {}, max {}", options.min,
               options.initial, options.max);
  if (options.growth_interval < 1)
    fail_usage("loss scale: expected a growth interval of at least 1 step, found {}", options.growth_interval);
}

void LossScaler::update(bool overflow) {
  overflowed_at_min_ = overflow && scale_ <= options_.min;
  if (overflow) {
    scale_ = std::max(scale_ / 2, options_.min);
    good_steps_ = 0;
  } else if (++good_steps_ == options_.growth_interval) {
    scale_ = std::min(scale_ * 2, options_.max);
    good_steps_ = 0;
  }
}

nlohmann::json LossScaler::save() const { return {{"scale", scale_}, {"good_steps", good_steps_}}; }

void LossScaler::load(const nlohmann::json& state) {
  const bool readable = state.is_object() && state.contains("scale") && state["scale"].is_number() &&
                        state.contains("good_steps") && state["good_steps"].is_number_integer();
  if (!readable) fail("loss scale: expected {{scale, good_steps}} with two numbers, found {}", state.dump());
  const double scale = state["scale"];
  const int64_t good_steps = state["good_steps"];
  if (!(scale >= options_.min && scale <= options_.max))
    fail("loss scale: expected a scale from {} to {}, found {}", options_.min, options_.max, scale);
  if (good_steps < 0 || good_steps >= options_.growth_interval)
    fail("loss scale: expected from 0 to {} good steps, found {}", options_.growth_interval - 1, good_steps);
  scale_ = scale;
  good_steps_ = good_steps;
  overflowed_at_min_ = false;
}

}  // namespace propane::train
