// How the rows of a matrix lie in memory.
#pragma once

#include <cstdint>

namespace propane::cpu {

// Rows of contiguous elements: `run` of them one after another, and the next run `stride` elements further on. A plain
// matrix has run = 1 and stride = its row length; the q heads of packed qkv rows, each head a row here, have
// run = n_head and stride = the length of the qkv row.
template <typename T>
struct Rows {
  T* data = nullptr;
  int64_t stride = 0;
  int64_t run = 1;

  [[gnu::always_inline]] T* at(int64_t row, int64_t dim) const {
    return run == 1 ? data + row * stride : data + row / run * stride + row % run * dim;
  }
};

}  // namespace propane::cpu
