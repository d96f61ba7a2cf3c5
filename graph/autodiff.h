// Gradients of a graph, as more graph.
#pragma once

#include <span>
#include <vector>

#include "graph/graph.h"

namespace propane {

struct Seed {
  Val value;     // differentiated from here ...
  Val gradient;  // ... with this gradient, of the value's shape
};

// Appends the nodes that compute the gradient of the seeds with respect to each of `wanted`, in reverse order of the
// forward nodes, and returns for each the list of its contributions (one for every use of it; empty when nothing
// depends on it): the caller adds them up, or accumulates each into state. New nodes get the forward node's scope with
// "/grad" behind it. Throws Error when a gradient would have to pass an op that has none.
std::vector<std::vector<Val>> gradients(Graph& graph, std::span<const Seed> seeds, std::span<const Val> wanted);

}  // namespace propane
