// Learning-rate and other schedules as pure functions of progress.
#pragma once

#include <cstdint>
#include <string_view>

namespace propane::train {

enum class ScheduleKind {
  constant,      // 1 after the warm-up
  autoresearch,  // flat, then linear to final_fraction over the last `warmdown` of the run
  cosine,        // half a cosine wave from 1 at the end of the warm-up to final_fraction (llm.c, nanoGPT)
  wsd,           // warm-up, stable, decay: flat, then 1 - sqrt over the last `warmdown` (Hägele et al., 2024)
};

struct Schedule {
  ScheduleKind kind = ScheduleKind::autoresearch;
  double warmup = 0;          // share of the run over which the multiplier rises linearly from 0
  double warmdown = 0.5;      // share of the run over which it falls (autoresearch, wsd)
  double final_fraction = 0;  // the multiplier at the end
};

// "constant", "autoresearch", "cosine", "wsd"; throws UsageError naming the known ones.
ScheduleKind schedule_kind_from_name(std::string_view name);
std::string_view schedule_kind_name(ScheduleKind kind);

// Throws UsageError naming the key when a share lies outside [0, 1] or warm-up and warm-down together exceed 1.
void check_schedule(const Schedule& schedule);

// What the learning rate is multiplied with at progress p (share of the steps or of the time budget used before this
// step). p beyond [0, 1] is clamped. With a warm-up, p = 0 gives 0: a loop that counts steps and wants a first step
// that moves passes (step + 1) / steps during the warm-up.
double lr_multiplier(const Schedule& schedule, double p);

// autoresearch's Muon momentum: 0.85 at step 0, rising linearly to 0.95 at step 300, then constant.
double muon_momentum(int64_t step);

// autoresearch's weight decay at progress p: base · (1 - p), p clamped to [0, 1].
double weight_decay(double base, double p);

}  // namespace propane::train
