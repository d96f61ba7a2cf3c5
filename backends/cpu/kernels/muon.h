// Muon (Jordan 2024) with Polar Express coefficients (Amsel et al. 2025), NorMuon's scaling (Li et al. 2025) and
// cautious decay, over equally shaped matrices at once. Bits do not depend on the number of threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace propane::cpu {

struct MuonMatrix {
  float* param = nullptr;       // [rows, cols]
  const float* grad = nullptr;  // [rows, cols]
  float* momentum = nullptr;    // [rows, cols]
  float* second = nullptr;      // [max(rows, cols)]: moving mean squares of the rows, of a wide matrix's columns
};

// With g = grad_scale · grad and m, v for momentum and second:
//   m += (1 − momentum)·(g − m)      u = g + momentum·(m − g)
//   u ← the nearest orthogonal matrix, about: five steps of the quintic iteration, from u / (1.02·‖u‖ + 1e-6)
//   v += (1 − beta2)·(mean square of each row or column of u − v)
//   u ← u / sqrt(v) by row or column, then scaled back to the Frobenius norm that it had
//   param −= lr·u + (lr·weight_decay·param where u·param >= 0)
struct MuonStep {
  int64_t rows = 0, cols = 0;
  double lr = 0, momentum = 0, beta2 = 0, weight_decay = 0, grad_scale = 1;
};

// Allocates nothing: scratch, aligned to 64 bytes, is the caller's, of at least the bytes that muon_scratch_bytes says
// for the threads of the pool. Throws propane::Error if it is too small.
void muon(std::span<const MuonMatrix> matrices, const MuonStep& step, std::span<std::byte> scratch);
size_t muon_scratch_bytes(int64_t rows, int64_t cols, size_t count);

}  // namespace propane::cpu
