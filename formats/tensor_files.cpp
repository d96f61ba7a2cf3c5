#include "formats/tensor_files.h"

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace propane {

namespace {

// The shards of an index and the tensors that it says are in each.
std::map<std::string, std::vector<std::string>> read_index(const Path& path) {
  const auto index = nlohmann::json::parse(read_file(path), nullptr, false);
  if (index.is_discarded() || !index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object())
    fail("{}: expected a JSON object with the object \"weight_map\" in it", path.string());
  std::map<std::string, std::vector<std::string>> shards;
  for (const auto& [tensor, shard] : index["weight_map"].items()) {
    if (!shard.is_string()) fail("{}: weight_map[\"{}\"]: expected a file's name", path.string(), tensor);
    const auto name = shard.get<std::string>();
    if (name.empty() || Path(name).filename() != name || name == "..")
      fail("{}: weight_map[\"{}\"]: expected the name of a file in the same folder, found \"{}\"", path.string(),
           tensor, name);
    shards[name].push_back(tensor);
  }
  return shards;
}

}  // namespace

TensorFiles::TensorFiles(const Path& path) : name_(path.string()) {
  if (std::filesystem::is_directory(path)) {
    open_folder(path);
    return;
  }
  gguf_.emplace(path);
  for (const GgufTensor& t : gguf_->tensors())
    tensors_[std::string(t.name)] = {std::string(t.name), std::string(t.type), t.block_type, t.shape, t.data};
}

void TensorFiles::open_folder(const Path& folder) {
  const Path index = folder / "model.safetensors.index.json", whole = folder / "model.safetensors";
  if (!std::filesystem::exists(index)) {
    if (!std::filesystem::exists(whole))
      fail("{}: expected model.safetensors or model.safetensors.index.json in it, found neither", folder.string());
    shards_.emplace_back(whole);
    for (const SafetensorsTensor& t : shards_.back().tensors()) add(t);
    return;
  }
  for (const auto& [file, names] : read_index(index)) {
    shards_.emplace_back(folder / file);
    for (const std::string& name : names) add(shards_.back().at(name));
  }
}

void TensorFiles::add(const SafetensorsTensor& t) {
  const std::optional<quant::BlockType> type = quant::block_type_from_name(t.type);
  tensors_[t.name] = {t.name, t.type, type, t.shape, t.data};
}

const StoredTensor* TensorFiles::find(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

}  // namespace propane
