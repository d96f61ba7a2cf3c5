// Picks the next token from logits.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace propane {

struct SamplingOptions {
  double temperature = 0.8;  // 0: the largest logit
  int64_t top_k = 0;         // keep the k largest; 0: all
  double top_p = 1.0;        // then the smallest set of at least this probability (Holtzman et al. 2020)
  double min_p = 0.0;        // then those of at least this share of the largest probability
  double repetition_penalty =
      1.0;  // logits of tokens seen are divided (positive) or multiplied (negative) by it (CTRL)
  uint64_t seed = 0;

  // Throws UsageError naming the option that cannot be.
  void validate() const;
};

class Sampler {
 public:
  Sampler(const SamplingOptions& options, int64_t vocab);

  // The token at `position` of the text, from logits [vocab]; `seen` are the tokens that the penalty applies to. The
  // choice depends on the logits, the seed and the position alone. Ties go to the lower id.
  int32_t sample(std::span<const float> logits, std::span<const int32_t> seen, uint64_t position);

 private:
  struct Candidate {
    float logit;
    int32_t id;
  };
  SamplingOptions options_;
  std::vector<Candidate> candidates_;
  std::vector<uint8_t> is_seen_;
};

}  // namespace propane
