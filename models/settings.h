// Settings of models from elsewhere: config.json of a Hugging Face folder and the metadata of a GGUF file. Every error
// names the file and the key, what was expected and what was found.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "formats/tensor_files.h"
#include "models/config.h"

namespace propane {

// A JSON object. A key whose value is null counts as absent.
class JsonSettings {
 public:
  explicit JsonSettings(const Path& file);

  const std::string& file() const { return file_; }
  bool has(const std::string& key) const;
  // Without `absent` a missing key is an error.
  int64_t integer(const std::string& key, std::optional<int64_t> absent = {}) const;
  double real(const std::string& key, std::optional<double> absent = {}) const;
  bool boolean(const std::string& key, bool absent) const;
  std::string text(const std::string& key, std::optional<std::string> absent = {}) const;
  std::vector<double> reals(const std::string& key) const;
  std::vector<int64_t> integers(const std::string& key) const;  // booleans count as 0 and 1
  std::vector<std::string> texts(const std::string& key) const;
  JsonSettings object(const std::string& key) const;

  // Fails unless the key is absent or has this value, which is all that is known here.
  void only(const std::string& key, const char* value) const;
  void only(const std::string& key, bool value) const;
  [[noreturn]] void unsupported(const std::string& key, const std::string& found) const;

 private:
  struct Impl;
  JsonSettings(std::string file, std::string prefix, std::shared_ptr<const Impl> impl);
  std::string where(const std::string& key) const;

  std::string file_, prefix_;  // "rope_scaling."
  std::shared_ptr<const Impl> impl_;
};

// The keys "<architecture>.…" of a GGUF file.
class GgufSettings {
 public:
  GgufSettings(const TensorFiles& files, std::string architecture);

  const std::string& file() const { return files_.name(); }
  const TensorFiles& files() const { return files_; }
  const std::string& architecture() const { return architecture_; }
  bool has(const std::string& key) const;
  // Without `absent` a missing key is an error. An array of equal numbers, one a layer, counts as that number.
  int64_t integer(const std::string& key, std::optional<int64_t> absent = {}) const;
  double real(const std::string& key, std::optional<double> absent = {}) const;
  bool boolean(const std::string& key, bool absent) const;
  std::string text(const std::string& key, const std::string& absent) const;
  [[noreturn]] void unsupported(const std::string& key, const std::string& found) const;

  // A small tensor of numbers, empty if there is none.
  std::vector<double> tensor(std::string_view name) const;

 private:
  const GgufValue* find(const std::string& key) const;

  const TensorFiles& files_;
  std::string architecture_;
};

// The settings that nearly every decoder has, under their usual names: dimensions, eps, the tied head, RoPE. The
// family becomes llama.
void read_decoder(const JsonSettings& from, ModelConfig& c);
void read_decoder(const GgufSettings& from, ModelConfig& c);

// Fails unless every size that has been read is one that a model can have, so that nothing is allocated, and no product
// overflows, on the word of a file.
void check_sizes(const std::string& file, const ModelConfig& c);

// The rows of token_embd.weight.
int64_t token_count(const GgufSettings& from);

// RoPE's base and scaling (rope_parameters or rope_theta and rope_scaling; the keys rope.*): plain, linear, llama3,
// yarn and longrope within the context that the model was first trained on.
void read_rope(const JsonSettings& from, ModelConfig& c);
void read_rope(const JsonSettings& model, const JsonSettings& rope, ModelConfig& c);  // the object given
void read_rope(const GgufSettings& from, ModelConfig& c);

// The layers' kinds from layer_types, or from where a layer is local; and the window.
void read_layer_types(const JsonSettings& from, ModelConfig& c);
std::string every_nth_global(int64_t layers, int64_t n);  // "lllgl" for 5 layers and n = 4

}  // namespace propane
