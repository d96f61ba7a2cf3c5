// A model on disk, whoever wrote it: a Hugging Face folder or a GGUF file as a configuration and a list of our
// parameters, each with the place of its numbers. Files are mapped; a tensor is read when it is asked for.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/tensor_files.h"
#include "models/architecture.h"
#include "models/config.h"

namespace propane {

struct SourceTensor {
  // Rows of a stored tensor, from `first_row`.
  struct Part {
    const StoredTensor* stored;
    int64_t first_row;
  };

  std::string name;       // ours
  Shape shape;            // ours
  quant::BlockType type;  // of the numbers as they are stored
  Change change = Change::none;
  std::vector<Part> parts;  // one after the other along the first axis
};

struct RawWeight {
  quant::BlockType type;
  std::span<const std::byte> data;  // our rows one after the other, as quant/blocks.h lays them out
};

class WeightSource {
 public:
  // Opens a folder with config.json and safetensors, or a .gguf file. Throws Error naming the file and what is wrong:
  // an architecture or a setting that is not known here, a tensor that is missing, has another shape or a type of
  // numbers that is not known, or that the architecture does not have.
  explicit WeightSource(const Path& path);

  const ModelConfig& config() const { return config_; }

  // Every parameter of the model, in the order of parameters(config()).
  const std::vector<SourceTensor>& list() const { return list_; }

  // Writes a parameter's numbers, shape.count() of them, in our order. Throws Error if there is no such parameter.
  void read(std::string_view name, float* to) const;

  // A parameter's bytes in the mapped file; empty where they are not ours as they stand (transposed, shifted by one, in
  // several pieces).
  std::optional<RawWeight> raw(std::string_view name) const;

 private:
  const SourceTensor& at(std::string_view name) const;
  void place(std::span<const TensorName> names, bool gguf);
  const StoredTensor* locate(const std::string& name) const;
  const StoredTensor& stored(const std::string& name, const std::string& ours, const Shape& expected) const;
  void refuse_others() const;

  TensorFiles files_;
  ModelConfig config_;
  std::vector<SourceTensor> list_;
};

}  // namespace propane
