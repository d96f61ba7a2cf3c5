#include "formats/safetensors.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "base/error.h"

namespace propane {

namespace {

using nlohmann::json;

constexpr std::string_view kMetadataKey = "__metadata__";
constexpr size_t kLengthBytes = 8;
constexpr uint64_t kMaxHeader = 100'000'000;  // the reference implementation's limit
constexpr size_t kDataAlignment = 64;

struct StoredType {
  std::string_view name;
  unsigned bits;
  std::optional<DType> dtype;
};

constexpr std::array<StoredType, 20> kStoredTypes = {{
    {"F64", 64, DType::f64},      {"F32", 32, DType::f32},      {"BF16", 16, DType::bf16},
    {"F16", 16, DType::f16},      {"I64", 64, DType::i64},      {"I32", 32, DType::i32},
    {"U16", 16, DType::u16},      {"U8", 8, DType::u8},         {"BOOL", 8, std::nullopt},
    {"I8", 8, std::nullopt},      {"I16", 16, std::nullopt},    {"U32", 32, std::nullopt},
    {"U64", 64, std::nullopt},    {"C64", 64, std::nullopt},    {"F8_E4M3", 8, std::nullopt},
    {"F8_E5M2", 8, std::nullopt}, {"F8_E8M0", 8, std::nullopt}, {"F6_E2M3", 6, std::nullopt},
    {"F6_E3M2", 6, std::nullopt}, {"F4", 4, std::nullopt},
}};

const StoredType& stored_type(DType dtype) {
  return *std::find_if(kStoredTypes.begin(), kStoredTypes.end(), [&](const auto& type) { return type.dtype == dtype; });
}

// A value for an error's sentence; anything nested or long only by its kind (dumping deep nesting would recurse).
std::string brief(const json& value) {
  const bool flat = std::none_of(value.begin(), value.end(), [](const json& part) { return part.is_structured(); });
  return flat && value.size() <= 16 ? value.dump() : "a long " + std::string(value.type_name());
}

// A JSON value as a size; fails on anything but a whole number that is not negative.
uint64_t as_size(const json& value, const std::string& file, const std::string& tensor, const char* what) {
  if (!value.is_number_unsigned()) {
    fail("{}: tensor \"{}\": expected whole numbers in {}, found {}", file, tensor, what, brief(value));
  }
  return value.get<uint64_t>();
}

// The header as JSON. A key that comes twice is an error, where a JSON library would silently keep one of the two.
json parse_header(std::string_view text, const std::string& file) {
  std::set<std::string> seen;
  std::string twice;
  const auto watch = [&](int depth, json::parse_event_t event, json& value) {
    if (depth == 1 && event == json::parse_event_t::key && !seen.insert(value.get<std::string>()).second) {
      twice = value.get<std::string>();
    }
    return true;
  };
  json header;
  try {
    header = json::parse(text, watch);
  } catch (const json::exception& error) {
    fail("{}: expected a JSON header, found a damaged one ({})", file, error.what());
  }
  if (!twice.empty()) fail("{}: expected each tensor once, found \"{}\" twice", file, twice);
  if (!header.is_object()) fail("{}: expected a JSON object as the header, found {}", file, header.type_name());
  return header;
}

// One tensor's entry; its data is placed relative to `body`, the bytes after the header.
SafetensorsTensor parse_tensor(const std::string& name, const json& entry, std::span<const std::byte> body,
                               const std::string& file) {
  for (const char* key : {"dtype", "shape", "data_offsets"}) {
    if (!entry.is_object() || !entry.contains(key)) {
      fail("{}: tensor \"{}\": expected dtype, shape and data_offsets, found no {}", file, name, key);
    }
  }
  const json &type_name = entry["dtype"], &dims = entry["shape"], &offsets = entry["data_offsets"];
  const auto type = std::find_if(kStoredTypes.begin(), kStoredTypes.end(),
                                 [&](const auto& stored) { return type_name.is_string() && type_name == stored.name; });
  if (type == kStoredTypes.end()) {
    fail("{}: tensor \"{}\": expected a dtype of the format (F32, BF16, ...), found {}", file, name, brief(type_name));
  }
  if (!dims.is_array() || dims.size() > Shape::kMaxRank) {
    fail("{}: tensor \"{}\": expected a shape of at most {} dimensions, found {}", file, name, Shape::kMaxRank,
         brief(dims));
  }
  std::vector<int64_t> shape;
  uint64_t bits = type->bits;
  for (const json& dim : dims) {
    const uint64_t size = as_size(dim, file, name, "shape");
    if (size > INT64_MAX || __builtin_mul_overflow(bits, size, &bits) || bits > INT64_MAX) {
      fail("{}: tensor \"{}\": shape {} is too large for any file", file, name, brief(dims));
    }
    shape.push_back(static_cast<int64_t>(size));
  }
  if (!offsets.is_array() || offsets.size() != 2) {
    fail("{}: tensor \"{}\": expected two data_offsets, found {}", file, name, brief(offsets));
  }
  const uint64_t begin = as_size(offsets[0], file, name, "data_offsets");
  const uint64_t end = as_size(offsets[1], file, name, "data_offsets");
  if (begin > end || end > body.size()) {
    fail(
        "{}: tensor \"{}\": expected data within the {} bytes after the header, found offsets {} to {}: the file is "
        "truncated or damaged",
        file, name, body.size(), begin, end);
  }
  if (bits % 8 != 0 || end - begin != bits / 8) {
    fail("{}: tensor \"{}\": {} of shape {} takes {} bits, found {} bytes", file, name, type->name, brief(dims), bits,
         end - begin);
  }
  return {name, std::string(type->name), type->dtype, Shape(shape), body.subspan(begin, end - begin)};
}

// The tensors in the order of their bytes, each starting where the one before ends, the last ending with the file.
void check_layout(std::vector<SafetensorsTensor>& tensors, std::span<const std::byte> body, const std::string& file) {
  std::stable_sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) {
    return std::pair(a.data.data(), a.data.size()) < std::pair(b.data.data(), b.data.size());
  });
  const std::byte* expected = body.data();
  for (const SafetensorsTensor& tensor : tensors) {
    if (tensor.data.data() != expected) {
      fail("{}: tensor \"{}\": expected data at offset {}, where the tensor before it ends, found {}", file,
           tensor.name, expected - body.data(), tensor.data.data() - body.data());
    }
    expected += tensor.data.size();
  }
  if (const auto used = static_cast<size_t>(expected - body.data()); used != body.size()) {
    fail("{}: expected {} bytes of tensors, found {} after the header", file, used, body.size());
  }
}

}  // namespace

SafetensorsFile::SafetensorsFile(const Path& path) : file_(path), name_(path.string()) { parse(file_.bytes()); }

SafetensorsFile::SafetensorsFile(std::span<const std::byte> content, std::string name) : name_(std::move(name)) {
  parse(content);
}

void SafetensorsFile::parse(std::span<const std::byte> content) {
  uint64_t length = 0;
  if (content.size() < kLengthBytes) {
    fail("{}: expected a safetensors file, found only {} bytes", name_, content.size());
  }
  std::memcpy(&length, content.data(), sizeof length);
  if (length > kMaxHeader || length > content.size() - kLengthBytes) {
    fail(
        "{}: expected a header within the file's {} bytes and {} at most, found a header length of {}: not a "
        "safetensors file, or a truncated one",
        name_, content.size(), kMaxHeader, length);
  }
  const std::string_view text(reinterpret_cast<const char*>(content.data()) + kLengthBytes, length);
  const std::span<const std::byte> body = content.subspan(kLengthBytes + length);
  const json header = parse_header(text, name_);
  for (const auto& [key, value] : header.items()) {
    if (key != kMetadataKey) {
      tensors_.push_back(parse_tensor(key, value, body, name_));
      continue;
    }
    if (!value.is_object()) fail("{}: expected an object as {}, found {}", name_, kMetadataKey, value.type_name());
    for (const auto& [note, content_of_note] : value.items()) {
      if (!content_of_note.is_string()) {
        fail("{}: expected strings in {}, found {} in \"{}\"", name_, kMetadataKey, content_of_note.type_name(), note);
      }
      metadata_[note] = content_of_note.get<std::string>();
    }
  }
  check_layout(tensors_, body, name_);
  for (size_t i = 0; i < tensors_.size(); ++i) index_[tensors_[i].name] = i;
}

const SafetensorsTensor* SafetensorsFile::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

const SafetensorsTensor& SafetensorsFile::at(std::string_view name) const {
  if (const SafetensorsTensor* tensor = find(name)) return *tensor;
  fail("{}: expected a tensor \"{}\", found none of that name among {}", name_, name, tensors_.size());
}

void write_safetensors(const Path& path, std::span<const TensorToWrite> tensors, const SafetensorsMetadata& metadata) {
  std::vector<const TensorToWrite*> order;
  for (const TensorToWrite& tensor : tensors) order.push_back(&tensor);
  std::stable_sort(order.begin(), order.end(),
                   [](const auto* a, const auto* b) { return dtype_size(a->dtype) > dtype_size(b->dtype); });

  json header = json::object();
  if (!metadata.empty()) header[kMetadataKey] = metadata;
  uint64_t offset = 0;
  for (const TensorToWrite* tensor : order) {
    if (tensor->name == kMetadataKey || header.contains(tensor->name)) {
      fail("{}: cannot write a tensor named \"{}\": the name is taken", path.string(), tensor->name);
    }
    const uint64_t end = offset + static_cast<uint64_t>(tensor->shape.count()) * dtype_size(tensor->dtype);
    header[tensor->name] = {{"dtype", stored_type(tensor->dtype).name},
                            {"shape", std::vector<int64_t>(tensor->shape.dims().begin(), tensor->shape.dims().end())},
                            {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump(-1, ' ', false, json::error_handler_t::replace);
  const size_t start = kLengthBytes + text.size();
  text.append((kDataAlignment - start % kDataAlignment) % kDataAlignment, ' ');
  const uint64_t length = text.size();

  write_file_atomically(path, [&](OutputFile& file) {
    file.write(&length, sizeof length);
    file.write(text.data(), text.size());
    for (const TensorToWrite* tensor : order) {
      file.write(tensor->data, static_cast<size_t>(tensor->shape.count()) * dtype_size(tensor->dtype));
    }
  });
}

}  // namespace propane
