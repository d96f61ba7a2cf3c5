#include "train/machine.h"

#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>

#if defined(__APPLE__)
#include <sys/sysctl.h>
#endif

#include "base/threads.h"
#include "base/utf8.h"
#include "base/version.h"

namespace propane::train {

namespace {

#if defined(__APPLE__)

std::string sysctl_text(const char* name) {
  char value[256] = {};
  size_t size = sizeof value - 1;
  return ::sysctlbyname(name, value, &size, nullptr, 0) == 0 ? value : "";
}

std::string cpu_name() { return sysctl_text("machdep.cpu.brand_string"); }

std::string system_name() { return "macOS " + sysctl_text("kern.osproductversion"); }

#else

// The text after the first separator of the first line that starts with `key`, or "".
std::string value_in(const char* file, std::string_view key, char separator) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    const size_t at = line.find(separator);
    if (!line.starts_with(key) || at == std::string::npos) continue;
    const size_t begin = line.find_first_not_of(" \t\"", at + 1), end = line.find_last_not_of(" \t\"");
    return begin == std::string::npos ? "" : line.substr(begin, end - begin + 1);
  }
  return "";
}

std::string cpu_name() {
  const std::string name = value_in("/proc/cpuinfo", "model name", ':');
  if (!name.empty()) return name;
  // Arm kernels name no model there; boards describe themselves in the device tree, with a zero at the end.
  std::string board;
  std::ifstream in("/sys/firmware/devicetree/base/model");
  std::getline(in, board, '\0');
  return board;
}

std::string system_name() { return value_in("/etc/os-release", "PRETTY_NAME", '='); }

#endif

std::string simd_name() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return "AVX-512";
  if (__builtin_cpu_supports("avx2")) return "AVX2";
  return "SSE2";
#elif defined(__aarch64__)
  return "NEON";
#else
  return "none";
#endif
}

std::string compiler_name() {
#if defined(__clang__)
  return "Clang " + std::to_string(__clang_major__) + "." + std::to_string(__clang_minor__) + "." +
         std::to_string(__clang_patchlevel__);
#else
  return "GCC " + std::to_string(__GNUC__) + "." + std::to_string(__GNUC_MINOR__) + "." +
         std::to_string(__GNUC_PATCHLEVEL__);
#endif
}

}  // namespace

MachineFacts machine_facts() {
  MachineFacts facts;
  facts.cpu = cpu_name();
  if (facts.cpu.empty()) facts.cpu = "unknown";
  facts.cores = available_cores();
  facts.memory_bytes = static_cast<int64_t>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGESIZE);
  facts.os = system_name();
  utsname kernel;
  if (::uname(&kernel) == 0) {
    if (!facts.os.empty()) facts.os += ", ";
    facts.os += std::string(kernel.sysname) + " " + kernel.release + " " + kernel.machine;
  }
  facts.compiler = compiler_name();
  facts.version = kVersion;
  facts.simd = simd_name();
  return facts;
}

std::string machine_json(const MachineFacts& f) {
  const nlohmann::ordered_json object = {{"cpu", utf8_replace_invalid(f.cpu)},
                                         {"cores", f.cores},
                                         {"memory_bytes", f.memory_bytes},
                                         {"os", utf8_replace_invalid(f.os)},
                                         {"compiler", f.compiler},
                                         {"version", f.version},
                                         {"simd", f.simd}};
  return object.dump(2) + "\n";
}

int64_t peak_resident_bytes() {
  rusage usage;
  if (::getrusage(RUSAGE_SELF, &usage) != 0) return 0;
#if defined(__APPLE__)
  return usage.ru_maxrss;  // bytes
#else
  return int64_t{usage.ru_maxrss} * 1024;  // KiB
#endif
}

}  // namespace propane::train
