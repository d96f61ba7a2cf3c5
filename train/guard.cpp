#include "train/guard.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace propane::train {

namespace {

// ", and the first tensor that is not finite is 'x' (norm nan)", or that all are, or nothing where nobody can say.
std::string culprit(const Guard::TensorNorms& norms) {
  if (!norms) return "";
  for (const auto& [name, norm] : norms())
    if (!std::isfinite(norm)) return fmt::format("; the first tensor that is not finite is '{}' (norm {})", name, norm);
  return "; every tensor is finite";
}

}  // namespace

double OutlierWindow::z_score(double value) {
  if (static_cast<int>(values_.size()) == window_) values_.erase(values_.begin());
  values_.push_back(value);
  if (static_cast<int>(values_.size()) < window_) return std::numeric_limits<double>::quiet_NaN();
  // Two passes over some hundred values a step: cheaper than the rounding trouble of running sums.
  double mean = 0, variance = 0;
  for (const double v : values_) mean += v / window_;
  for (const double v : values_) variance += (v - mean) * (v - mean) / window_;
  return variance > 0 ? (value - mean) / std::sqrt(variance) : 0;
}

Guard::Guard(const GuardOptions& options) : options_(options), loss_(options.window), grad_norm_(options.window) {
  if (!(options.loss_limit > 0)) fail_usage("loss_limit: expected more than 0, found {}", options.loss_limit);
  if (!(options.spike_z >= 0)) fail_usage("spike_z: expected 0 (off) or more, found {}", options.spike_z);
  if (options.window < 2) fail_usage("spike_window: expected at least 2 steps, found {}", options.window);
}

GuardVerdict Guard::check(int64_t step, double loss, double grad_norm, const TensorNorms& norms) {
  using Kind = GuardVerdict::Kind;
  if (!std::isfinite(loss)) return {Kind::stop, fmt::format("step {}: the loss is {}{}", step, loss, culprit(norms))};
  if (!std::isfinite(grad_norm))
    return {Kind::stop,
            fmt::format("step {}: the gradient norm is {} at loss {:.4f}{}", step, grad_norm, loss, culprit(norms))};
  if (loss > options_.loss_limit)
    return {Kind::stop, fmt::format("step {}: the loss is {:.4g}, beyond the limit of {}{}", step, loss,
                                    options_.loss_limit, culprit(norms))};
  if (options_.spike_z == 0) return {};
  const double loss_z = loss_.z_score(loss), grad_z = grad_norm_.z_score(grad_norm);
  const auto spike = [&](const char* what, double value, double z) {
    return GuardVerdict{Kind::spike, fmt::format("step {}: the {} spiked to {:.4g}, {:.1f} standard deviations from "
                                                 "the mean of the last {} steps",
                                                 step, what, value, z, options_.window)};
  };
  if (loss_z > options_.spike_z) return spike("loss", loss, loss_z);
  if (grad_z > options_.spike_z) return spike("gradient norm", grad_norm, grad_z);
  return {};
}

nlohmann::json Guard::save() const { return {{"loss", loss_.values()}, {"grad_norm", grad_norm_.values()}}; }

void Guard::load(const nlohmann::json& state) {
  const auto window = [&](const char* key) {
    const auto found = state.find(key);
    const bool readable = found != state.end() && found->is_array() &&
                          found->size() <= static_cast<size_t>(options_.window) &&
                          std::all_of(found->begin(), found->end(), [](const auto& v) { return v.is_number(); });
    if (!readable) fail("spike guard: expected at most {} numbers under '{}' in its state", options_.window, key);
    return found->get<std::vector<double>>();
  };
  std::vector<double> loss = window("loss");
  grad_norm_.set_values(window("grad_norm"));
  loss_.set_values(std::move(loss));
}

}  // namespace propane::train
