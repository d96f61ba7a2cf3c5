#include "backends/cpu/kernels/cache_sizes.h"

#include <cstdio>
#include <fstream>
#include <string>

#if defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace propane::cpu {

namespace {

#if defined(__APPLE__)

// perflevel0 are the fast cores; their L2 cache is shared by a cluster of four to six, and there is no L3.
int64_t system_value(const char* name) {
  int64_t value = 0;
  size_t size = sizeof value;
  return sysctlbyname(name, &value, &size, nullptr, 0) == 0 ? value : 0;
}

CacheSizes find() {
  CacheSizes sizes;
  if (const int64_t l1 = system_value("hw.perflevel0.l1dcachesize")) sizes.l1 = l1;
  if (const int64_t l2 = system_value("hw.perflevel0.l2cachesize")) {
    sizes.l2 = l2 / 6;
    sizes.l3 = l2;
  }
  return sizes;
}

#else

// One line of a small file of the kernel's, empty if there is none.
std::string first_line(const std::string& path) {
  std::string line;
  std::ifstream file(path);
  std::getline(file, line);
  return line;
}

CacheSizes find() {
  CacheSizes sizes;
  for (int index = 0; index < 8; ++index) {
    const std::string folder = "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index);
    const std::string level = first_line(folder + "/level");
    if (level.empty()) break;
    if (first_line(folder + "/type") == "Instruction") continue;
    long long kib = 0;
    if (std::sscanf(first_line(folder + "/size").c_str(), "%lldK", &kib) != 1 || kib <= 0) continue;
    if (level == "1") sizes.l1 = kib << 10;
    if (level == "2") sizes.l2 = kib << 10;
    if (level == "3") sizes.l3 = kib << 10;
  }
  return sizes;
}

#endif

}  // namespace

const CacheSizes& cache_sizes() {
  static const CacheSizes sizes = find();
  return sizes;
}

}  // namespace propane::cpu
