#include <algorithm>
#include <cmath>

#include "backends/ref/kernels.h"
#include "graph/autodiff.h"
#include "graph/ops.h"

namespace propane::ref {

namespace {

void run_softcap(const Operands& o) {
  const Tensor x = o.in(0), y = o.out(0);
  const double cap = o.attrs.real("cap");
  for (int64_t i = 0; i < x.count(); ++i) y[i] = cap * std::tanh(x[i] / cap);
}

void run_softcap_grad(const Operands& o) {
  const Tensor y = o.in(0), dy = o.in(1), dx = o.out(0);
  const double cap = o.attrs.real("cap");
  for (int64_t i = 0; i < y.count(); ++i) dx[i] = dy[i] * (1.0 - (y[i] / cap) * (y[i] / cap));
}

double log_sum_exp(const double* logits, int64_t vocab) {
  const double largest = *std::max_element(logits, logits + vocab);
  double sum = 0.0;
  for (int64_t i = 0; i < vocab; ++i) sum += std::exp(logits[i] - largest);
  return largest + std::log(sum);
}

void run_cross_entropy(const Operands& o) {
  const Tensor logits = o.in(0), targets = o.in(1), nats = o.out(0);
  const int64_t vocab = logits.last();
  for (int64_t r = 0; r < logits.rows(); ++r)
    nats[r] = targets[r] < 0.0
                  ? 0.0
                  : log_sum_exp(logits.row(r), vocab) - logits.row(r)[targets.index(r, vocab, "cross_entropy")];
}

void run_cross_entropy_grad(const Operands& o) {
  const Tensor logits = o.in(0), targets = o.in(1), dnats = o.in(2), dlogits = o.out(0);
  const int64_t vocab = logits.last();
  for (int64_t r = 0; r < logits.rows(); ++r) {
    if (targets[r] < 0.0) {
      std::fill_n(dlogits.row(r), vocab, 0.0);
      continue;
    }
    const double lse = log_sum_exp(logits.row(r), vocab);
    for (int64_t i = 0; i < vocab; ++i) dlogits.row(r)[i] = dnats[r] * std::exp(logits.row(r)[i] - lse);
    dlogits.row(r)[targets.index(r, vocab, "cross_entropy_grad")] -= dnats[r];
  }
}

int64_t count_targets(const Tensor& targets) {
  return std::count_if(targets.data, targets.data + targets.count(), [](double t) { return t >= 0.0; });
}

void run_masked_mean(const Operands& o) {
  const Tensor nats = o.in(0), targets = o.in(1);
  const int64_t n = count_targets(targets);
  double sum = 0.0;
  for (int64_t i = 0; i < nats.count(); ++i)
    if (targets[i] >= 0.0) sum += nats[i];
  o.out(0)[0] = n ? sum / static_cast<double>(n) : 0.0;
}

void run_masked_mean_grad(const Operands& o) {
  const Tensor targets = o.in(0), dloss = o.in(1), dnats = o.out(0);
  const auto n = static_cast<double>(count_targets(targets));
  for (int64_t i = 0; i < targets.count(); ++i) dnats[i] = targets[i] >= 0.0 ? dloss[0] / n : 0.0;
}

std::vector<Val> expand_head_loss(Graph& g, const Attrs& attrs, std::span<const Val> in) {
  const double cap = attrs.real("cap");
  Val logits = linear(g, in[0], in[1]);
  if (cap != 0.0) logits = softcap(g, logits, cap);
  return {cross_entropy(g, logits, in[2])};
}

std::vector<Val> expand_head_loss_train(Graph& g, const Attrs& attrs, std::span<const Val> in) {
  const Val nats = expand_head_loss(g, attrs, in)[0];
  const Seed seed{nats, in[3]};
  const auto parts = gradients(g, {&seed, 1}, in.first(2));
  const Val dx = parts[0][0], dw = parts[1][0];
  if (in.size() < 5) return {nats, dx, dw};
  accumulate(g, in[4], dw, in.size() > 5 ? in[5] : Val{});
  return {nats, dx};
}

}  // namespace

std::span<const RefOp> loss_ops() {
  static constexpr RefOp kOps[] = {
      {.name = "softcap", .kernel = run_softcap},
      {.name = "softcap_grad", .kernel = run_softcap_grad},
      {.name = "cross_entropy", .kernel = run_cross_entropy},
      {.name = "cross_entropy_grad", .kernel = run_cross_entropy_grad},
      {.name = "masked_mean", .kernel = run_masked_mean},
      {.name = "masked_mean_grad", .kernel = run_masked_mean_grad},
      {.name = "head_loss", .expansion = expand_head_loss},
      {.name = "head_loss_train", .expansion = expand_head_loss_train},
  };
  return kOps;
}

}  // namespace propane::ref
