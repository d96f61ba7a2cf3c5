// The search for the scale and offset with which integer codes come nearest to given numbers.
//
// For fixed codes the best line x ≈ scale · q + offset is a weighted least-squares fit; for a fixed line the best codes
// are the nearest ones. The search takes the codes of many plausible lines, fits each, and then alternates from the
// best: the method of k-means, on a regular grid. What it minimizes is the sum of weight · (x - (scale · q + offset))².
#pragma once

#include <array>
#include <cstdint>

namespace propane::quant {

// N numbers and the weight of each one's squared error; weights are not negative and not all zero, numbers are finite.
template <int N>
struct Weighted {
  alignas(16) std::array<float, N> x;
  alignas(16) std::array<float, N> weight;
};

// Codes from `low` to `high`, both included.
struct CodeRange {
  int low;
  int high;
};

// code -> scale · code + offset
struct Line {
  float scale;
  float offset;
};

// The best scale found for x ≈ scale · q; 0 for numbers that are all (nearly) zero. It may be negative where the range
// reaches further to one side than to the other.
template <int N>
float search_scale(const Weighted<N>& values, CodeRange range);

// The best line found for codes 0..high, with scale >= 0 and, if `offset_not_positive`, offset <= 0.
template <int N>
Line search_line(const Weighted<N>& values, int high, bool offset_not_positive);

// Writes the code nearest to each number and returns the weighted squared error of the whole.
template <int N>
float encode(const Weighted<N>& values, Line line, CodeRange range, int8_t* codes);

}  // namespace propane::quant
