// Writes GGUF files, version 3, with an alignment of 32 bytes.
#pragma once

#include <cstdint>
#include <functional>
#include <ranges>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/file.h"
#include "base/shape.h"
#include "formats/gguf_value.h"
#include "quant/block_type.h"

namespace propane {

class GgufFile;

// Keys and values to write, in the order in which they are set.
class GgufMetadata {
 public:
  // `value` is a bool, an integer or float of any fixed size, anything that converts to string_view, or a range of
  // these or of ranges. The type written is the value's own: std::vector<int32_t> becomes an array of i32. Throws Error
  // if the key is taken, or is general.alignment, which is the writer's to say.
  template <typename T>
  void set(std::string_view key, const T& value) {
    begin(key);
    append(type_of<T>());
    append_value(value);
  }

  // The value of a file under its own key, as it stands there.
  void set(const GgufValue& value);

  // All of a file's but general.alignment.
  void set_all(const GgufFile& file);

  bool contains(std::string_view key) const { return keys_.contains(key); }
  size_t size() const { return keys_.size(); }
  std::string_view bytes() const { return bytes_; }  // as a file holds them

 private:
  template <typename T>
  static constexpr GgufType type_of() {
    if constexpr (std::is_same_v<T, bool>) return GgufType::boolean;
    else if constexpr (std::is_convertible_v<const T&, std::string_view>) return GgufType::string;
    else if constexpr (std::is_same_v<T, float>) return GgufType::f32;
    else if constexpr (std::is_same_v<T, double>) return GgufType::f64;
    else if constexpr (std::is_integral_v<T>) {
      constexpr GgufType kSigned[] = {GgufType::i8, GgufType::i16, GgufType::i32, GgufType::i64};
      constexpr GgufType kUnsigned[] = {GgufType::u8, GgufType::u16, GgufType::u32, GgufType::u64};
      constexpr int kLog = sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3;
      return std::is_signed_v<T> ? kSigned[kLog] : kUnsigned[kLog];
    } else {
      static_assert(std::ranges::sized_range<const T>, "no GGUF type holds this");
      return GgufType::array;
    }
  }

  template <typename T>
  void append_value(const T& value) {
    if constexpr (type_of<T>() == GgufType::string) {
      const std::string_view text = value;
      append(uint64_t{text.size()});
      bytes_ += text;
    } else if constexpr (type_of<T>() == GgufType::array) {
      using Element = std::ranges::range_value_t<T>;
      append(type_of<Element>());
      append(uint64_t{std::ranges::size(value)});
      for (const Element& element : value) append_value(element);
    } else {
      append(value);
    }
  }

  template <typename T>
  void append(T number) {
    bytes_.append(reinterpret_cast<const char*>(&number), sizeof number);
  }

  void begin(std::string_view key);  // takes the key and writes it

  std::set<std::string, std::less<>> keys_;
  std::string bytes_;
};

// A tensor to write. `data` is called once, when the tensor's turn has come, and its result is used before the next is
// asked for its own: one buffer may serve all, and a model need never be whole in memory.
struct GgufTensorToWrite {
  std::string name;
  quant::BlockType type;
  Shape shape;  // outermost first, of 0 to 4 dimensions
  std::function<std::span<const std::byte>()> data;
};

// Leaves either the old file or the whole new one on the disk (written beside it, synced, renamed).
// Throws Error naming the file, or the tensor whose name is taken or empty, whose shape has rows of no whole blocks or
// more than four dimensions, or whose data has not the size of its shape.
void write_gguf(const Path& path, const GgufMetadata& metadata, std::span<const GgufTensorToWrite> tensors);

}  // namespace propane
