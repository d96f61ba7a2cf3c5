#include "backends/ref/kernels.h"

namespace propane::ref {

namespace {

void run_embedding(const Operands& o) {
  const Tensor table = o.in(0), ids = o.in(1), y = o.out(0);
  for (int64_t t = 0; t < ids.count(); ++t) {
    const double* row = table.row(ids.index(t, table.rows(), "embedding"));
    for (int64_t i = 0; i < y.last(); ++i) y.row(t)[i] = row[i];
  }
}

void run_embedding_grad(const Operands& o) {
  const Tensor ids = o.in(0), dy = o.in(1), into = o.in(2), keep = o.in(3);
  const int64_t vocab = o.attrs.integer("vocab"), dim = dy.last();
  std::vector<double> dtable(static_cast<size_t>(vocab * dim), 0.0);
  for (int64_t t = 0; t < ids.count(); ++t) {
    double* row = dtable.data() + ids.index(t, vocab, "embedding_grad") * dim;
    for (int64_t i = 0; i < dim; ++i) row[i] += dy.row(t)[i];
  }
  if (into) return accumulate_into(into, keep, dtable);
  std::copy(dtable.begin(), dtable.end(), o.out(0).data);
}

void run_gather_rows(const Operands& o) {
  const Tensor x = o.in(0), index = o.in(1), y = o.out(0);
  const int64_t seq = x.shape[1];
  for (int64_t b = 0; b < x.shape[0]; ++b) {
    const double* row = x.row(b * seq + index.index(b, seq, "gather_rows"));
    for (int64_t i = 0; i < x.last(); ++i) y.row(b)[i] = row[i];
  }
}

}  // namespace

std::span<const RefOp> embedding_ops() {
  static constexpr RefOp kOps[] = {
      {.name = "embedding", .kernel = run_embedding},
      {.name = "embedding_grad", .kernel = run_embedding_grad},
      {.name = "gather_rows", .kernel = run_gather_rows},
  };
  return kOps;
}

}  // namespace propane::ref
