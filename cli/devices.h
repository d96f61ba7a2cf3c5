// Which devices this program can run on, by the names that --device takes.
#pragma once

#include <memory>
#include <string>

#include "graph/device.h"

namespace propane {

// "cpu", "ref" (double precision, slow: the oracle) or "auto". Throws UsageError naming what there is when the name is
// unknown or its hardware is not here; "auto" never picks a simulated device.
std::shared_ptr<Device> open_device(const std::string& name);

}  // namespace propane
