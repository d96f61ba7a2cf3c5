#include "quant/scale_search.h"

#include <algorithm>
#include <cmath>

namespace propane::quant {

namespace {

constexpr int kLanes = 8;        // sums run in lanes so that the compiler may use vectors without reordering anything
constexpr float kTiny = 1e-20f;  // below it nothing is left of a number once its scale is an IEEE half
constexpr int kRefinements = 3;  // of the best line; any number more takes less than 0.1 % off the error

// To the nearest integer, ties to even, for |x| < 2^22: the float unit rounds when the fraction's bits are pushed out.
inline float round_small(float x) { return (x + 12582912.0f) - 12582912.0f; }

inline float nearest_code(float x, float low, float high) {
  const float clipped = x < low ? low : (x > high ? high : x);
  return round_small(clipped);
}

float sum(const float (&lanes)[kLanes]) {
  float total = 0;
  for (float lane : lanes) total += lane;
  return total;
}

// Sums over the codes q of one candidate, each weighted.
struct Moments {
  float q;
  float qq;
  float xq;
};

// The moments of the codes nearest to (x - offset) · inverse.
template <int N>
Moments moments_of(const Weighted<N>& values, float inverse, float offset, float low, float high) {
  float q[kLanes] = {}, qq[kLanes] = {}, xq[kLanes] = {};
  for (int i = 0; i < N; i += kLanes) {
    for (int l = 0; l < kLanes; ++l) {
      const float code = nearest_code((values.x[i + l] - offset) * inverse, low, high);
      const float weighted = values.weight[i + l] * code;
      q[l] += weighted;
      qq[l] += weighted * code;
      xq[l] += weighted * values.x[i + l];
    }
  }
  return {sum(q), sum(qq), sum(xq)};
}

// Weighted sums over the numbers themselves.
struct Totals {
  float weight = 0;
  float x = 0;
};

// The fit of offset and scale to codes of these moments, and the part of the squared error that depends on them.
struct Fit {
  Line line;
  float error;
};

Fit fit_line(const Totals& totals, const Moments& m, float offset_limit) {
  const float determinant = totals.weight * m.qq - m.q * m.q;
  Line line{0, totals.x / totals.weight};
  if (determinant > 1e-6f * totals.weight * m.qq) {  // else all codes are one
    line.scale = (totals.weight * m.xq - totals.x * m.q) / determinant;
    line.offset = (totals.x - line.scale * m.q) / totals.weight;
  }
  if (line.offset > offset_limit) {
    line.offset = offset_limit;
    line.scale = m.qq > 0 ? (m.xq - offset_limit * m.q) / m.qq : 0;
  }
  line.scale = std::max(line.scale, 0.0f);
  const float error = line.scale * (line.scale * m.qq - 2 * m.xq) +
                      line.offset * (line.offset * totals.weight - 2 * totals.x + 2 * line.scale * m.q);
  return {line, error};
}

}  // namespace

template <int N>
float search_scale(const Weighted<N>& values, CodeRange range) {
  float extreme = 0;  // the number of the largest magnitude, with its sign
  for (float x : values.x) extreme = std::abs(x) > std::abs(extreme) ? x : extreme;
  if (std::abs(extreme) < kTiny) return 0;

  const auto low = static_cast<float>(range.low), high = static_cast<float>(range.high);
  float best_scale = 0, best_gain = 0;
  const auto consider = [&](float inverse) {
    const Moments m = moments_of(values, inverse, 0, low, high);
    // The error is the sum of weight · x² less this gain.
    if (m.qq > 0 && m.xq * m.xq > best_gain * m.qq) {
      best_gain = m.xq * m.xq / m.qq;
      best_scale = m.xq / m.qq;
    }
  };
  // The extreme number may become any of the outer codes, or lie beyond them and be clipped.
  constexpr float kStep = 0.125f, kReach = 4;
  const bool lopsided = range.low != -range.high;
  for (float target = high + 2; target >= std::max(high - kReach, 1.0f); target -= kStep) {
    consider(target / extreme);
    if (lopsided) consider(-target / extreme);
  }
  for (int i = 0; i < kRefinements && best_scale != 0; ++i) consider(1 / best_scale);
  return best_scale;
}

template <int N>
Line search_line(const Weighted<N>& values, int high, bool offset_not_positive) {
  const auto [least, greatest] = std::minmax_element(values.x.begin(), values.x.end());
  // Numbers are taken relative to one of them: sums of squares of what they have in common would drown the differences.
  const float origin = *least;
  const float bottom = offset_not_positive ? std::min(*least, 0.0f) : *least;
  const float top = offset_not_positive ? std::max(*greatest, bottom) : *greatest;
  if (top - bottom < kTiny) return {0, bottom};

  Weighted<N> shifted = values;
  Totals totals;
  for (int i = 0; i < N; ++i) {
    shifted.x[i] -= origin;
    totals.weight += shifted.weight[i];
    totals.x += shifted.weight[i] * shifted.x[i];
  }
  const float offset_limit = offset_not_positive ? -origin : INFINITY;
  Fit best{{0, bottom - origin}, INFINITY};
  const auto consider = [&](Line line) {
    const Moments m = moments_of(shifted, 1 / line.scale, line.offset, 0, static_cast<float>(high));
    const Fit fit = fit_line(totals, m, offset_limit);
    if (fit.error < best.error) best = fit;
  };
  // Either end of the numbers may lie a little inside or outside of the codes' ends, in units of a code.
  constexpr float kInsets[] = {-0.5f, -0.25f, 0, 0.25f, 0.5f, 0.75f, 1, 1.5f, 2};
  const float unit = (top - bottom) / static_cast<float>(high);
  for (float below : kInsets) {
    for (float above : kInsets) {
      const float begin = bottom - origin + below * unit, end = top - origin - above * unit;
      consider({(end - begin) / static_cast<float>(high), begin});
    }
  }
  for (int i = 0; i < kRefinements && best.line.scale > 0; ++i) consider(best.line);
  return {best.line.scale, best.line.offset + origin};
}

template <int N>
float encode(const Weighted<N>& values, Line line, CodeRange range, int8_t* codes) {
  const auto low = static_cast<float>(range.low), high = static_cast<float>(range.high);
  const float inverse = std::abs(line.scale) > kTiny ? 1 / line.scale : 0;
  float error[kLanes] = {};
  for (int i = 0; i < N; i += kLanes) {
    for (int l = 0; l < kLanes; ++l) {
      const float code = nearest_code((values.x[i + l] - line.offset) * inverse, low, high);
      const float difference = values.x[i + l] - (line.scale * code + line.offset);
      error[l] += values.weight[i + l] * difference * difference;
      codes[i + l] = static_cast<int8_t>(code);
    }
  }
  return sum(error);
}

template float search_scale(const Weighted<16>&, CodeRange);
template float search_scale(const Weighted<32>&, CodeRange);
template Line search_line(const Weighted<32>&, int, bool);
template float encode(const Weighted<16>&, Line, CodeRange, int8_t*);
template float encode(const Weighted<32>&, Line, CodeRange, int8_t*);

}  // namespace propane::quant
