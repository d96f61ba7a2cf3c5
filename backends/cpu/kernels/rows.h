// How the rows of matrices and of heads lie in memory. Strides are in elements.
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

// Rows of heads within any layout whose innermost dimension is contiguous: a packed qkv row, a cache, a plain tensor.
template <typename T>
struct HeadRows {
  T* data = nullptr;
  int64_t batch = 0;  // from one batch row to the next
  int64_t row = 0;    // from one position to the next
  int64_t head = 0;   // from one head to the next

  [[gnu::always_inline]] T* at(int64_t b, int64_t i, int64_t h) const { return data + b * batch + i * row + h * head; }
};

}  // namespace propane::cpu
