#include "backends/cpu/kernels/select.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <iterator>
#include <utility>
#include <vector>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "base/error.h"

namespace propane::cpu {

namespace {

struct Known {
  Target target;
  std::string_view name;
};

// Best first.
constexpr Known kTargets[] = {
    {Target::avx512vnni, "avx512vnni"}, {Target::avx512, "avx512"}, {Target::avx2vnni, "avx2vnni"},
    {Target::avx2, "avx2"},             {Target::neondot, "neondot"}, {Target::neon, "neon"},
    {Target::portable, "portable"}};

#if defined(PROPANE_HAS_avx2vnni)
// Bit 4 of EAX of leaf 7, subleaf 1, which the compilers' queries do not all know.
bool has_avx_vnni() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
}
#endif

bool available(Target target) {
  switch (target) {
    case Target::portable:
      return true;
#if defined(PROPANE_HAS_avx2)
    // Every processor with AVX2 has F16C, which the compilers' queries do not all know.
    case Target::avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
#endif
#if defined(PROPANE_HAS_avx512)
    case Target::avx512:
      return available(Target::avx2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#endif
#if defined(PROPANE_HAS_avx2vnni)
    case Target::avx2vnni:
      return available(Target::avx2) && has_avx_vnni();
#endif
#if defined(PROPANE_HAS_avx512vnni)
    case Target::avx512vnni:
      return available(Target::avx512) && __builtin_cpu_supports("avx512vnni");
#endif
#if defined(PROPANE_HAS_neon)
    case Target::neon:
      return true;  // part of the base architecture of aarch64
#endif
#if defined(PROPANE_HAS_neondot)
    case Target::neondot:
#if defined(__linux__)
      return getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
#else
      return true;  // every Arm processor that runs macOS
#endif
#endif
    default:
      return false;
  }
}

std::string join(std::span<const std::string_view> names) {
  return fmt::format("{}", fmt::join(names.begin(), names.end(), ", "));
}

Target by_name(std::string_view wanted, std::string_view where) {
  for (const Known& known : kTargets) {
    if (known.name != wanted) continue;
    if (available(known.target)) return known.target;
    fail_usage("{} asks for \"{}\", which this processor or build lacks; it has {}.", where, wanted,
               join(available_targets()));
  }
  fail_usage("{} asks for \"{}\", expected one of {}.", where, wanted, join(available_targets()));
}

Target initial_target() {
  const char* wanted = std::getenv("PROPANE_CPU_TARGET");
  if (wanted && *wanted) return by_name(wanted, "PROPANE_CPU_TARGET");
  return std::find_if(std::begin(kTargets), std::end(kTargets), [](const Known& k) { return available(k.target); })
      ->target;
}

std::atomic<Target>& selected() {
  static std::atomic<Target> target{initial_target()};
  return target;
}

}  // namespace

std::span<const std::string_view> available_targets() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> found;
    for (const Known& known : kTargets)
      if (available(known.target)) found.push_back(known.name);
    return found;
  }();
  return names;
}

Target base_of(Target target) {
  switch (target) {
    case Target::avx2vnni:
      return Target::avx2;
    case Target::avx512vnni:
      return Target::avx512;
    case Target::neondot:
      return Target::neon;
    default:
      return target;
  }
}

Target selected_target() { return selected().load(std::memory_order_relaxed); }

std::string_view name(Target target) {
  return std::find_if(std::begin(kTargets), std::end(kTargets), [&](const Known& k) { return k.target == target; })
      ->name;
}

ScopedTarget::ScopedTarget(std::string_view name) : before_(selected_target()) {
  selected().store(by_name(name, "ScopedTarget"), std::memory_order_relaxed);
}

ScopedTarget::~ScopedTarget() { selected().store(before_, std::memory_order_relaxed); }

}  // namespace propane::cpu
