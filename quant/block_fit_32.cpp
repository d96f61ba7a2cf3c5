// The formats of 32 elements: one scale, or a scale and an offset.
#include "quant/block_fit.h"
#include "quant/scale_search.h"

namespace propane::quant {

namespace {

Weighted<32> weighted(const float* x, const float* importance) {
  Weighted<32> values;
  std::copy_n(x, 32, values.x.begin());
  scale_weights(importance, 32, values.weight.data());
  return values;
}

// Codes q in `range` with x ≈ d · q; returns d.
Half fit_scale(const float* x, const float* importance, CodeRange range, int8_t (&codes)[32]) {
  const Weighted<32> values = weighted(x, importance);
  const Half d = saturated_half(search_scale(values, range));
  encode(values, {f16_to_float(d), 0}, range, codes);
  return d;
}

// Codes q in 0..high with x ≈ d · q + m.
void fit_line(const float* x, const float* importance, int high, Half& d, Half& m, int8_t (&codes)[32]) {
  const Weighted<32> values = weighted(x, importance);
  const Line line = search_line(values, high, false);
  d = saturated_half(line.scale);
  m = saturated_half(line.offset);
  encode(values, {f16_to_float(d), f16_to_float(m)}, {0, high}, codes);
}

// The low four bits of codes, raised by `bias` to be at least 0.
void pack_nibbles(const int8_t (&codes)[32], int bias, uint8_t (&nibbles)[16]) {
  for (int j = 0; j < 16; ++j) {
    nibbles[j] = static_cast<uint8_t>(((codes[j] + bias) & 15) | ((codes[j + 16] + bias) & 15) << 4);
  }
}

// The fifth bits of the same.
void pack_high(const int8_t (&codes)[32], int bias, uint8_t (&high)[4]) {
  for (int byte = 0; byte < 4; ++byte) {
    int bits = 0;
    for (int j = 0; j < 8; ++j) bits |= ((codes[8 * byte + j] + bias) >> 4) << j;
    high[byte] = static_cast<uint8_t>(bits);
  }
}

}  // namespace

void fit(const float* x, const float* importance, Q4_0& block) {
  int8_t codes[32];
  block.d = fit_scale(x, importance, {-8, 7}, codes);
  pack_nibbles(codes, 8, block.nibbles);
}

void fit(const float* x, const float* importance, Q4_1& block) {
  int8_t codes[32];
  fit_line(x, importance, 15, block.d, block.m, codes);
  pack_nibbles(codes, 0, block.nibbles);
}

void fit(const float* x, const float* importance, Q5_0& block) {
  int8_t codes[32];
  block.d = fit_scale(x, importance, {-16, 15}, codes);
  pack_nibbles(codes, 16, block.nibbles);
  pack_high(codes, 16, block.high);
}

void fit(const float* x, const float* importance, Q5_1& block) {
  int8_t codes[32];
  fit_line(x, importance, 31, block.d, block.m, codes);
  pack_nibbles(codes, 0, block.nibbles);
  pack_high(codes, 0, block.high);
}

// The code -128 is left unused: kernels that multiply magnitudes of signed bytes have no place for its magnitude.
void fit(const float* x, const float* importance, Q8_0& block) {
  block.d = fit_scale(x, importance, {-127, 127}, block.q);
}

}  // namespace propane::quant
