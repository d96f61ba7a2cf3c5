#include "infer/sampler.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/random.h"

namespace propane {

void SamplingOptions::validate() const {
  if (!(temperature >= 0)) fail_usage("--temperature must be at least 0, found {}", temperature);
  if (top_k < 0) fail_usage("--top-k must be at least 0, found {}", top_k);
  if (!(top_p > 0 && top_p <= 1)) fail_usage("--top-p must be in (0, 1], found {}", top_p);
  if (!(min_p >= 0 && min_p < 1)) fail_usage("--min-p must be in [0, 1), found {}", min_p);
  if (!(repetition_penalty > 0)) fail_usage("--repetition-penalty must be positive, found {}", repetition_penalty);
}

Sampler::Sampler(const SamplingOptions& options, int64_t vocab)
    : options_(options), is_seen_(static_cast<size_t>(vocab), 0) {
  options_.validate();
  candidates_.reserve(static_cast<size_t>(vocab));
}

int32_t Sampler::sample(std::span<const float> logits, std::span<const int32_t> seen, uint64_t position) {
  candidates_.clear();
  for (size_t i = 0; i < logits.size(); ++i) candidates_.push_back({logits[i], static_cast<int32_t>(i)});
  if (options_.repetition_penalty != 1.0) {
    std::fill(is_seen_.begin(), is_seen_.end(), uint8_t{0});
    for (int32_t token : seen)
      if (token >= 0 && static_cast<size_t>(token) < is_seen_.size()) is_seen_[static_cast<size_t>(token)] = 1;
    const auto penalty = static_cast<float>(options_.repetition_penalty);
    for (Candidate& c : candidates_)
      if (is_seen_[static_cast<size_t>(c.id)]) c.logit = c.logit > 0 ? c.logit / penalty : c.logit * penalty;
  }
  const auto larger = [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
  };
  if (options_.temperature == 0) return std::min_element(candidates_.begin(), candidates_.end(), larger)->id;

  if (options_.top_k > 0 && static_cast<size_t>(options_.top_k) < candidates_.size()) {
    const auto cut = candidates_.begin() + options_.top_k;
    std::nth_element(candidates_.begin(), cut, candidates_.end(), larger);
    candidates_.erase(cut, candidates_.end());
  }
  // From here on `logit` holds a probability, up to the sum.
  const float largest = std::min_element(candidates_.begin(), candidates_.end(), larger)->logit;
  double sum = 0;
  for (Candidate& c : candidates_) {
    c.logit = static_cast<float>(std::exp((static_cast<double>(c.logit) - largest) / options_.temperature));
    sum += c.logit;
  }
  if (options_.top_p < 1.0) {
    std::sort(candidates_.begin(), candidates_.end(), larger);
    double kept = 0;
    size_t n = 0;
    while (n < candidates_.size() && kept < options_.top_p * sum) kept += candidates_[n++].logit;
    candidates_.resize(std::max<size_t>(n, 1));
  }
  if (options_.min_p > 0)  // the largest has probability 1 before the division by the sum
    std::erase_if(candidates_, [&](const Candidate& c) { return c.logit < options_.min_p; });
  sum = 0;
  for (const Candidate& c : candidates_) sum += c.logit;
  double at = Random(options_.seed, stream_id("sample")).uniform(position) * sum;
  for (const Candidate& c : candidates_) {
    at -= c.logit;
    if (at < 0) return c.id;
  }
  return candidates_.back().id;
}

}  // namespace propane
