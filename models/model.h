// A configuration as a graph.
#pragma once

#include "graph/graph.h"
#include "graph/state.h"
#include "models/config.h"

namespace propane {

struct BuildOptions {
  int64_t batch = 1;
  int64_t len = 1;     // tokens a row in this graph
  int64_t kv_max = 0;  // 0: attention over the graph's own tokens; else over KV caches of this many positions (state)
  bool documents = false;  // rows hold several documents that must not see each other (input doc_start)

  // Weights that are in here keep the types they have there, such as the block types of a quantized file.
  const State* stored = nullptr;
};

// What the graph reads per run:
//   tokens     i32 [batch, len]
//   positions  i32 [batch, len]  place of each token in its row or cache
//   kv_len     i32 [batch]       keys in use
//   doc_start  i32 [batch, len]  (documents) first position of the token's document
// Parameters are state under their names; caches are state "kv.<layer>.k" and "kv.<layer>.v" [batch, kv_max, n_kv_head,
// head_dim].
struct Trunk {
  Val x;     // the last norm's output [batch, len, dim]
  Val head;  // the head's weight [vocab, dim]
};

// Appends the model from tokens to the last norm. Throws Error when the configuration cannot be built.
Trunk build_trunk(Graph& graph, const ModelConfig& config, const BuildOptions& options);

// x [..., dim] -> logits [..., vocab], capped if the model caps them.
Val build_logits(Graph& graph, const ModelConfig& config, Val x, Val head);

// One file a family.
Trunk build_gpt(Graph& graph, const ModelConfig& config, const BuildOptions& options);
Trunk build_llama(Graph& graph, const ModelConfig& config, const BuildOptions& options);
Trunk build_gpt2(Graph& graph, const ModelConfig& config, const BuildOptions& options);
std::vector<Param> gpt_parameters(const ModelConfig& config);
std::vector<Param> llama_parameters(const ModelConfig& config);
std::vector<Param> gpt2_parameters(const ModelConfig& config);

}  // namespace propane
