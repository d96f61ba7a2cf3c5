#include "formats/gguf.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/error.h"
#include "base/utf8.h"
#include "formats/gguf_cursor.h"
#include "formats/gguf_tensor_type.h"

namespace propane {

namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr std::string_view kAlignmentKey = "general.alignment";
constexpr uint64_t kDefaultAlignment = 32;
constexpr uint64_t kMaxAlignment = 1 << 16;
constexpr uint64_t kMaxElements = INT64_MAX / 16;    // no element takes more than 8 bytes, so bytes do not overflow
constexpr uint32_t kMaxRank = 4;                     // GGML's
constexpr size_t kMaxNameBytes = 65'535;             // the format's limit for keys
constexpr uint64_t kMaxEntries = 1 << 16;            // of keys or tensors: some fifty times what large models have
constexpr size_t kLeastKeyBytes = 8 + 4 + 1;         // an empty name, a type, a byte
constexpr size_t kLeastTensorBytes = 8 + 4 + 4 + 8;  // an empty name, no dimensions, a type, an offset

// A tensor's entry in the table, checked for all that can be checked without knowing where the data begins.
struct Entry {
  std::string_view name;
  const GgufTensorType* type;
  Shape shape;
  uint64_t bytes;
  uint64_t offset;
};

uint64_t read_count(GgufCursor& cursor, std::string_view what, size_t least_bytes, const std::string& file) {
  const auto count = cursor.number<uint64_t>(what);
  if (count > kMaxEntries || count > cursor.left() / least_bytes) {
    fail("{}: expected a {} of at most {} within the file's {} remaining bytes, found {}", file, what, kMaxEntries,
         cursor.left(), count);
  }
  return count;
}

std::string_view read_name(GgufCursor& cursor, std::string_view what, const std::string& file) {
  const std::string_view name = cursor.string(what);
  if (name.empty() || name.size() > kMaxNameBytes || !utf8_valid(name)) {
    fail("{}: expected a {} of 1 to {} bytes of UTF-8, found \"{}\" ({} bytes)", file, what, kMaxNameBytes,
         utf8_replace_invalid(shown(name)), name.size());
  }
  return name;
}

Entry read_entry(GgufCursor& cursor, const std::string& file) {
  Entry entry;
  entry.name = read_name(cursor, "tensor name", file);
  const std::string name = shown(entry.name);
  const auto rank = cursor.number<uint32_t>(entry.name);
  if (rank > kMaxRank) fail("{}: tensor \"{}\": expected at most {} dimensions, found {}", file, name, kMaxRank, rank);
  uint64_t dims[kMaxRank] = {}, count = 1;  // innermost first
  for (uint32_t i = 0; i < rank; ++i) dims[i] = cursor.number<uint64_t>(entry.name);
  const auto type_id = cursor.number<uint32_t>(entry.name);
  entry.offset = cursor.number<uint64_t>(entry.name);

  entry.type = find_gguf_tensor_type(type_id);
  if (!entry.type) {
    fail("{}: tensor \"{}\": expected a tensor type of the format (0 for F32, 12 for Q4_K, ...), found {}", file, name,
         type_id);
  }
  std::vector<int64_t> shape;  // outermost first
  for (uint32_t i = rank; i-- > 0;) {
    if (dims[i] > kMaxElements || __builtin_mul_overflow(count, dims[i], &count) || count > kMaxElements) {
      fail("{}: tensor \"{}\": dimension {} of {} makes it too large for any file", file, name, i, dims[i]);
    }
    shape.push_back(static_cast<int64_t>(dims[i]));
  }
  entry.shape = Shape(shape);
  const uint64_t columns = rank > 0 ? dims[0] : 1;
  if (columns % entry.type->elements != 0) {
    fail("{}: tensor \"{}\": expected rows of a multiple of {} elements for {}, found {}", file, name,
         entry.type->elements, entry.type->name, columns);
  }
  entry.bytes = count / entry.type->elements * entry.type->bytes;
  return entry;
}

uint64_t alignment_of(const GgufValue* value, const std::string& file) {
  if (!value) return kDefaultAlignment;
  const auto alignment = value->number<uint64_t>();
  if (!std::has_single_bit(alignment) || alignment > kMaxAlignment) {
    fail("{}: key \"{}\": expected a power of two up to {}, found {}", file, kAlignmentKey, kMaxAlignment, alignment);
  }
  return alignment;
}

// Fails where two tensors share bytes.
void check_overlaps(const std::vector<GgufTensor>& tensors, const std::string& file) {
  std::vector<const GgufTensor*> order;
  for (const GgufTensor& tensor : tensors) {
    if (!tensor.data.empty()) order.push_back(&tensor);
  }
  std::ranges::sort(order, {}, [](const GgufTensor* tensor) { return tensor->data.data(); });
  for (size_t i = 1; i < order.size(); ++i) {
    const GgufTensor &before = *order[i - 1], &after = *order[i];
    if (const auto distance = static_cast<size_t>(after.data.data() - before.data.data());
        distance < before.data.size()) {
      fail("{}: tensor \"{}\": expected to begin after the {} bytes of tensor \"{}\", found it {} after their start",
           file, shown(after.name), before.data.size(), shown(before.name), distance);
    }
  }
}

}  // namespace

GgufFile::GgufFile(const Path& path) : file_(path), name_(std::make_unique<std::string>(path.string())) {
  parse(file_.bytes());
}

GgufFile::GgufFile(std::span<const std::byte> content, std::string name)
    : name_(std::make_unique<std::string>(std::move(name))) {
  parse(content);
}

void GgufFile::parse(std::span<const std::byte> content) {
  const std::string& file = *name_;
  GgufCursor cursor(content, file);
  if (content.size() < kMagic.size() || std::memcmp(content.data(), kMagic.data(), kMagic.size()) != 0) {
    fail("{}: expected a GGUF file, which begins with \"GGUF\", found another {} bytes", file, content.size());
  }
  cursor.number<uint32_t>("magic");
  version_ = cursor.number<uint32_t>("version");
  if (version_ != 2 && version_ != 3) {
    const bool swapped = (version_ & 0xffff) == 0 && version_ != 0;
    fail("{}: expected GGUF version 2 or 3, found {}", file,
         swapped ? "a big-endian file, which Propane does not read" : fmt::format("{}", version_));
  }
  const uint64_t tensors = read_count(cursor, "tensor count", kLeastTensorBytes, file);
  const uint64_t keys = read_count(cursor, "key count", kLeastKeyBytes, file);

  for (uint64_t i = 0; i < keys; ++i) {
    const std::string_view key = read_name(cursor, "key", file);
    const GgufType type = cursor.type(key);
    metadata_.push_back(cursor.value(type, key));
    if (!value_index_.emplace(key, i).second) fail("{}: expected each key once, found \"{}\" twice", file, shown(key));
  }
  alignment_ = alignment_of(find_value(kAlignmentKey), file);

  std::vector<Entry> entries;
  for (uint64_t i = 0; i < tensors; ++i) {
    entries.push_back(read_entry(cursor, file));
    if (!tensor_index_.emplace(entries[i].name, i).second) {
      fail("{}: expected each tensor once, found \"{}\" twice", file, shown(entries[i].name));
    }
  }
  const size_t padding = (alignment_ - cursor.offset() % alignment_) % alignment_;
  const auto body = content.subspan(cursor.offset() + std::min(padding, cursor.left()));
  for (const Entry& entry : entries) {
    if (entry.offset % alignment_ != 0) {
      fail("{}: tensor \"{}\": expected an offset that is a multiple of {}, found {}", file, shown(entry.name),
           alignment_, entry.offset);
    }
    if (entry.offset > body.size() || entry.bytes > body.size() - entry.offset) {
      fail(
          "{}: tensor \"{}\": expected its {} bytes within the {} after the header, found offset {}: the file is "
          "truncated or damaged",
          file, shown(entry.name), entry.bytes, body.size(), entry.offset);
    }
    tensors_.push_back(
        {entry.name, entry.type->name, entry.type->block_type, entry.shape, body.subspan(entry.offset, entry.bytes)});
  }
  check_overlaps(tensors_, file);
}

const GgufTensor* GgufFile::find(std::string_view name) const {
  const auto found = tensor_index_.find(name);
  return found == tensor_index_.end() ? nullptr : &tensors_[found->second];
}

const GgufTensor& GgufFile::at(std::string_view name) const {
  if (const GgufTensor* tensor = find(name)) return *tensor;
  fail("{}: expected a tensor \"{}\", found none of that name among {}", *name_, name, tensors_.size());
}

const GgufValue* GgufFile::find_value(std::string_view key) const {
  const auto found = value_index_.find(key);
  return found == value_index_.end() ? nullptr : &metadata_[found->second];
}

const GgufValue& GgufFile::value(std::string_view key) const {
  if (const GgufValue* value = find_value(key)) return *value;
  fail("{}: expected a key \"{}\", found none of that name among {}", *name_, key, metadata_.size());
}

}  // namespace propane
