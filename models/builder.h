// What the families' graph builders share.
#pragma once

#include <string>

#include "graph/ops.h"
#include "models/model.h"

namespace propane {

class Builder {
 public:
  Builder(Graph& g, const ModelConfig& config, const BuildOptions& options);

  Graph& g;
  const ModelConfig& c;
  const BuildOptions& o;
  Val tokens, positions, kv_len, doc_start;

  // A weight of the model's element type, or of the type that BuildOptions::stored has it in.
  Val param(const std::string& name, Shape shape);
  void layer(int64_t i) { g.set_scope("layers." + std::to_string(i)); }

  // [batch, len, heads·head_dim] -> [batch, len, heads, head_dim]
  Val heads(Val x, int64_t n) { return reshape(g, x, {o.batch, o.len, n, c.head_dim}); }
  // Causal attention of layer i over this graph's keys or its caches; q, k, v by head -> [batch, len, n_head·head_dim].
  Val attend(int64_t i, Val q, Val k, Val v, int64_t window, Val sinks = {});
  // RoPE as layer i has it; x as it is where it has none.
  Val rotate(int64_t i, Val x, bool transposed_sign = false);
};

}  // namespace propane
