// The formats of 256 elements: sub-blocks are fitted each on its own, then their scales are rounded to multiples of the
// block's, and the block's are fitted anew to what came of that.
#include <cmath>
#include <cstring>

#include "quant/block_fit.h"
#include "quant/scale_search.h"

namespace propane::quant {

namespace {

constexpr int kRounds = 3;  // of fitting the block's scales; any number more takes less than 0.4 % off the error

// Weighted sums over a sub-block's numbers and codes.
struct Moments {
  double weight = 0, x = 0, q = 0, qq = 0, xq = 0;
};

template <int N>
Moments moments_of(const Weighted<N>& values, const int8_t* codes) {
  Moments m;
  for (int i = 0; i < N; ++i) {
    const double w = values.weight[i], x = values.x[i], q = codes[i];
    m.weight += w;
    m.x += w * x;
    m.q += w * q;
    m.qq += w * q * q;
    m.xq += w * x * q;
  }
  return m;
}

template <int N>
void split(const float* x, const float* importance, Weighted<N> (&parts)[256 / N]) {
  float weights[256];
  scale_weights(importance, 256, weights);
  for (int s = 0; s < 256 / N; ++s) {
    std::copy_n(x + N * s, N, parts[s].x.begin());
    std::copy_n(weights + N * s, N, parts[s].weight.begin());
  }
}

int nearest_multiple(float value, float unit, int low, int high) {
  return unit == 0 ? 0 : static_cast<int>(std::lround(std::clamp(value / unit, float(low), float(high))));
}

// What Q4_K and Q5_K hold, not yet packed.
struct SixBitBlock {
  Half d = 0;
  Half dmin = 0;
  SixBitPairs pairs{};
  int8_t codes[256] = {};
};

// The scale and minimum, of those next to the line's, and the codes with which sub-block s comes nearest.
float choose_pair(const Weighted<32>& values, Line line, int high, int s, SixBitBlock& block) {
  const float d = f16_to_float(block.d), dmin = f16_to_float(block.dmin);
  const int scale = nearest_multiple(line.scale, d, 0, 63), min = nearest_multiple(-line.offset, dmin, 0, 63);
  float least = INFINITY;
  for (int sc = std::max(scale - 1, 0); sc <= std::min(scale + 1, 63); ++sc) {
    for (int mn = std::max(min - 1, 0); mn <= std::min(min + 1, 63); ++mn) {
      int8_t codes[32];
      const Line rounded{d * static_cast<float>(sc), -(dmin * static_cast<float>(mn))};
      const float error = encode(values, rounded, {0, high}, codes);
      if (error >= least) continue;
      least = error;
      block.pairs.scale[s] = static_cast<uint8_t>(sc);
      block.pairs.min[s] = static_cast<uint8_t>(mn);
      std::memcpy(block.codes + 32 * s, codes, sizeof codes);
    }
  }
  return least;
}

// The scales d and dmin that fit the block's codes, scales and minimums best.
void refit(const Weighted<32> (&parts)[8], const SixBitBlock& block, float& d, float& dmin) {
  double aa = 0, ab = 0, bb = 0, xa = 0, xb = 0;  // of a = scale · q and b = min, in x ≈ d · a - dmin · b
  for (int s = 0; s < 8; ++s) {
    const Moments m = moments_of(parts[s], block.codes + 32 * s);
    const double scale = block.pairs.scale[s], min = block.pairs.min[s];
    aa += scale * scale * m.qq;
    ab += scale * min * m.q;
    bb += min * min * m.weight;
    xa += scale * m.xq;
    xb += min * m.x;
  }
  const double determinant = aa * bb - ab * ab;
  if (determinant > 1e-9 * aa * bb) {
    d = static_cast<float>((xa * bb - ab * xb) / determinant);
    dmin = static_cast<float>((ab * xa - aa * xb) / determinant);
  } else if (aa > 0) {
    d = static_cast<float>(xa / aa);
  }
  d = std::max(d, 0.0f);
  dmin = std::max(dmin, 0.0f);
}

SixBitBlock fit_six_bit(const float* x, const float* importance, int high) {
  Weighted<32> parts[8];
  split(x, importance, parts);
  Line lines[8];
  float d = 0, dmin = 0;
  for (int s = 0; s < 8; ++s) {
    lines[s] = search_line(parts[s], high, true);
    d = std::max(d, lines[s].scale / 63);
    dmin = std::max(dmin, -lines[s].offset / 63);
  }
  SixBitBlock best;
  float least = INFINITY;
  for (int round = 0; round < kRounds; ++round) {
    SixBitBlock block;
    block.d = saturated_half(d);
    block.dmin = saturated_half(dmin);
    float error = 0;
    for (int s = 0; s < 8; ++s) error += choose_pair(parts[s], lines[s], high, s, block);
    if (error >= least) break;
    least = error;
    best = block;
    refit(parts, block, d, dmin);
  }
  return best;
}

// The low four bits of the codes of each two sub-blocks share 32 bytes.
void pack_nibbles(const int8_t (&codes)[256], uint8_t (&nibbles)[128]) {
  for (int i = 0; i < 128; ++i) {
    const int first = i / 32 * 64 + i % 32;
    nibbles[i] = static_cast<uint8_t>((codes[first] & 15) | (codes[first + 32] & 15) << 4);
  }
}

}  // namespace

void fit(const float* x, const float* importance, Q4_K& block) {
  const SixBitBlock fitted = fit_six_bit(x, importance, 15);
  block.d = fitted.d;
  block.dmin = fitted.dmin;
  fitted.pairs.pack(block.scales);
  pack_nibbles(fitted.codes, block.nibbles);
}

void fit(const float* x, const float* importance, Q5_K& block) {
  const SixBitBlock fitted = fit_six_bit(x, importance, 31);
  block.d = fitted.d;
  block.dmin = fitted.dmin;
  fitted.pairs.pack(block.scales);
  pack_nibbles(fitted.codes, block.nibbles);
  for (int p = 0; p < 32; ++p) {
    int bits = 0;
    for (int s = 0; s < 8; ++s) bits |= (fitted.codes[32 * s + p] >> 4) << s;
    block.high[p] = static_cast<uint8_t>(bits);
  }
}

void fit(const float* x, const float* importance, Q6_K& block) {
  constexpr CodeRange kRange{-32, 31};
  Weighted<16> parts[16];
  split(x, importance, parts);
  float scales[16], extreme = 0;
  for (int s = 0; s < 16; ++s) {
    scales[s] = search_scale(parts[s], kRange);
    if (std::abs(scales[s]) > std::abs(extreme)) extreme = scales[s];
  }
  float d = extreme / -128, least = INFINITY;  // -128 reaches further than 127
  int8_t best_codes[256] = {};
  block = {};
  for (int round = 0; round < kRounds; ++round) {
    const Half half = saturated_half(d);
    const float unit = f16_to_float(half);
    int8_t multiples[16] = {}, codes[256];
    float error = 0;
    double qq = 0, xq = 0;
    for (int s = 0; s < 16; ++s) {
      const int nearest = nearest_multiple(scales[s], unit, -128, 127);
      float least_here = INFINITY;
      for (int multiple = std::max(nearest - 1, -128); multiple <= std::min(nearest + 1, 127); ++multiple) {
        int8_t tried[16];
        const float here = encode(parts[s], {unit * static_cast<float>(multiple), 0}, kRange, tried);
        if (here >= least_here) continue;
        least_here = here;
        multiples[s] = static_cast<int8_t>(multiple);
        std::memcpy(codes + 16 * s, tried, sizeof tried);
      }
      error += least_here;
      const Moments m = moments_of(parts[s], codes + 16 * s);
      const double multiple = multiples[s];
      qq += multiple * multiple * m.qq;
      xq += multiple * m.xq;
    }
    if (error >= least) break;
    least = error;
    block.d = half;
    std::memcpy(block.scales, multiples, sizeof multiples);
    std::memcpy(best_codes, codes, sizeof codes);
    if (qq > 0) d = static_cast<float>(xq / qq);
  }
  for (int i = 0; i < 256; ++i) {
    const int h = i / 128, j = i % 128 / 32, p = i % 32, code = best_codes[i] + 32;
    block.low[64 * h + 32 * (j % 2) + p] |= static_cast<uint8_t>((code & 15) << (j / 2 * 4));
    block.high[32 * h + p] |= static_cast<uint8_t>((code >> 4) << (2 * j));
  }
}

}  // namespace propane::quant
