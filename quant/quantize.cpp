#include "quant/quantize.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/half.h"
#include "base/threads.h"
#include "quant/block_fit.h"

namespace propane::quant {

namespace {

constexpr float kLargestHalf = 65504;

void check_values(BlockType type, std::span<const float> values, int64_t columns) {
  const float limit = type == BlockType::f32 || type == BlockType::bf16 ? INFINITY : kLargestHalf;
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i]) && std::abs(values[i]) <= limit) continue;
    fail("{}: expected finite numbers{}, found {} in row {}, column {}", block_type_name(type),
         limit == kLargestHalf ? " of at most 65504" : "", values[i], static_cast<int64_t>(i) / columns,
         static_cast<int64_t>(i) % columns);
  }
}

void check_importance(std::span<const float> importance, int64_t columns) {
  if (!importance.empty() && static_cast<int64_t>(importance.size()) != columns) {
    fail("expected one importance for each of {} columns, found {}", columns, importance.size());
  }
  for (size_t i = 0; i < importance.size(); ++i) {
    if (std::isfinite(importance[i]) && importance[i] >= 0) continue;
    fail("expected importances that are finite and not negative, found {} in column {}", importance[i], i);
  }
}

struct Job {
  std::span<const float> values;
  int64_t columns;
  std::span<const float> importance;
  std::byte* out;
};

template <typename Block>
void fit_all(const Job& job) {
  const auto blocks = static_cast<int64_t>(job.values.size()) / Block::kElements;
  threads().parallel_for(blocks, 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i * Block::kElements;
      Block block;
      fit(&job.values[static_cast<size_t>(first)],
          job.importance.empty() ? nullptr : &job.importance[static_cast<size_t>(first % job.columns)], block);
      std::memcpy(job.out + static_cast<size_t>(i) * sizeof block, &block, sizeof block);
    }
  });
}

template <typename Convert>
void convert_all(const Job& job, Convert convert) {
  for (size_t i = 0; i < job.values.size(); ++i) {
    const uint16_t bits = convert(job.values[i]);
    std::memcpy(job.out + 2 * i, &bits, sizeof bits);
  }
}

// False for a format that has no quantizer.
bool dispatch(BlockType type, const Job& job) {
  switch (type) {
    case BlockType::f32:
      if (!job.values.empty()) std::memcpy(job.out, job.values.data(), job.values.size_bytes());
      return true;
    case BlockType::f16: return convert_all(job, float_to_f16), true;
    case BlockType::bf16: return convert_all(job, float_to_bf16), true;
    case BlockType::q4_0: return fit_all<Q4_0>(job), true;
    case BlockType::q4_1: return fit_all<Q4_1>(job), true;
    case BlockType::q5_0: return fit_all<Q5_0>(job), true;
    case BlockType::q5_1: return fit_all<Q5_1>(job), true;
    case BlockType::q8_0: return fit_all<Q8_0>(job), true;
    case BlockType::q4_k: return fit_all<Q4_K>(job), true;
    case BlockType::q5_k: return fit_all<Q5_K>(job), true;
    case BlockType::q6_k: return fit_all<Q6_K>(job), true;
    default: return false;
  }
}

}  // namespace

bool can_quantize(BlockType type) { return dispatch(type, {{}, 1, {}, nullptr}); }

void quantize(BlockType type, std::span<const float> values, int64_t columns, std::span<const float> importance,
              std::span<std::byte> out) {
  if (!can_quantize(type))
    fail("{}: expected a format that Propane writes, found one it only reads", block_type_name(type));
  const size_t bytes_of_row = row_bytes(type, columns);
  const size_t row = static_cast<size_t>(std::max<int64_t>(columns, 1));
  if (values.size() % row != 0 || (columns == 0 && !values.empty())) {
    fail("{}: expected whole rows of {} numbers, found {} numbers", block_type_name(type), columns, values.size());
  }
  if (const size_t expected = values.size() / row * bytes_of_row; out.size() != expected) {
    fail("{}: expected room for {} bytes, found {}", block_type_name(type), expected, out.size());
  }
  check_importance(importance, columns);
  check_values(type, values, columns);
  dispatch(type, {values, columns, importance, out.data()});
}

}  // namespace propane::quant
