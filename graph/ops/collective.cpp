#include "graph/op.h"
#include "graph/ops.h"

namespace propane {

namespace {

std::vector<Type> infer_same(const OpCall& call) {
  call.arity(1, 1);
  return {call.type(0)};
}

std::vector<Type> infer_reduce_scatter(const OpCall& call) {
  call.arity(1, 1);
  Shape s = call.shape(0);
  const int64_t ranks = call.node.attrs.integer("ranks");
  call.require(s.rank() >= 1 && ranks > 0 && s[0] % ranks == 0, "the first axis must divide by the number of ranks");
  s.set(0, s[0] / ranks);
  return {{call.type(0).dtype, s}};
}

std::vector<Type> infer_all_gather(const OpCall& call) {
  call.arity(1, 1);
  Shape s = call.shape(0);
  const int64_t ranks = call.node.attrs.integer("ranks");
  call.require(s.rank() >= 1 && ranks > 0, "expected at least one axis and at least one rank");
  s.set(0, s[0] * ranks);
  return {{call.type(0).dtype, s}};
}

}  // namespace

std::span<const OpDef> collective_ops() {
  static const OpDef ops[] = {
      {.name = "all_reduce",
       .doc = "x [...] -> [...]: the sum over all ranks, added in rank order, the same on each.",
       .infer = infer_same,
       .may_share = {{0, 0}}},
      {.name = "reduce_scatter",
       .doc = "x [n, ...] -> [n / ranks, ...]: this rank's share of the sum over ranks; attribute ranks.",
       .infer = infer_reduce_scatter},
      {.name = "all_gather",
       .doc = "x [n, ...] -> [n·ranks, ...]: all ranks' values one after the other; attribute ranks.",
       .infer = infer_all_gather},
      {.name = "transfer",
       .doc = "The same value in another device's memory; placed by the placement pass where a node reads what another "
              "device made.",
       .infer = infer_same},
  };
  return ops;
}

Val all_reduce(Graph& g, Val x) { return g.add("all_reduce", {x})[0]; }
Val reduce_scatter(Graph& g, Val x, int64_t ranks) { return g.add("reduce_scatter", {x}, {{"ranks", ranks}})[0]; }
Val all_gather(Graph& g, Val x, int64_t ranks) { return g.add("all_gather", {x}, {{"ranks", ranks}})[0]; }
Val transfer(Graph& g, Val x) { return g.add("transfer", {x})[0]; }

}  // namespace propane
