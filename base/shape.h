// The dimensions of a tensor, outermost first, row-major and contiguous.
#pragma once

#include <array>
#include <cassert>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

namespace propane {

class Shape {
 public:
  static constexpr int kMaxRank = 6;

  Shape() = default;
  Shape(std::initializer_list<int64_t> dims) : Shape(std::span(dims.begin(), dims.size())) {}
  explicit Shape(std::span<const int64_t> dims);  // Throws Error beyond kMaxRank dimensions.

  int rank() const { return rank_; }

  // dim(-1) is the innermost.
  int64_t dim(int i) const {
    if (i < 0) i += rank_;
    assert(i >= 0 && i < rank_);
    return dims_[i];
  }
  int64_t operator[](int i) const { return dim(i); }
  void set(int i, int64_t value) {
    if (i < 0) i += rank_;
    assert(i >= 0 && i < rank_);
    dims_[i] = value;
  }

  // Number of elements; 1 for a scalar (rank 0).
  int64_t count() const;

  // Product of all dimensions but the innermost: the rows of the tensor seen as a matrix.
  int64_t rows() const;

  // This shape with the innermost dimension replaced.
  Shape with_last(int64_t last) const;

  std::span<const int64_t> dims() const { return {dims_.data(), static_cast<size_t>(rank_)}; }
  std::string str() const;  // "[2, 3]"

  bool operator==(const Shape& other) const;

 private:
  std::array<int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

}  // namespace propane
