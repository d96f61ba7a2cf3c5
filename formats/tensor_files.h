// The tensors of a model on disk under one roof: a Hugging Face folder (model.safetensors, or shards listed in
// model.safetensors.index.json) or a GGUF file. Mapped; nothing of a tensor's data is read here.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/shape.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "quant/block_type.h"

namespace propane {

struct StoredTensor {
  std::string name;
  std::string type;                            // as its file spells it
  std::optional<quant::BlockType> block_type;  // empty for types that no weight can have here
  Shape shape;                                 // outermost first
  std::span<const std::byte> data;             // valid as long as its TensorFiles
};

class TensorFiles {
 public:
  // Opens a folder or a .gguf file. Throws Error naming the file, and for an index the tensor that its shard lacks.
  explicit TensorFiles(const Path& path);

  // By name.
  const std::map<std::string, StoredTensor, std::less<>>& tensors() const { return tensors_; }
  const StoredTensor* find(std::string_view name) const;  // null if there is no such tensor

  // The GGUF file with its metadata; null for a folder.
  const GgufFile* gguf() const { return gguf_ ? &*gguf_ : nullptr; }
  const std::string& name() const { return name_; }

 private:
  void open_folder(const Path& folder);
  void add(const SafetensorsTensor& tensor);

  std::string name_;
  std::optional<GgufFile> gguf_;
  std::vector<SafetensorsFile> shards_;
  std::map<std::string, StoredTensor, std::less<>> tensors_;
};

}  // namespace propane
