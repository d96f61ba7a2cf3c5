// Text from a model: prefill in chunks, then a token at a time over a KV cache.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "graph/plan.h"
#include "infer/sampler.h"
#include "models/config.h"

namespace propane {

class Tokenizer;

// One sequence over a model's parameters. The caches are state of `state`, so one generator at a time uses it.
class Generator {
 public:
  // `context` is the most tokens that the sequence may hold. Throws Error when the model's learned positions end
  // before.
  Generator(const ModelConfig& config, State& state, Device& device, int64_t context);

  // Forgets the sequence.
  void reset() { length_ = 0; }
  int64_t length() const { return length_; }
  int64_t context() const { return context_; }

  // Appends tokens and returns the logits [vocab] after the last, valid until the next call. Throws Error when the
  // context is full or an id is outside the vocabulary.
  std::span<const float> feed(std::span<const int32_t> tokens);

  // Bytes of weights and cache that decoding one token reads, at the present length.
  size_t bytes_per_token() const;

 private:
  Plan& plan(int64_t len);

  ModelConfig config_;
  State& state_;
  Device& device_;
  int64_t context_;
  int64_t length_ = 0;
  std::map<int64_t, std::unique_ptr<Plan>> plans_;
  std::vector<float> logits_;
};

struct GenerateOptions {
  SamplingOptions sampling;
  int64_t max_tokens = 256;
  std::vector<std::string> stop;     // generation ends before the first of these in the text
  std::vector<int32_t> stop_tokens;  // or at one of these
};

struct Generated {
  std::string text;
  std::vector<int32_t> tokens;  // without the stop token
  std::string finish;           // "stop" or "length"
  double prefill_seconds = 0, decode_seconds = 0;
  int64_t prompt_tokens = 0;
};

// Continues `prompt` (token ids, at least one). `emit` gets the text as it comes, in whole UTF-8 characters, nothing of
// a stop string; it may be empty.
Generated generate(Generator& generator, const Tokenizer& tokenizer, std::span<const int32_t> prompt,
                   const GenerateOptions& options, const std::function<void(std::string_view)>& emit);

}  // namespace propane
