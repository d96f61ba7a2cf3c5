// What embedding.cpp shares among threads and embedding.simd.cpp computes.
#pragma once

#include "backends/cpu/kernels/embedding.h"

namespace propane::cpu {

struct EmbeddingKernels {
  // Tokens [begin, end).
  void (*gather)(const Embedding&, int64_t begin, int64_t end);
  // Ids [begin, end). The tokens of an id are order[start[id]] to order[start[id + 1]].
  void (*scatter)(const EmbeddingGrad&, const int32_t* start, const int32_t* order, int64_t begin, int64_t end);
};

const EmbeddingKernels& embedding_kernels();

}  // namespace propane::cpu
