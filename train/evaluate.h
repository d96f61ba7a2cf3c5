// The number that runs are judged by: bits a byte of held-out text.
#pragma once

#include <memory>

#include "graph/plan.h"
#include "train/config.h"
#include "train/data_set.h"
#include "train/eval_tokens.h"

namespace propane::train {

struct Evaluation {
  double val_loss = 0;    // nats a scored token
  double val_bpb = 0;     // Σ nats / (ln 2 · Σ bytes), tokens of 0 bytes (specials) left out of both sums
  double perplexity = 0;  // e^val_loss
  int64_t tokens = 0;     // scored
  double seconds = 0;
};

// Adds up scored targets; see Evaluation.
class BitsPerByte {
 public:
  void add(double nats, int32_t bytes);
  Evaluation result() const;

 private:
  double nats_ = 0, byte_nats_ = 0;
  int64_t tokens_ = 0, bytes_ = 0;
};

class Evaluator {
 public:
  // `rows` windows at a time; their number does not change the result.
  Evaluator(const ModelConfig& model, int64_t rows, bool mask_documents, State& state, Device& device);

  // Scores every target of the list.
  Evaluation run(const EvalTokens& list);

 private:
  int64_t rows_, seq_;
  bool documents_;
  std::unique_ptr<Plan> plan_;
};

// The run's list of held-out tokens. Throws Error when nothing is held out.
EvalTokens held_out_tokens(const DataSet& data, const RunConfig& config);

}  // namespace propane::train
