#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "backends/cpu/kernels/select.h"
#include "base/threads.h"
#include "cli/commands.h"
#include "cli/devices.h"
#include "cli/output.h"
#include "train/machine.h"

namespace propane {

namespace {

void run(bool json) {
  const train::MachineFacts machine = train::machine_facts();
  nlohmann::json list = nlohmann::json::array();
  const std::string simd(cpu::name(cpu::selected_target()));
  for (const char* name : {"cpu", "ref"}) {
    const auto device = open_device(name);
    list.push_back(
        {{"name", name},
         {"available", true},
         {"simulated", device->info().simulated},
         {"profile", device->info().profile},
         {"memory_bytes", machine.memory_bytes},
         {"detail",
          std::string(name) == "cpu" ? machine.cpu : "double precision on the host: slow, the oracle of the tests"},
         {"threads", std::string(name) == "cpu" ? threads().size() : 1},
         {"simd", std::string(name) == "cpu" ? simd : "none"}});
  }
  for (const auto& [name, why] :
       {std::pair{"cuda", "not in this build"}, {"metal", "not in this build"}, {"ane", "not in this build"}})
    list.push_back({{"name", name},
                    {"available", false},
                    {"simulated", false},
                    {"profile", ""},
                    {"memory_bytes", nullptr},
                    {"detail", why}});
  if (json) return print_json({{"devices", list}});
  for (const auto& d : list) {
    std::string line = fmt::format("{:<6} {:<10} {}", d["name"].get<std::string>(),
                                   d["available"].get<bool>() ? "available" : "-", d["detail"].get<std::string>());
    if (d["available"].get<bool>())
      line += fmt::format(", {} threads, {}, {:.1f} GiB", d["threads"].get<int>(), d["simd"].get<std::string>(),
                          static_cast<double>(machine.memory_bytes) / (1 << 30));
    std::printf("%s\n", line.c_str());
  }
}

}  // namespace

void add_devices_command(CLI::App& app) {
  auto json = std::make_shared<bool>(false);
  CLI::App* cmd = app.add_subcommand("devices", "What can run here");
  cmd->add_flag("--json", *json, "One JSON object");
  cmd->callback([json] { run(*json); });
}

}  // namespace propane
