#include "cli/devices.h"

#include "backends/cpu/cpu_device.h"
#include "backends/ref/ref_device.h"
#include "base/error.h"

namespace propane {

std::shared_ptr<Device> open_device(const std::string& name) {
  if (name == "auto" || name == "cpu") return make_cpu_device();
  if (name == "ref") return make_ref_device();
  for (const char* later : {"cuda", "metal", "ane"})
    if (name == later || name.starts_with(std::string(later) + ":"))
      fail_usage(
          "--device {}: this build has no {} backend; it runs on cpu (and ref, the slow double-precision oracle)", name,
          later);
  fail_usage("--device must be cpu, ref or auto, found '{}'", name);
}

}  // namespace propane
