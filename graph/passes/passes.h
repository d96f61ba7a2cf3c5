// Rewrites of a graph, one file each. All keep the meaning; a test holds each against the graph before it.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace propane {

// Drops nodes that make nothing anyone reads and write no state.
void remove_dead_code(Graph& graph);

// Whether the devices at hand take a node; a fused op is made only where this holds for it.
using Takes = std::function<bool(const Graph&, const Node&)>;

// linear, linear, linear of one input -> linears; the sum of their input gradients -> one linears_grad_x.
void pack_linears(Graph& graph, const Takes& takes);
// swiglu(linear, linear) -> gated_linear.
void fuse_gated_linear(Graph& graph, const Takes& takes);
// rms_norm read only by one linear or linears -> norm_linears.
void fuse_norm_linear(Graph& graph, const Takes& takes);
// linear, softcap, cross_entropy and, when present, their gradients -> head_loss or head_loss_train.
void fuse_head_loss(Graph& graph, const Takes& takes);
// accumulate(state, gradient) -> the op that makes the gradient writes into the state itself.
void fuse_accumulate(Graph& graph, const Takes& takes);
// All of these in a good order, dead code removed.
void fuse(Graph& graph, const Takes& takes);

// Activation checkpointing (Chen et al. 2016): what the forward nodes that `recompute` names make is not kept for the
// gradients but computed again, just before the first gradient node that reads it. Values that pass from scope to scope stay.
void checkpoint_activations(Graph& graph, const std::function<bool(const Node&)>& recompute);

// Gives every node a device by the name that `place` returns, and puts a transfer where a node reads what another
// device made. State belongs to the device that writes it, else to the one that reads it first.
void place(Graph& graph, const std::function<std::string(const Graph&, const Node&)>& place);

// Memory planning: a block must keep `bytes` from step `first` to step `last`, both included.
struct Lifetime {
  size_t bytes = 0;
  int first = 0, last = 0;
};
struct MemoryLayout {
  std::vector<size_t> offsets;  // one a block, multiples of 64
  size_t bytes = 0;             // of the arena
};
// Offsets such that blocks alive together do not overlap: largest first, each in the lowest gap (Pisarchyk & Lee 2020,
// "greedy by size").
MemoryLayout plan_memory(std::span<const Lifetime> blocks);

}  // namespace propane
