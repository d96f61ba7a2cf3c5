#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/devices.h"
#include "formats/safetensors.h"
#include "models/hugging_face.h"
#include "train/load_model.h"

namespace propane {

namespace {

struct Options {
  std::string model, out, to = "hf";
};

void run(const Options& o) {
  const Path out = o.out;
  if (std::filesystem::exists(out) && !std::filesystem::is_empty(out))
    fail("{}: the folder is there already and not empty; nothing was overwritten", o.out);
  const auto device = open_device("cpu");
  State state;
  const train::TrainedModel model = train::load_model(o.model, state, *device);
  const ModelConfig& config = model.config.model;
  const auto tensors = hugging_face_tensors(config);
  const auto bos = model.tokenizer.bos_id();
  const int64_t bos_id = bos ? *bos : -1;

  std::vector<std::vector<float>> copies;
  std::vector<TensorToWrite> list;
  for (const HuggingFaceTensor& tensor : tensors) {
    auto& copy = copies.emplace_back(static_cast<size_t>(tensor.shape.count()));
    to_hugging_face(tensor, config, static_cast<const float*>(state.host(tensor.ours)), copy.data());
    list.push_back({tensor.theirs, DType::f32, tensor.shape, copy.data()});
  }
  std::filesystem::create_directories(out);
  write_safetensors(out / "model.safetensors", list, {{"format", "pt"}});
  write_file_atomically(out / "config.json", hugging_face_config(config, bos_id, bos_id));
  model.tokenizer.save(out / "tokenizer.json");
  fmt::print(stderr, "wrote {} tensors of step {} to {}\n", list.size(), model.step, o.out);
}

}  // namespace

void add_convert_command(CLI::App& app) {
  auto o = std::make_shared<Options>();
  CLI::App* cmd = app.add_subcommand("convert", "Write a llama or gpt2 model as a Hugging Face folder");
  cmd->add_option("--model", o->model, "Run folder, or a checkpoint folder in it")->required();
  cmd->add_option("--to", o->to, "hf: config.json, model.safetensors, tokenizer.json")
      ->capture_default_str()
      ->check(CLI::IsMember({"hf"}));
  cmd->add_option("--out", o->out, "A new or empty folder")->required();
  cmd->callback([o] { run(*o); });
}

}  // namespace propane
