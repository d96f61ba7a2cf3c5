// The fast host device: float32, own kernels for AVX-512, AVX2 and NEON with a portable fallback, one pool of threads.
#pragma once

#include <memory>

#include "graph/communicator.h"
#include "graph/device.h"

namespace propane {

// `ranks` serves the collective ops; alone when null.
std::shared_ptr<Device> make_cpu_device(std::shared_ptr<Communicator> ranks = nullptr);

}  // namespace propane
