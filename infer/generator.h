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

  // Forgets the sequence, or all of it but its first `length` tokens.
  void reset(int64_t length = 0) { tokens_.resize(static_cast<size_t>(length)); }
  int64_t length() const { return static_cast<int64_t>(tokens_.size()); }
  std::span<const int32_t> tokens() const { return tokens_; }
  int64_t context() const { return context_; }

  // Appends tokens and returns the logits [vocab] after the last, valid until the next call. Throws Error when the
  // context is full or an id is outside the vocabulary.
  std::span<const float> feed(std::span<const int32_t> tokens);

  // How many tokens from its beginning resume(tokens) would keep: all but the last at most.
  int64_t common_prefix(std::span<const int32_t> tokens) const;

  // Makes the sequence `tokens` and returns the logits after the last: the beginning that it has in common with the
  // present one is kept, the rest is fed. Throws as feed does.
  std::span<const float> resume(std::span<const int32_t> tokens);

  // Bytes of weights and cache that decoding one token reads, at the present length.
  size_t bytes_per_token() const;

 private:
  Plan& plan(int64_t len);

  ModelConfig config_;
  State& state_;
  Device& device_;
  int64_t context_;
  std::vector<int32_t> tokens_;  // in the caches
  std::map<int64_t, std::unique_ptr<Plan>> plans_;
  std::vector<float> logits_;
};

struct GenerateOptions {
  SamplingOptions sampling;
  int64_t max_tokens = 256;
  std::vector<std::string> stop;     // generation ends before the first of these in the text
  std::vector<int32_t> stop_tokens;  // or at one of these
  std::function<bool()> interrupted;  // asked after every token; may be empty
};

struct Generated {
  std::string text;
  std::vector<int32_t> tokens;  // without the stop token
  std::string finish;           // "stop", "length" or "interrupted"
  double prefill_seconds = 0, decode_seconds = 0;
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;  // of the prompt, that the generator held already
};

// Continues `prompt` (token ids, at least one), which may share its beginning with what the generator holds. `emit` gets the text as it comes, in whole UTF-8 characters, nothing of
// a stop string; it may be empty.
Generated generate(Generator& generator, const Tokenizer& tokenizer, std::span<const int32_t> prompt,
                   const GenerateOptions& options, const std::function<void(std::string_view)>& emit);

}  // namespace propane
