#include "train/compressors.h"

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace propane::train {

CompressorFigures read_compressors(const Path& path) {
  if (!std::filesystem::exists(path)) return {};
  const auto object = nlohmann::json::parse(read_file(path), nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) fail("{}: expected a JSON object of xz_bpb and ppmd_bpb", path.string());
  const auto figure = [&](const char* key) -> std::optional<double> {
    const auto found = object.find(key);
    if (found == object.end() || found->is_null()) return std::nullopt;
    if (!found->is_number() || found->get<double>() <= 0)
      fail("{}: expected a positive number for '{}', found {}", path.string(), key, found->dump());
    return found->get<double>();
  };
  return {.xz_bpb = figure("xz_bpb"), .ppmd_bpb = figure("ppmd_bpb")};
}

}  // namespace propane::train
