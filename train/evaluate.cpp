#include "train/evaluate.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "graph/passes/passes.h"
#include "train/step.h"

namespace propane::train {

void BitsPerByte::add(double nats, int32_t bytes) {
  nats_ += nats;
  ++tokens_;
  if (bytes == 0) return;
  byte_nats_ += nats;
  bytes_ += bytes;
}

Evaluation BitsPerByte::result() const {
  Evaluation e;
  e.tokens = tokens_;
  e.val_loss = nats_ / static_cast<double>(std::max<int64_t>(tokens_, 1));
  e.val_bpb = byte_nats_ / (std::numbers::ln2 * static_cast<double>(std::max<int64_t>(bytes_, 1)));
  e.perplexity = std::exp(e.val_loss);
  return e;
}

Evaluator::Evaluator(const ModelConfig& model, int64_t rows, bool mask_documents, State& state, Device& device)
    : rows_(rows), seq_(model.seq), documents_(mask_documents) {
  Graph g = build_eval(model, rows, mask_documents);
  fuse(g, [&](const Graph& graph, const Node& node) { return device.takes(graph, node); });
  plan_ = std::make_unique<Plan>(std::move(g), state, PlanOptions{{&device}, false});
  plan_->set("kv_len", std::vector<int32_t>(static_cast<size_t>(rows), static_cast<int32_t>(seq_)));
}

Evaluation Evaluator::run(const EvalTokens& list) {
  if (list.seq() != seq_) fail("the held-out rows have {} tokens, the model's {}", list.seq(), seq_);
  const auto start = std::chrono::steady_clock::now();
  BitsPerByte sums;
  EvalBatch batch;
  const auto n = static_cast<size_t>(rows_ * seq_);
  const bool wide = plan_->graph().type(plan_->graph().outputs()[0].second).dtype == DType::f64;
  std::vector<double> nats(n);
  std::vector<float> narrow(n);
  for (int64_t row = 0; row < list.rows(); row += rows_) {
    list.fill(row, rows_, &batch);
    plan_->set("tokens", batch.tokens);
    plan_->set("targets", batch.targets);
    plan_->set("positions", batch.positions);
    if (documents_) plan_->set("doc_start", batch.doc_start);
    plan_->run();
    if (wide) {
      plan_->read("nats", std::span<double>(nats));
    } else {
      plan_->read("nats", std::span<float>(narrow));
      std::copy(narrow.begin(), narrow.end(), nats.begin());
    }
    for (size_t i = 0; i < n; ++i)
      if (batch.targets[i] >= 0) sums.add(nats[i], list.token_bytes(batch.targets[i]));
  }
  Evaluation result = sums.result();
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

EvalTokens held_out_tokens(const DataSet& data, const RunConfig& config) {
  if (data.held_out.document_count() == 0)
    fail("{}: there is no val-*.bin with held-out documents in it", data.folder.string());
  const ByteCount count = config.eval_autoresearch ? ByteCount::autoresearch : ByteCount::actual;
  std::vector<int32_t> bytes = token_bytes(*data.tokenizer, count);
  bytes.resize(static_cast<size_t>(config.model.vocab), 0);
  EvalOptions options;
  options.seq = config.model.seq;
  options.max_tokens = config.eval_tokens;
  options.autoresearch = config.eval_autoresearch;
  return EvalTokens(data.held_out, std::move(bytes), options);
}

}  // namespace propane::train
