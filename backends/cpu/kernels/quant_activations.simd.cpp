// Activations in the order in which the tiles of the quantized products read them.
#include "backends/cpu/kernels/quant_tile.h"

namespace propane::cpu::PROPANE_TARGET {

namespace {

constexpr int kVectors = kQuantBlock / kLanes;  // that a block fills

PROPANE_INLINE int32_t sum_of(IVec v) {
  int32_t total = 0;
  for (int i = 0; i < kLanes; ++i) total += v[i];
  return total;
}

// scale = max|x| / 127 and q = x / scale rounded to nearest even: -127 .. 127.
template <int Rows>
PROPANE_INLINE void quantize_block(const float* x, int row, QuantizedBlock<Rows>& to) {
  Vec v[kVectors], largest{};
#pragma GCC unroll 8
  for (int i = 0; i < kVectors; ++i) {
    v[i] = load(x + i * kLanes);
    largest = max(abs(v[i]), largest);
  }
  const float most = max_lane(largest);
  const float scale = most / 127.0f, inverse = most > 0x1p-120f ? 127.0f / most : 0.0f;
  IVec sums[2] = {};
#pragma GCC unroll 8
  for (int i = 0; i < kVectors; ++i) {
    const IVec q = (IVec)round_to_int(v[i] * inverse).integer;
    sums[i / (kVectors / 2)] += q;
    typedef int8_t Bytes __attribute__((vector_size(kLanes)));
    const Bytes bytes = __builtin_convertvector(q, Bytes);
    std::memcpy(to.q[row] + i * kLanes, &bytes, sizeof bytes);
  }
  const int32_t first = sum_of(sums[0]), second = sum_of(sums[1]);
  to.scale[row] = scale;
  to.minus_sum[row] = -(first + second);
  to.sum[row] = scale * static_cast<float>(first + second);
  to.minus_half_sum[0][row] = -first;
  to.minus_half_sum[1][row] = -second;
  to.half_sum[0][row] = scale * static_cast<float>(first);
  to.half_sum[1][row] = scale * static_cast<float>(second);
}

template <int Rows>
void quantize_rows(const ActivationRows& a) {
  auto* to = reinterpret_cast<QuantizedBlock<Rows>*>(a.to);
  const int64_t blocks = a.k / kQuantBlock;
  if (a.rows < Rows) std::memset(a.to, 0, static_cast<size_t>(blocks) * sizeof *to);
  for (int row = 0; row < a.rows; ++row)
    for (int64_t b = 0; b < blocks; ++b) quantize_block(a.x + row * a.ldx + b * kQuantBlock, row, to[b]);
}

void quantize(const ActivationRows& a) {
  switch (a.width) {
    case 1: return quantize_rows<1>(a);
    case 2: return quantize_rows<2>(a);
    case 3: return quantize_rows<3>(a);
    case 4: return quantize_rows<4>(a);
    case 6: return quantize_rows<6>(a);
    case 8: return quantize_rows<8>(a);
    case 16: return quantize_rows<16>(a);
  }
}

void interleave(const ActivationRows& a) {
  auto* to = reinterpret_cast<float*>(a.to);
  if (a.rows < a.width) std::memset(a.to, 0, static_cast<size_t>(a.k * a.width) * sizeof *to);
  for (int row = 0; row < a.rows; ++row)
    for (int64_t k = 0; k < a.k; ++k) to[k * a.width + row] = a.x[row * a.ldx + k];
}

const QuantTileFunctions& tiles(quant::BlockType type) {
  if (const QuantTileFunctions* found = simple_block_tiles(type)) return *found;
  if (const QuantTileFunctions* found = super_block_tiles(type)) return *found;
  return *single_number_tiles(type);
}

constexpr QuantKernels kKernels = {quantize, interleave, tiles};

}  // namespace

const QuantKernels& quant_kernels();
const QuantKernels& quant_kernels() { return kKernels; }

}  // namespace propane::cpu::PROPANE_TARGET
