// The sizes of this machine's data caches, for choosing blocks. They change the speed of a kernel, never its result.
#pragma once

#include <cstdint>

namespace propane::cpu {

struct CacheSizes {
  int64_t l1 = 32 << 10;  // bytes, one core's
  int64_t l2 = 512 << 10;
  int64_t l3 = 4 << 20;  // shared; what is not known keeps these values
};

// Found once, on first use.
const CacheSizes& cache_sizes();

}  // namespace propane::cpu
