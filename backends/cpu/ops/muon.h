// Muon with NorMuon's scaling and cautious decay, on batched products.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace propane::cpu {

struct MuonMatrix {
  float* param = nullptr;       // [rows, cols]
  const float* grad = nullptr;  // [rows, cols]
  float* momentum = nullptr;    // [rows, cols]
  float* second = nullptr;      // [max(rows, cols)]
};

struct MuonStep {
  int64_t rows = 0, cols = 0;
  double lr = 0, momentum = 0, beta2 = 0, weight_decay = 0, grad_scale = 1;
};

// One update of equally shaped matrices; the op's documentation (graph/ops/optimizer.cpp) has the formulas.
void muon_step(std::span<const MuonMatrix> matrices, const MuonStep& step, std::span<std::byte> scratch);
size_t muon_scratch_bytes(int64_t rows, int64_t cols, size_t count);

}  // namespace propane::cpu
