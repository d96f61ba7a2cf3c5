// What the live tests of GGUF and of the block formats ask of Propane, beneath its command line.
//
//   gguf_peer list FILE                                      one line a tensor, then one a key:
//                                                              tensor NAME TYPE DIM,DIM,... (outermost first)
//                                                              key NAME TYPE
//   gguf_peer dequantize FILE OUT                            every tensor's floats, one after the other
//   gguf_peer write FILE VALUES COLUMNS                      keys of every type, and VALUES in every format that is
//   written gguf_peer quantize TYPE COLUMNS VALUES OUT [IMPORTANCE]  floats of a file into blocks
#include <fmt/ranges.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "formats/gguf.h"
#include "formats/gguf_writer.h"
#include "quant/dequantize.h"
#include "quant/quantize.h"

namespace propane {
namespace {

std::vector<float> read_floats(const Path& path) {
  const std::string bytes = read_file(path);
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

void list(const Path& path) {
  const GgufFile file(path);
  for (const GgufTensor& tensor : file.tensors()) {
    fmt::print("tensor {} {} {}\n", tensor.name, tensor.type, fmt::join(tensor.shape.dims(), ","));
  }
  for (const GgufValue& value : file.metadata()) fmt::print("key {} {}\n", value.key(), gguf_type_name(value.type()));
}

void dequantize(const Path& from, const Path& to) {
  const GgufFile file(from);
  OutputFile out(to);
  std::vector<float> values;
  for (const GgufTensor& tensor : file.tensors()) {
    if (!tensor.block_type) fail("{}: tensor \"{}\" is of type {}", from.string(), tensor.name, tensor.type);
    values.resize(static_cast<size_t>(tensor.shape.count()));
    quant::dequantize(*tensor.block_type, tensor.data, values);
    out.write(values.data(), values.size() * sizeof(float));
  }
  out.close();
}

std::vector<std::byte> blocks_of(quant::BlockType type, const std::vector<float>& values, int64_t columns,
                                 const std::vector<float>& importance) {
  std::vector<std::byte> blocks(values.size() / static_cast<size_t>(columns) * quant::row_bytes(type, columns));
  quant::quantize(type, values, columns, importance, blocks);
  return blocks;
}

GgufMetadata sample_metadata() {
  GgufMetadata metadata;
  metadata.set("general.architecture", "test");
  metadata.set("test.u8", uint8_t{255});
  metadata.set("test.i8", int8_t{-128});
  metadata.set("test.u16", uint16_t{65535});
  metadata.set("test.i16", int16_t{-32768});
  metadata.set("test.u32", uint32_t{4294967295});
  metadata.set("test.i32", int32_t{-5});
  metadata.set("test.u64", ~uint64_t{0});
  metadata.set("test.i64", int64_t{-6});
  metadata.set("test.f32", 0.5f);
  metadata.set("test.f64", 0.1);
  metadata.set("test.yes", true);
  metadata.set("test.string", "naïve");
  metadata.set("test.strings", std::vector<std::string>{"a", "", "語"});
  metadata.set("test.floats", std::vector<float>{0.5f, -1.5f});
  metadata.set("test.ints", std::vector<int32_t>{1, -2, 3});
  return metadata;
}

void write(const Path& path, const std::vector<float>& values, int64_t columns) {
  std::vector<std::byte> buffer;
  std::vector<GgufTensorToWrite> tensors;
  for (quant::BlockType type : quant::all_block_types()) {
    if (!quant::can_quantize(type)) continue;
    tensors.push_back({fmt::format("rows.{}", quant::block_type_name(type)), type,
                       Shape{static_cast<int64_t>(values.size()) / columns, columns}, [&, type] {
                         buffer = blocks_of(type, values, columns, {});
                         return std::span<const std::byte>(buffer);
                       }});
  }
  write_gguf(path, sample_metadata(), tensors);
}

void quantize(const std::string& type_name, int64_t columns, const Path& from, const Path& to, const Path& weights) {
  const auto type = quant::block_type_from_name(type_name);
  if (!type) fail_usage("unknown type \"{}\"", type_name);
  const auto blocks =
      blocks_of(*type, read_floats(from), columns, weights.empty() ? std::vector<float>() : read_floats(weights));
  write_file_atomically(to, std::string_view(reinterpret_cast<const char*>(blocks.data()), blocks.size()));
}

void run(const std::vector<std::string>& args) {
  const std::string command = args.empty() ? "" : args[0];
  if (command == "list" && args.size() == 2) {
    list(args[1]);
  } else if (command == "dequantize" && args.size() == 3) {
    dequantize(args[1], args[2]);
  } else if (command == "write" && args.size() == 4) {
    write(args[1], read_floats(args[2]), std::stoll(args[3]));
  } else if (command == "quantize" && (args.size() == 5 || args.size() == 6)) {
    quantize(args[1], std::stoll(args[2]), args[3], args[4], args.size() == 6 ? args[5] : "");
  } else {
    fail_usage("expected a command that the first lines of tests/peers/gguf_peer.cpp list, found \"{}\"", command);
  }
}

}  // namespace
}  // namespace propane

int main(int argc, char** argv) {
  try {
    propane::run({argv + 1, argv + argc});
  } catch (const propane::Error& error) {
    std::fprintf(stderr, "gguf_peer: %s\n", error.what());
    return 1;
  }
  return 0;
}
