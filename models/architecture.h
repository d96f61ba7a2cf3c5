// What is peculiar to one architecture of models from elsewhere: how its settings read and what its tensors are called.
// One short file an architecture or family of them (architecture_*.cpp); docs/adding-a-model.md says how to add one.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "models/config.h"
#include "models/settings.h"

namespace propane {

// How the numbers of a tensor there become ours.
enum class Change : uint8_t {
  none,
  transposed,    // Hugging Face's is [in, out]; GGUF's is ours
  plus_one,      // Hugging Face's is one less than the norm's gain; GGUF's is ours
  even_columns,  // gpt-oss's experts in Hugging Face: [experts, in, 2·out], ours the even ones, transposed
  odd_columns,   // or the odd ones
  even_pairs,    // their bias, [experts, 2·out]
  odd_pairs,
};

// A tensor's names; '*' stands for the layer's number. Rows of a table with the same name there share that tensor: its
// rows are theirs, one after the other. '#' in a name there stands for the expert's number: ours is all of them.
struct TensorName {
  std::string_view ours, hugging_face, gguf;
  Change change = Change::none;
};

struct Architecture {
  std::string_view hugging_face;  // model_type; empty: only GGUF
  std::string_view gguf;          // general.architecture; empty: only Hugging Face
  void (*read_hugging_face)(const JsonSettings&, ModelConfig&);
  void (*read_gguf)(const GgufSettings&, ModelConfig&);
  std::span<const TensorName> names;
};

// Throws Error naming the file, the architecture that was found and the known ones.
const Architecture& find_hugging_face_architecture(std::string_view model_type, std::string_view file);
const Architecture& find_gguf_architecture(std::string_view name, std::string_view file);

// The row of a table for one of our names, and a name there with its numbers filled in; null and "" where there is
// none.
const TensorName* find_name(std::span<const TensorName> names, std::string_view ours);
std::string filled_in(std::string_view pattern, std::string_view ours);

// Each file hands in its own.
std::span<const Architecture> llama_architectures();
std::span<const Architecture> gemma_architectures();
std::span<const Architecture> gpt2_architectures();
std::span<const Architecture> expert_architectures();

}  // namespace propane
