#include "backends/ref/kernels.h"

namespace propane::ref {

namespace {

// Ranks exchange doubles: the sum is rounded once, like every other result.
void check_ranks(const Operands& o, const char* op) {
  if (o.attrs.integer("ranks") != o.ranks.size())
    fail("{}: the graph was made for {} ranks, the run has {}", op, o.attrs.integer("ranks"), o.ranks.size());
}

void run_all_reduce(const Operands& o) { o.ranks.all_reduce(DType::f64, o.in(0).data, o.out(0).data, o.in(0).count()); }

void run_reduce_scatter(const Operands& o) {
  check_ranks(o, "reduce_scatter");
  o.ranks.reduce_scatter(DType::f64, o.in(0).data, o.out(0).data, o.in(0).count());
}

void run_all_gather(const Operands& o) {
  check_ranks(o, "all_gather");
  o.ranks.all_gather(DType::f64, o.in(0).data, o.out(0).data, o.in(0).count());
}

}  // namespace

std::span<const RefOp> collective_ops() {
  static constexpr RefOp kOps[] = {
      {.name = "all_reduce", .kernel = run_all_reduce},
      {.name = "reduce_scatter", .kernel = run_reduce_scatter},
      {.name = "all_gather", .kernel = run_all_gather},
  };
  return kOps;
}

}  // namespace propane::ref
