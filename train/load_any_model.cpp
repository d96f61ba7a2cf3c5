#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/gguf.h"
#include "models/weight_source.h"
#include "tokenizer/gguf_vocabulary.h"
#include "train/load_model.h"

namespace propane::train {

namespace {

using nlohmann::json;

// Matrices as they lie in the file; what is small, or is not ours as it stands, as numbers.
void put_weights(std::shared_ptr<const WeightSource> source, State& state, Device& device) {
  std::vector<float> values;
  for (const SourceTensor& tensor : source->list()) {
    const auto raw = source->raw(tensor.name);
    if (raw && tensor.shape.rank() == 2) {
      state.adopt(tensor.name, {raw->type, tensor.shape}, device, map_host(raw->data, source));
      continue;
    }
    values.resize(static_cast<size_t>(tensor.shape.count()));
    source->read(tensor.name, values.data());
    state.get(tensor.name, {DType::f32, tensor.shape}, device);
    state.set(tensor.name, values.data());
  }
}

void add_end(std::vector<int32_t>& list, std::optional<int32_t> id) {
  if (id && !std::count(list.begin(), list.end(), *id)) list.push_back(*id);
}

json read_json(const Path& path) {
  if (!std::filesystem::exists(path)) return json::object();
  json object = json::parse(read_file(path), nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) fail("{}: expected a JSON object", path.string());
  return object;
}

LoadedModel from_gguf(const Path& path, ModelConfig config) {
  const GgufFile file(path);
  LoadedModel model{path.stem().string(), std::move(config), Tokenizer(read_gguf_vocabulary(file)), {}, {}};
  if (const GgufValue* name = file.find_value("general.name")) model.name = name->string();
  if (const GgufValue* text = file.find_value("tokenizer.chat_template"))
    model.chat_template.emplace(text->string(), file.name() + ": tokenizer.chat_template");
  const TaskIds& ids = model.tokenizer.spec().tasks;
  for (const auto id : {ids.eos, ids.eot, ids.eom}) add_end(model.end_tokens, id);
  return model;
}

// "chat_template" of tokenizer_config.json: a template, or several with names of which one is "default".
std::optional<std::string> template_of(const json& settings) {
  if (!settings.contains("chat_template")) return std::nullopt;
  const json& value = settings["chat_template"];
  if (value.is_string()) return value.get<std::string>();
  if (value.is_array())
    for (const json& item : value)
      if (item.is_object() && item.value("name", "") == "default" && item.contains("template") &&
          item["template"].is_string())
        return item["template"].get<std::string>();
  return std::nullopt;
}

LoadedModel from_folder(const Path& folder, ModelConfig config) {
  LoadedModel model{folder.filename().string(), std::move(config), Tokenizer::load(folder / "tokenizer.json"), {}, {}};
  const Path settings_path = folder / "tokenizer_config.json", template_path = folder / "chat_template.jinja";
  const json settings = read_json(settings_path);
  if (std::filesystem::exists(template_path))
    model.chat_template.emplace(read_file(template_path), template_path.string());
  else if (const auto text = template_of(settings))
    model.chat_template.emplace(*text, settings_path.string() + ": chat_template");
  for (const char* file : {"generation_config.json", "config.json"}) {
    const json object = read_json(folder / file);
    if (!object.contains("eos_token_id")) continue;
    const json& ids = object["eos_token_id"];
    for (const json& id : ids.is_array() ? ids : json::array({ids}))
      if (id.is_number_integer()) add_end(model.end_tokens, id.get<int32_t>());
  }
  if (settings.contains("eos_token")) {
    const json& eos = settings["eos_token"];
    const std::string text = eos.is_object() ? eos.value("content", "") : eos.is_string() ? eos.get<std::string>() : "";
    if (!text.empty()) add_end(model.end_tokens, model.tokenizer.special_id(text));
  }
  return model;
}

}  // namespace

int64_t LoadedModel::longest_context(int64_t asked) const {
  if (config.family == Family::gpt2) return std::min(asked, config.seq);
  return config.longest_context > 0 ? std::min(asked, config.longest_context) : asked;
}

LoadedModel load_any_model(const Path& path, State& state, Device& device) {
  const bool folder = std::filesystem::is_directory(path);
  if (folder ? std::filesystem::exists(path / "config.json") : std::filesystem::is_regular_file(path)) {
    const auto source = std::make_shared<const WeightSource>(path);
    put_weights(source, state, device);
    return folder ? from_folder(path, source->config()) : from_gguf(path, source->config());
  }
  TrainedModel trained = load_model(path, state, device);
  LoadedModel model{path.filename().string(), trained.config.model, std::move(trained.tokenizer), {}, {}};
  add_end(model.end_tokens, model.tokenizer.bos_id());
  model.begins_texts = true;
  return model;
}

}  // namespace propane::train
