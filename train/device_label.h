// What every record of a run says about the device that did the work.
#pragma once

#include <string>

namespace propane::train {

struct DeviceLabel {
  std::string name = "cpu";  // as --device takes it: "cpu", "cuda", "metal", "ane", "metal:sim", "ane:sim"
  bool simulated = false;
  std::string profile;  // of a simulated device, the chip it stands for: "M4"

  // "cpu", or "ane:sim=M4 (simulated)": the form for people.
  std::string str() const { return name + (profile.empty() ? "" : "=" + profile) + (simulated ? " (simulated)" : ""); }

  bool operator==(const DeviceLabel&) const = default;
};

}  // namespace propane::train
