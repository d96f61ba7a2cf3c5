// What the subcommands' outputs share.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "graph/device.h"
#include "train/device_label.h"

namespace propane {

train::DeviceLabel label_of(const Device& device);

// {name, simulated, profile} for JSON objects.
nlohmann::json device_json(const Device& device);

// Prints one JSON object on stdout, and nothing else.
void print_json(const nlohmann::json& object);

}  // namespace propane
