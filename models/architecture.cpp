#include "models/architecture.h"

#include <fmt/ranges.h>

#include <vector>

#include "base/error.h"

namespace propane {

namespace {

const Architecture& find(std::string_view name, std::string_view file, const char* key,
                         std::string_view Architecture::*field) {
  std::vector<std::string_view> known;
  for (auto list : {llama_architectures(), gemma_architectures(), expert_architectures(), gpt2_architectures()})
    for (const Architecture& a : list) {
      if ((a.*field).empty()) continue;
      if (a.*field == name) return a;
      known.push_back(a.*field);
    }
  fail("{}: {} \"{}\" is not known here; known are {}", file, key, name, fmt::join(known, ", "));
}

// The layer's number in one of our names, "" where there is none.
std::string_view layer_of(std::string_view ours) {
  constexpr std::string_view kLayers = "layers.";
  if (!ours.starts_with(kLayers)) return {};
  ours.remove_prefix(kLayers.size());
  return ours.substr(0, ours.find('.'));
}

}  // namespace

const Architecture& find_hugging_face_architecture(std::string_view model_type, std::string_view file) {
  return find(model_type, file, "model_type", &Architecture::hugging_face);
}

const Architecture& find_gguf_architecture(std::string_view name, std::string_view file) {
  return find(name, file, "general.architecture", &Architecture::gguf);
}

const TensorName* find_name(std::span<const TensorName> names, std::string_view ours) {
  for (const TensorName& row : names)
    if (filled_in(row.ours, ours) == ours) return &row;
  return nullptr;
}

std::string filled_in(std::string_view pattern, std::string_view ours) {
  const size_t star = pattern.find('*');
  if (star == std::string_view::npos) return std::string(pattern);
  return std::string(pattern.substr(0, star)) + std::string(layer_of(ours)) + std::string(pattern.substr(star + 1));
}

}  // namespace propane
