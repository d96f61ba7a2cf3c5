// What the live tests of GGUF and of the block formats ask of Propane, beneath its command line.
//
//   gguf_peer quantize TYPE COLUMNS VALUES OUT [IMPORTANCE]   floats of a file into blocks
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "quant/quantize.h"

namespace propane {
namespace {

std::vector<float> read_floats(const Path& path) {
  const std::string bytes = read_file(path);
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

quant::BlockType type_named(const std::string& name) {
  if (const auto type = quant::block_type_from_name(name)) return *type;
  fail_usage("unknown type \"{}\"", name);
}

void quantize(const std::string& type_name, int64_t columns, const Path& from, const Path& to, const Path& weights) {
  const quant::BlockType type = type_named(type_name);
  const std::vector<float> values = read_floats(from);
  const std::vector<float> importance = weights.empty() ? std::vector<float>() : read_floats(weights);
  std::string blocks(values.size() / static_cast<size_t>(columns) * quant::row_bytes(type, columns), '\0');
  quant::quantize(type, values, columns, importance, std::as_writable_bytes(std::span(blocks.data(), blocks.size())));
  write_file_atomically(to, blocks);
}

int run(const std::vector<std::string>& args) {
  if (args.size() >= 5 && args[0] == "quantize") {
    quantize(args[1], std::stoll(args[2]), args[3], args[4], args.size() > 5 ? args[5] : "");
    return 0;
  }
  fail_usage("expected a command that the first lines of tests/peers/gguf_peer.cpp list");
}

}  // namespace
}  // namespace propane

int main(int argc, char** argv) {
  try {
    return propane::run({argv + 1, argv + argc});
  } catch (const propane::Error& error) {
    std::fprintf(stderr, "gguf_peer: %s\n", error.what());
    return 1;
  }
}
