// How ranks of a data-parallel run talk: what all_reduce, reduce_scatter and all_gather call on host devices.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/dtype.h"

namespace propane {

class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;

  // out[i] = Σ over ranks of in[i], added in rank order, so every rank gets the same bits. f32 or f64; `in` may be
  // `out`.
  virtual void all_reduce(DType dtype, const void* in, void* out, int64_t count) = 0;
  // out = this rank's count/size() elements of the sum.
  virtual void reduce_scatter(DType dtype, const void* in, void* out, int64_t count) = 0;
  // out = every rank's `count` elements one after the other.
  virtual void all_gather(DType dtype, const void* in, void* out, int64_t count) = 0;
};

// One rank that is alone: sums are copies.
std::shared_ptr<Communicator> alone();

// `ranks` ranks that are threads of this process; each calls from its own thread. The calls meet at barriers.
std::vector<std::shared_ptr<Communicator>> local_ranks(int ranks);

}  // namespace propane
