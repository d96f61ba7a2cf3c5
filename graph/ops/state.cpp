#include "graph/op.h"
#include "graph/ops.h"

namespace propane {

namespace {

std::vector<Type> infer_kv_write(const OpCall& call) {
  call.arity(3, 3);
  const Shape &cache = call.shape(0), &rows = call.shape(1);
  call.require(
      cache.rank() == 4 && rows.rank() == 4 && cache[0] == rows[0] && cache[2] == rows[2] && cache[3] == rows[3],
      "cache [batch, kv_max, heads, head_dim] and rows [batch, len, heads, head_dim] must agree");
  call.index_type(2);
  call.expect_shape(2, {rows[0], rows[1]});
  return {};
}

}  // namespace

std::span<const OpDef> state_ops() {
  static const OpDef ops[] = {
      {.name = "kv_write",
       .doc =
           "cache (state) [batch, kv_max, heads, head_dim], rows [batch, len, heads, head_dim], positions i32 [batch, "
           "len]: cache[b, positions[b, t]] ← rows[b, t]; a position of −1 (padding) is passed over.",
       .infer = infer_kv_write,
       .writes = [](const Node&, int input) { return input == 0; }},
  };
  return ops;
}

void kv_write(Graph& g, Val cache, Val rows, Val positions) { g.add("kv_write", {cache, rows, positions}); }

}  // namespace propane
