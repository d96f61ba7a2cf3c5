#include "cli/output.h"

#include <cstdio>
#include <nlohmann/json.hpp>

namespace propane {

train::DeviceLabel label_of(const Device& device) {
  const DeviceInfo& info = device.info();
  return {info.name, info.simulated, info.profile};
}

nlohmann::json device_json(const Device& device) {
  const DeviceInfo& info = device.info();
  return {{"name", info.name}, {"simulated", info.simulated}, {"profile", info.profile}};
}

void print_json(const nlohmann::json& object) {
  const std::string text = object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

}  // namespace propane
