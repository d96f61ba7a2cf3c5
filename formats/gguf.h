// GGUF, the file format of GGML and llama.cpp (versions 2 and 3, little-endian): metadata of typed keys, a table of
// tensors, then the tensors' bytes at aligned offsets. https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/shape.h"
#include "formats/gguf_value.h"
#include "quant/block_type.h"

namespace propane {

// A tensor in a mapped file; everything in it is valid as long as its GgufFile. Nothing of `data` has been read.
struct GgufTensor {
  std::string_view name;
  std::string_view type;                       // as GGML spells it: "F32", "Q4_K", "IQ2_XS", "I32", ...
  std::optional<quant::BlockType> block_type;  // empty for the format's types that Propane does not compute with
  Shape shape;                                 // outermost first, the reverse of the file's order
  std::span<const std::byte> data;  // at a multiple of the file's alignment, as far as the mapping is aligned
};

// A file opened for reading: mapped, and its whole header checked (counts and lengths against the bytes there are,
// types, nesting, names, shapes, offsets, overlaps), so that every tensor it hands out lies inside the file and has the
// size that its shape says. Nothing is allocated on the word of a count alone. Throws Error naming the file and the key
// or tensor.
class GgufFile {
 public:
  explicit GgufFile(const Path& path);

  // Reads a file's content from memory that outlives this object; `name` is what errors call it.
  GgufFile(std::span<const std::byte> content, std::string name);

  uint32_t version() const { return version_; }
  uint64_t alignment() const { return alignment_; }
  const std::string& name() const { return *name_; }

  // In the order of the file's table.
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  const GgufTensor* find(std::string_view name) const;  // null if there is no such tensor
  const GgufTensor& at(std::string_view name) const;    // throws Error if there is no such tensor

  // In the order of the file.
  const std::vector<GgufValue>& metadata() const { return metadata_; }
  const GgufValue* find_value(std::string_view key) const;  // null if there is no such key
  const GgufValue& value(std::string_view key) const;       // throws Error if there is no such key

 private:
  void parse(std::span<const std::byte> content);

  MappedFile file_;
  std::unique_ptr<const std::string> name_;  // values point to it, wherever this object moves
  uint32_t version_ = 0;
  uint64_t alignment_ = 0;
  std::vector<GgufTensor> tensors_;
  std::map<std::string_view, size_t> tensor_index_;
  std::vector<GgufValue> metadata_;
  std::map<std::string_view, size_t> value_index_;
};

}  // namespace propane
