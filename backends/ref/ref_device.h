// The oracle: a device that computes every op of the vocabulary in double, with plain loops, for other devices to be
// tested against.
#pragma once

#include <memory>

#include "graph/communicator.h"
#include "graph/device.h"

namespace propane {

// A device named "ref". Operands of any float type (f64, f32, bf16, f16) are read as doubles and each result is rounded
// once, when it is stored: a graph of f64 is exact double arithmetic throughout. It takes every op but transfer, which
// is the plan's. Fused ops run as the plain ops that they stand for, without rounding between them.
//
// Unlike a device that anyone waits for, its kernels allocate while they run. Throws Error, naming the op, where an
// index lies outside what it indexes. Collective ops talk through `ranks` (none: one rank, alone).
std::shared_ptr<Device> make_ref_device(std::shared_ptr<Communicator> ranks = nullptr);

}  // namespace propane
