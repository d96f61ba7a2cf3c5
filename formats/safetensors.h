// The safetensors format of Hugging Face: eight bytes of header length, a JSON header that names each tensor's type,
// shape and place, then the tensors' bytes without gaps.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "base/file.h"
#include "base/shape.h"

namespace propane {

// Free-form notes that a file carries beside its tensors ("__metadata__").
using SafetensorsMetadata = std::map<std::string, std::string>;

// A tensor in a mapped file. `data` is valid as long as its SafetensorsFile and is aligned only as the file is: files
// that we write align every tensor to its element size, others may not.
struct SafetensorsTensor {
  std::string name;
  std::string type;            // as the file spells it: "F32", "BF16", "F8_E4M3", ...
  std::optional<DType> dtype;  // empty for the format's types that Propane does not compute with
  Shape shape;
  std::span<const std::byte> data;
};

// A file opened for reading: mapped, and its whole header checked (length, JSON, types, sizes against shapes, bounds,
// overlaps, gaps), so that every tensor it hands out lies inside the file. Throws Error naming the file and the tensor.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const Path& path);

  // Reads a file's content from memory that outlives this object; `name` is what errors call it.
  SafetensorsFile(std::span<const std::byte> content, std::string name);

  // All tensors in the order of their bytes.
  const std::vector<SafetensorsTensor>& tensors() const { return tensors_; }

  // Null if there is no such tensor.
  const SafetensorsTensor* find(std::string_view name) const;

  // Throws Error if there is no such tensor.
  const SafetensorsTensor& at(std::string_view name) const;

  const SafetensorsMetadata& metadata() const { return metadata_; }
  const std::string& name() const { return name_; }

 private:
  void parse(std::span<const std::byte> content);

  MappedFile file_;
  std::string name_;
  std::vector<SafetensorsTensor> tensors_;
  std::map<std::string, size_t, std::less<>> index_;
  SafetensorsMetadata metadata_;
};

// A tensor to write; `data` holds shape.count() elements.
struct TensorToWrite {
  std::string name;
  DType dtype;
  Shape shape;
  const void* data;
};

// Writes a file tensor by tensor, straight from the callers' memory, and leaves either the old file or the whole new
// one on the disk (written beside it, synced, renamed). The data starts at a multiple of 64 bytes; tensors lie in the
// order of falling element size and, within a size, of `tensors`, so each is aligned to its elements.
// Throws Error naming the file, or the tensor whose name is taken.
void write_safetensors(const Path& path, std::span<const TensorToWrite> tensors,
                       const SafetensorsMetadata& metadata = {});

}  // namespace propane
