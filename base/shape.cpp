#include "base/shape.h"

#include <algorithm>

#include "base/error.h"

namespace propane {

Shape::Shape(std::span<const int64_t> dims) {
  if (dims.size() > kMaxRank) fail("a tensor of rank {} is beyond the largest rank, {}", dims.size(), kMaxRank);
  rank_ = static_cast<int>(dims.size());
  std::copy(dims.begin(), dims.end(), dims_.begin());
}

int64_t Shape::count() const {
  int64_t n = 1;
  for (int64_t d : dims()) n *= d;
  return n;
}

int64_t Shape::rows() const {
  int64_t n = 1;
  for (int i = 0; i + 1 < rank_; ++i) n *= dims_[i];
  return n;
}

Shape Shape::with_last(int64_t last) const {
  Shape out = *this;
  out.set(-1, last);
  return out;
}

std::string Shape::str() const {
  std::string out = "[";
  for (int i = 0; i < rank_; ++i) out += (i ? ", " : "") + std::to_string(dims_[i]);
  return out + "]";
}

bool Shape::operator==(const Shape& other) const {
  return rank_ == other.rank_ && std::equal(dims_.begin(), dims_.begin() + rank_, other.dims_.begin());
}

}  // namespace propane
