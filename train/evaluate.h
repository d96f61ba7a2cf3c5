// The number that runs are judged by: bits a byte of held-out text.
#pragma once

#include <memory>

#include "graph/plan.h"
#include "train/eval_tokens.h"

namespace propane::train {

struct Evaluation {
  double val_loss = 0;    // nats a scored token
  double val_bpb = 0;     // Σ nats / (ln 2 · Σ bytes), tokens of 0 bytes (specials) left out of both sums
  double perplexity = 0;  // e^val_loss
  int64_t tokens = 0;     // scored
  double seconds = 0;
};

class Evaluator {
 public:
  // `rows` windows at a time; their number does not change the result.
  Evaluator(const ModelConfig& model, int64_t rows, State& state, Device& device);

  // Scores every target of `tokens` that is not −1.
  Evaluation run(const EvalTokens& tokens);

 private:
  int64_t rows_, seq_;
  bool wide_;  // nats are f64
  std::unique_ptr<Plan> plan_;
};

}  // namespace propane::train
