#include "graph/op.h"
#include "graph/ops.h"

namespace propane {

namespace {

// Rows come out in the table's type, or in float32 from a narrower table, so that sums are never taken in 16 bits.
DType row_type(DType table) {
  return table == DType::bf16 || table == DType::f16 || is_block(table) ? DType::f32 : table;
}

std::vector<Type> infer_embedding(const OpCall& call) {
  call.arity(2, 2);
  call.require(call.shape(0).rank() == 2, "a table must be [vocab, dim]");
  call.index_type(1);
  std::vector<int64_t> dims(call.shape(1).dims().begin(), call.shape(1).dims().end());
  dims.push_back(call.shape(0)[1]);
  return {{row_type(call.type(0).dtype), Shape(std::span<const int64_t>(dims))}};
}

std::vector<Val> grad_embedding(GradientCall& call) {
  return {call.graph.add("embedding_grad", {call.in(1), call.d(0)}, {{"vocab", call.graph.shape(call.in(0))[0]}})[0],
          {}};
}

std::vector<Type> infer_embedding_grad(const OpCall& call) {
  call.arity(2, 4);
  call.index_type(0);
  call.require(call.shape(0).count() == call.shape(1).rows(), "one gradient row a token is needed");
  const Shape table{call.node.attrs.integer("vocab"), call.last_axis(1)};
  if (!call.has(2)) return {{call.type(1).dtype, table}};
  call.expect_shape(2, table);
  if (call.has(3)) call.expect_shape(3, {1});
  return {};
}

std::vector<Type> infer_gather_rows(const OpCall& call) {
  call.arity(2, 2);
  call.index_type(1);
  const Shape& x = call.shape(0);
  call.require(x.rank() == 3, "x must be [batch, seq, dim]");
  call.expect_shape(1, {x[0]});
  return {{call.type(0).dtype, {x[0], x[2]}}};
}

}  // namespace

std::span<const OpDef> embedding_ops() {
  static const OpDef ops[] = {
      {.name = "embedding",
       .doc = "table[ids]: table [vocab, dim], ids i32 [...] -> [..., dim], float32 from a 16-bit or quantized table. An id outside "
              "[0, vocab) is an error of the caller; ids are checked where they enter a plan.",
       .infer = infer_embedding,
       .gradient = grad_embedding},
      {.name = "embedding_grad",
       .doc =
           "ids [...], dy [..., dim] -> dtable [vocab, dim]: each row's gradients added in the order of the tokens, so "
           "the result repeats. `into` and `keep` as in linear_grad_w; attribute vocab.",
       .infer = infer_embedding_grad,
       .writes = [](const Node& node, int input) { return input == 2 && node.inputs.size() > 2 && node.inputs[2]; }},
      {.name = "gather_rows",
       .doc = "x [batch, seq, dim], index i32 [batch] -> [batch, dim]: row index[b] of each sequence, for the logits "
              "after "
              "a prefill.",
       .infer = infer_gather_rows},
  };
  return ops;
}

Val embedding(Graph& g, Val table, Val ids) { return g.add("embedding", {table, ids})[0]; }
Val gather_rows(Graph& g, Val x, Val index) { return g.add("gather_rows", {x, index})[0]; }

}  // namespace propane
