// Parameters: which there are, how many, what they cost, and their first values.

#include <algorithm>

#include "base/random.h"
#include "models/model.h"

namespace propane {

std::vector<Param> parameters(const ModelConfig& config) {
  switch (config.family) {
    case Family::gpt: return gpt_parameters(config);
    case Family::llama: return llama_parameters(config);
    case Family::gpt2: return gpt2_parameters(config);
  }
  return {};
}

int64_t count_parameters(const ModelConfig& config) {
  int64_t n = 0;
  for (const Param& param : parameters(config)) n += param.shape.count();
  return n;
}

double flops_per_token(const ModelConfig& config) {
  // Lookups cost nothing; a tied table is used as the head's matrix.
  double weights = 0;
  for (const Param& param : parameters(config)) {
    const bool looked_up = param.kind == ParamKind::embedding || param.kind == ParamKind::value_embedding;
    const bool scalar = param.kind == ParamKind::resid_scalar || param.kind == ParamKind::x0_scalar;
    // Of a mixture's experts a token meets a few.
    const double share = param.shape.rank() == 3
                             ? static_cast<double>(config.n_expert_used) / static_cast<double>(config.n_expert)
                             : 1.0;
    if (!looked_up && !scalar) weights += share * static_cast<double>(param.shape.count());
  }
  if (config.tied) weights += static_cast<double>(config.vocab * config.dim);
  double attention = 0;
  for (int64_t i = 0; i < config.n_layer; ++i) {
    // autoresearch counts the short window as seq/2, one key less than are seen.
    const int64_t visible = config.window(i);
    const int64_t window = visible > 0 ? std::min(visible - 1, config.seq) : config.seq;
    attention += 12.0 * static_cast<double>(config.n_head * config.head_dim * window);
  }
  return 6.0 * weights + attention;
}

void initialize(const Param& param, uint64_t seed, std::span<double> out, int64_t first) {
  const Random random(seed, stream_id(param.name));
  for (size_t i = 0; i < out.size(); ++i) {
    const uint64_t at = static_cast<uint64_t>(first) + i;
    switch (param.init.kind) {
      case Init::Kind::zero: out[i] = 0; break;
      case Init::Kind::constant: out[i] = param.init.scale; break;
      case Init::Kind::normal: out[i] = param.init.scale * random.normal(at); break;
      case Init::Kind::uniform: out[i] = param.init.scale * (2.0 * random.uniform(at) - 1.0); break;
    }
  }
}

}  // namespace propane
