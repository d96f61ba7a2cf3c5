#include "formats/gguf_writer.h"

#include <set>

#include "base/error.h"
#include "formats/gguf.h"
#include "formats/gguf_tensor_type.h"

namespace propane {

namespace {

constexpr uint32_t kVersion = 3;
constexpr size_t kAlignment = 32;  // the format's default, which needs no key
constexpr std::string_view kAlignmentKey = "general.alignment";
constexpr int kMaxRank = 4;

template <typename T>
void append(std::string& bytes, T number) {
  bytes.append(reinterpret_cast<const char*>(&number), sizeof number);
}

void append(std::string& bytes, std::string_view text) {
  append(bytes, uint64_t{text.size()});
  bytes += text;
}

size_t padding_after(size_t bytes) { return (kAlignment - bytes % kAlignment) % kAlignment; }

size_t size_of(const GgufTensorToWrite& tensor, const Path& path) {
  const Shape& shape = tensor.shape;
  if (shape.rank() > kMaxRank) {
    fail("{}: tensor \"{}\": expected at most {} dimensions, found {}", path.string(), tensor.name, kMaxRank,
         shape.str());
  }
  const int64_t columns = shape.rank() > 0 ? shape.dim(-1) : 1, elements = quant::block_elements(tensor.type);
  if (columns % elements != 0) {
    fail("{}: tensor \"{}\": expected rows of a multiple of {} elements for {}, found {}", path.string(), tensor.name,
         elements, quant::block_type_name(tensor.type), shape.str());
  }
  return static_cast<size_t>(shape.count() / elements) * static_cast<size_t>(quant::block_bytes(tensor.type));
}

// All that stands before the tensors' bytes, padded to where they begin; their sizes go to `sizes`.
std::string header_of(const GgufMetadata& metadata, std::span<const GgufTensorToWrite> tensors, const Path& path,
                      std::vector<size_t>& sizes) {
  std::string header = "GGUF";
  append(header, kVersion);
  append(header, uint64_t{tensors.size()});
  append(header, uint64_t{metadata.size()});
  header += metadata.bytes();
  std::set<std::string_view> names;
  uint64_t offset = 0;
  for (const GgufTensorToWrite& tensor : tensors) {
    if (tensor.name.empty() || !names.insert(tensor.name).second) {
      fail("{}: cannot write a tensor named \"{}\": the name is {}", path.string(), tensor.name,
           tensor.name.empty() ? "empty" : "taken");
    }
    append(header, std::string_view(tensor.name));
    append(header, static_cast<uint32_t>(tensor.shape.rank()));
    for (int i = tensor.shape.rank(); i-- > 0;) append(header, tensor.shape.dim(i));
    append(header, gguf_tensor_type(tensor.type).id);
    append(header, offset);
    sizes.push_back(size_of(tensor, path));
    offset += sizes.back() + padding_after(sizes.back());
  }
  header.append(padding_after(header.size()), '\0');
  return header;
}

}  // namespace

void GgufMetadata::begin(std::string_view key) {
  if (key == kAlignmentKey) fail("cannot set \"{}\": the writer aligns tensors to {} bytes", key, kAlignment);
  if (key.empty() || !keys_.emplace(key).second) {
    fail("cannot set the key \"{}\": it is {}", key, key.empty() ? "empty" : "set already");
  }
  propane::append(bytes_, key);
}

void GgufMetadata::set(const GgufValue& value) {
  begin(value.key());
  append(value.type());
  bytes_.append(reinterpret_cast<const char*>(value.bytes().data()), value.bytes().size());
}

void GgufMetadata::set_all(const GgufFile& file) {
  for (const GgufValue& value : file.metadata()) {
    if (value.key() != kAlignmentKey) set(value);
  }
}

void write_gguf(const Path& path, const GgufMetadata& metadata, std::span<const GgufTensorToWrite> tensors) {
  std::vector<size_t> sizes;
  const std::string header = header_of(metadata, tensors, path, sizes);
  write_file_atomically(path, [&](OutputFile& file) {
    file.write(header.data(), header.size());
    for (size_t i = 0; i < tensors.size(); ++i) {
      const std::span<const std::byte> data = tensors[i].data();
      if (data.size() != sizes[i]) {
        fail("{}: tensor \"{}\": expected {} bytes for {} of shape {}, found {}", path.string(), tensors[i].name,
             sizes[i], quant::block_type_name(tensors[i].type), tensors[i].shape.str(), data.size());
      }
      file.write(data.data(), data.size());
      constexpr char kZeros[kAlignment] = {};
      file.write(kZeros, padding_after(data.size()));
    }
  });
}

}  // namespace propane
