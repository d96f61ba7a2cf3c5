// The scalings of rotary positions that models come with, brought to what the op knows: a divisor for every pair's
// frequency and an amplitude.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "models/settings.h"

namespace propane {

namespace {

int64_t rotary_dim(const ModelConfig& c) { return c.rotary_dim > 0 ? c.rotary_dim : c.head_dim; }

// The part of a head that turns, as a share of it. `key` is what says so.
template <typename Settings>
void set_part(const Settings& from, const char* key, double part, ModelConfig& c) {
  const double dim = std::floor(part * static_cast<double>(c.head_dim) + 1e-6);  // transformers truncates
  if (!(part > 0 && part <= 1) || static_cast<int64_t>(dim) % 2 != 0 || dim < 2)
    from.unsupported(key, fmt::format("{} of {} channels turned", dim, c.head_dim));
  c.rotary_dim = part == 1 ? 0 : static_cast<int64_t>(dim);
}

// The context that a model was first trained on, in tokens.
template <typename Settings>
double checked_context(const Settings& from, const char* key, double tokens) {
  if (!(tokens > 1 && tokens < 1e9)) from.unsupported(key, fmt::format("a context of {} tokens", tokens));
  return tokens;
}

void scale_all(ModelConfig& c, double factor) {
  if (factor != 1) c.rope_factors.assign(static_cast<size_t>(rotary_dim(c) / 2), factor);
}

struct Yarn {
  double factor, beta_fast, beta_slow, original_max_position;
  bool truncate;
};

// YaRN (Peng et al. 2023, section 3.2): pairs that turn more than beta_fast times over the first training's context
// keep their frequency, those below beta_slow are slowed by `factor`, a ramp over the pairs' numbers lies between.
void apply_yarn(const Yarn& y, ModelConfig& c) {
  const double dim = static_cast<double>(rotary_dim(c));
  const auto pair_turning = [&](double turns) {
    return dim * std::log(y.original_max_position / (turns * 2 * std::numbers::pi)) / (2 * std::log(c.rope_theta));
  };
  double low = pair_turning(y.beta_fast), high = pair_turning(y.beta_slow);
  if (y.truncate) low = std::floor(low), high = std::ceil(high);
  low = std::max(low, 0.0), high = std::min(high, dim - 1);
  if (low == high) high += 0.001;
  for (int64_t i = 0; i < rotary_dim(c) / 2; ++i) {
    const double slowed = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    c.rope_factors.push_back(1 / (slowed / y.factor + (1 - slowed)));
  }
}

double yarn_amplitude(double factor) { return factor <= 1 ? 1.0 : 0.1 * std::log(factor) + 1.0; }

double longrope_amplitude(double factor, double original) {
  return factor <= 1 ? 1.0 : std::sqrt(1 + std::log(factor) / std::log(original));
}

void read_longrope(const JsonSettings& j, const JsonSettings& r, ModelConfig& c) {
  const char* const key = "original_max_position_embeddings";
  const double original = checked_context(r, key, r.has(key) ? r.real(key) : j.real(key));
  c.rope_factors = r.reals("short_factor");
  if (static_cast<int64_t>(c.rope_factors.size()) != rotary_dim(c) / 2)
    r.unsupported("short_factor", fmt::format("{} factors for {} pairs", c.rope_factors.size(), rotary_dim(c) / 2));
  const double factor = r.real("factor", static_cast<double>(c.seq) / original);
  c.rope_amplitude = r.real("attention_factor", longrope_amplitude(factor, original));
  c.seq = c.longest_context = static_cast<int64_t>(original);
}

}  // namespace

void read_rope(const JsonSettings& j, ModelConfig& c) {
  // transformers 5 writes rope_parameters, earlier ones rope_theta, partial_rotary_factor and rope_scaling.
  const char* key = j.has("rope_parameters") ? "rope_parameters" : "rope_scaling";
  c.rope_theta = j.real("rope_theta", 10000.0);
  set_part(j, "partial_rotary_factor", j.real("partial_rotary_factor", 1.0), c);
  if (j.has(key)) read_rope(j, j.object(key), c);
}

void read_rope(const JsonSettings& j, const JsonSettings& r, ModelConfig& c) {
  c.rope_theta = r.real("rope_theta", c.rope_theta);
  if (r.has("partial_rotary_factor")) set_part(r, "partial_rotary_factor", r.real("partial_rotary_factor"), c);
  const char* type_key = r.has("rope_type") ? "rope_type" : "type";
  const std::string type = r.text(type_key, "default");
  if (type == "linear") {
    scale_all(c, r.real("factor"));
  } else if (type == "llama3") {
    c.rope_scaling_factor = r.real("factor");
    c.rope_low_freq_factor = r.real("low_freq_factor");
    c.rope_high_freq_factor = r.real("high_freq_factor");
    c.rope_original_max_position = r.real("original_max_position_embeddings");
  } else if (type == "yarn") {
    for (const char* unknown : {"mscale", "mscale_all_dim"})
      if (r.has(unknown)) r.unsupported(unknown, "an amplitude of their own");
    const double original = checked_context(r, "original_max_position_embeddings",
                                            r.real("original_max_position_embeddings", static_cast<double>(c.seq)));
    const Yarn y{r.real("factor"), r.real("beta_fast", 32), r.real("beta_slow", 1), original,
                 r.boolean("truncate", true)};
    apply_yarn(y, c);
    c.rope_amplitude = r.real("attention_factor", yarn_amplitude(y.factor));
  } else if (type == "longrope" || type == "su") {
    read_longrope(j, r, c);
  } else if (type != "default") {
    r.unsupported(type_key, "rotary positions scaled by \"" + type + "\"");
  }
}

void read_rope(const GgufSettings& g, ModelConfig& c) {
  c.rope_theta = g.real("rope.freq_base", 10000.0);
  const int64_t turned = g.integer("rope.dimension_count", c.head_dim);
  set_part(g, "rope.dimension_count", static_cast<double>(turned) / static_cast<double>(c.head_dim), c);
  const std::string type = g.text("rope.scaling.type", "none");
  const double factor = g.real("rope.scaling.factor", 1.0);
  c.rope_amplitude = g.real("rope.scaling.attn_factor", 1.0);
  if (type == "linear") {
    scale_all(c, factor);
  } else if (type == "yarn") {
    const Yarn y{factor, g.real("rope.scaling.yarn_beta_fast", 32), g.real("rope.scaling.yarn_beta_slow", 1),
                 checked_context(g, "rope.scaling.original_context_length",
                                 g.real("rope.scaling.original_context_length", static_cast<double>(c.seq))),
                 g.architecture() != "gpt-oss"};
    apply_yarn(y, c);
    c.rope_amplitude *= yarn_amplitude(factor);
  } else if (type != "none" && type != "longrope") {
    g.unsupported("rope.scaling.type", "rotary positions scaled by \"" + type + "\"");
  }
  // Llama 3's scaling comes as the divisors themselves, and so do LongRoPE's.
  if (auto divisors = g.tensor("rope_freqs.weight"); !divisors.empty()) c.rope_factors = std::move(divisors);
  if (auto divisors = g.tensor("rope_factors_short.weight"); !divisors.empty()) {
    c.rope_factors = std::move(divisors);
    const char* const key = "rope.scaling.original_context_length";
    c.seq = c.longest_context = static_cast<int64_t>(checked_context(g, key, g.real(key)));
  }
  if (!c.rope_factors.empty() && static_cast<int64_t>(c.rope_factors.size()) != rotary_dim(c) / 2)
    g.unsupported("rope.dimension_count",
                  fmt::format("{} rotary factors for {} pairs", c.rope_factors.size(), rotary_dim(c) / 2));
}

}  // namespace propane
