// The op vocabulary: everything a model, a training step or a decode step is made of.
//
// One function an op; it appends a node to the graph and returns its output (or a struct of outputs). Full
// documentation, shape rule and gradient of each op stand together in graph/ops/; docs/ops.md is made from them.
// Shapes are outermost first; "..." is any number of leading axes; linear weights are [out, in]. Scalars that vary
// per run (hyper-parameters, seeds, norms) are f64 [1] so that no backend rounds them; indices are i32.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace propane {

// --- linear.cpp ------------------------------------------------------------------------------------------------------
Val linear(Graph& g, Val x, Val w, Val bias = {});                              // [..., in] · [out, in]ᵀ + [out]
std::vector<Val> linears(Graph& g, Val x, std::span<const Val> w);              // several weights, x read once
Val linears_grad_x(Graph& g, std::span<const Val> dy, std::span<const Val> w);  // Σ dyᵢ · wᵢ
Val linear_grad_w(Graph& g, Val dy, Val x, Val into = {}, Val keep = {});       // dyᵀ · x  [out, in]
Val column_sum(Graph& g, Val dy, Val into = {}, Val keep = {});                 // the bias's gradient [out]
struct GatedLinear {
  Val h, gate, up;  // gate and up only when kept for a backward pass
};
GatedLinear gated_linear(Graph& g, Val x, Val w_gate, Val w_up, bool keep_parts);  // silu(x·wgᵀ) ⊙ (x·wuᵀ)
std::vector<Val> norm_linears(Graph& g, Val x, Val gain, double eps, std::span<const Val> w);  // linears(rms_norm(x))

// --- elementwise.cpp -------------------------------------------------------------------------------------------------
Val add(Graph& g, Val x, Val y, double alpha = 1.0);       // x + alpha·y
Val scale(Graph& g, Val x, double factor);                 // factor·x
Val multiply(Graph& g, Val x, Val y);                      // x ⊙ y
Val mix(Graph& g, Val x, Val a, Val y, Val b);             // a·x + b·y with scalars a, b [1]
Val activation(Graph& g, Val x, const std::string& kind);  // relu2, gelu_tanh, gelu, silu, sigmoid
Val swiglu(Graph& g, Val gate, Val up);                    // silu(gate) ⊙ up
Val value_gate(Graph& g, Val v, Val ve, Val gate);         // v + 2·sigmoid(gate)·ve, one gate a head
Val slice_last(Graph& g, Val x, int64_t begin, int64_t size);
Val reshape(Graph& g, Val x, Shape shape);  // a view
Val cast(Graph& g, Val x, DType dtype);

// --- norm.cpp --------------------------------------------------------------------------------------------------------
Val rms_norm(Graph& g, Val x, Val gain, double eps);  // over the last axis; gain [dim] or left out
Val layer_norm(Graph& g, Val x, Val gain, Val bias, double eps);

// --- embedding.cpp ---------------------------------------------------------------------------------------------------
Val embedding(Graph& g, Val table, Val ids);  // table[ids]: [vocab, dim], [...] -> [..., dim]
Val gather_rows(Graph& g, Val x, Val index);  // x[b, index[b], :]

// --- attention.cpp ---------------------------------------------------------------------------------------------------
struct RopeOptions {
  double theta = 10000.0;
  bool interleaved = false;          // pairs (2i, 2i+1); otherwise (i, i + head_dim/2)
  bool transposed_sign = false;      // autoresearch: y1 = x1·cos + x2·sin, y2 = −x1·sin + x2·cos
  int64_t max_position = 0;          // tables are built for positions below this
  int64_t rotary_dim = 0;            // elements of a head that turn, the first ones; 0: all
  std::vector<double> factors = {};  // what each pair's frequency is divided by (linear, YaRN, LongRoPE); empty: 1
  double amplitude = 1.0;            // multiplies cos and sin (YaRN's and LongRoPE's attention factor)
  // Llama-3 scaling; factor 0 means none.
  double scaling_factor = 0, low_freq_factor = 1, high_freq_factor = 4, original_max_position = 8192;
};
Val rope(Graph& g, Val x, Val positions, const RopeOptions& options);  // [batch, seq, heads, head_dim], [batch, seq]
std::vector<double> rope_factors(const Attrs& attrs);                  // of a rope node; empty when it has none
struct AttentionInputs {
  Val q;           // [batch, q_len, n_head, head_dim]
  Val k, v;        // [batch, kv_max, n_kv_head, head_dim]
  Val q_pos;       // i32 [batch, q_len]: each query's place among the keys
  Val kv_len;      // i32 [batch]: keys in use
  Val doc_start;   // i32 [batch, q_len], optional: the first key that a query may see
  Val sinks = {};  // [n_head], optional, inference only: scores of a key that every query sees and whose value is 0
};
// window 0: all keys; softcap 0: none, else scores become cap·tanh(score/cap) (inference only)
Val attention(Graph& g, const AttentionInputs& in, int64_t window, double scale, double softcap = 0);

// --- experts.cpp (inference only) ------------------------------------------------------------------------------------
struct ExpertChoice {
  Val weights, ids;  // [..., k], i32 [..., k]
};
ExpertChoice choose_experts(Graph& g, Val scores, int64_t k, bool normalize);  // scores [..., experts]
Val expert_linear(Graph& g, Val x, Val w, Val ids, Val bias = {});             // w[ids]·x: [..., k, out]
Val expert_sum(Graph& g, Val y, Val weights);                                  // Σ_j weights[..., j]·y[..., j, :]
Val clamped_swiglu(Graph& g, Val gate, Val up, double alpha, double limit);    // gpt-oss's

// --- loss.cpp --------------------------------------------------------------------------------------------------------
Val softcap(Graph& g, Val x, double cap);              // cap·tanh(x/cap)
Val cross_entropy(Graph& g, Val logits, Val targets);  // nats a row; 0 where the target is −1
Val masked_mean(Graph& g, Val nats, Val targets);      // mean over targets ≥ 0: f64 [1]

// --- optimizer.cpp ---------------------------------------------------------------------------------------------------
Val sum_squares(Graph& g, std::span<const Val> xs);     // Σ x²: f64 [1]
Val clip_scale(Graph& g, Val sum_squares, Val limits);  // f64 [2]: gradient multiplier, 1 if the step must be skipped
struct ParamGroup {
  std::vector<Val> params, grads, first, second;  // second: AdamW's v, NorMuon's row or column means
};
void adamw(Graph& g, const ParamGroup& group, Val grad_scale, Val hyper);
void muon(Graph& g, const ParamGroup& group, Val grad_scale, Val hyper);
void accumulate(Graph& g, Val into, Val value, Val keep = {});  // into ← keep·into + value (keep left out: 1)

// --- state.cpp -------------------------------------------------------------------------------------------------------
void kv_write(Graph& g, Val cache, Val rows, Val positions);  // cache[b, positions[b, t]] ← rows[b, t]

// --- collective.cpp --------------------------------------------------------------------------------------------------
Val all_reduce(Graph& g, Val x);                     // the sum over ranks
Val reduce_scatter(Graph& g, Val x, int64_t ranks);  // this rank's share of the sum, axis 0 cut evenly
Val all_gather(Graph& g, Val x, int64_t ranks);      // the shares joined along axis 0
Val transfer(Graph& g, Val x);                       // the same value on the device of the node

}  // namespace propane
