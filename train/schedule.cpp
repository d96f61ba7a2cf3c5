#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace propane::train {

namespace {

constexpr std::string_view kNames[] = {"constant", "autoresearch", "cosine", "wsd"};

double lerp(double from, double to, double t) { return from + (to - from) * t; }

}  // namespace

ScheduleKind schedule_kind_from_name(std::string_view name) {
  for (int i = 0; i < 4; ++i)
    if (kNames[i] == name) return static_cast<ScheduleKind>(i);
  fail_usage("unknown schedule '{}'; expected one of constant, autoresearch, cosine, wsd", name);
}

std::string_view schedule_kind_name(ScheduleKind kind) { return kNames[static_cast<int>(kind)]; }

void check_schedule(const Schedule& s) {
  const auto share = [](const char* key, double value) {
    if (!(value >= 0 && value <= 1)) fail_usage("{}: expected a share of the run from 0 to 1, found {}", key, value);
  };
  share("warmup", s.warmup);
  share("warmdown", s.warmdown);
  share("final_fraction", s.final_fraction);
  const bool falls_late = s.kind == ScheduleKind::autoresearch || s.kind == ScheduleKind::wsd;
  if (falls_late && s.warmup + s.warmdown > 1)
    fail_usage("warmup + warmdown: expected at most 1, found {} + {}", s.warmup, s.warmdown);
}

double lr_multiplier(const Schedule& s, double p) {
  p = std::clamp(p, 0.0, 1.0);
  if (p < s.warmup) return p / s.warmup;
  // How far the fall has come, 0 before it and 1 at the end of the run.
  const double fall = s.warmdown > 0 ? std::max(0.0, 1 - (1 - p) / s.warmdown) : (p < 1 ? 0.0 : 1.0);
  switch (s.kind) {
    case ScheduleKind::constant: return 1;
    case ScheduleKind::autoresearch: return lerp(1, s.final_fraction, fall);
    case ScheduleKind::wsd: return lerp(1, s.final_fraction, std::sqrt(fall));
    case ScheduleKind::cosine: {
      const double t = s.warmup < 1 ? (p - s.warmup) / (1 - s.warmup) : 0;
      return lerp(s.final_fraction, 1, 0.5 * (1 + std::cos(std::numbers::pi * t)));
    }
  }
  return 1;
}

double muon_momentum(int64_t step) { return lerp(0.85, 0.95, std::min(static_cast<double>(step) / 300, 1.0)); }

double weight_decay(double base, double p) { return base * (1 - std::clamp(p, 0.0, 1.0)); }

}  // namespace propane::train
