// The update's ops: norms, clipping, AdamW, Muon.

#include <cmath>
#include <memory>

#include "backends/cpu/kernels/adamw.h"
#include "backends/cpu/kernels/elementwise.h"
#include "backends/cpu/kernels/muon.h"
#include "backends/cpu/ops/op.h"

namespace propane::cpu {

namespace {

Compiled compile_sum_squares(const StepView& s) {
  struct Operand {
    int slot;
    int64_t count;
  };
  std::vector<Operand> operands;
  for (int i = 0; i < s.inputs(); ++i) operands.push_back({s.in(i), s.shape(s.in(i)).count()});
  const int out = s.out(0);
  const auto spans = std::make_shared<std::vector<FloatSpan>>(operands.size());
  return {[=](const Memory& m) {
    for (size_t i = 0; i < operands.size(); ++i) (*spans)[i] = {m.f32(operands[i].slot), operands[i].count};
    *m.f64(out) = sum_squares(*spans);
  }};
}

Compiled compile_clip_scale(const StepView& s) {
  const int squares = s.in(0), limits = s.in(1), out = s.out(0);
  return {[=](const Memory& m) {
    const double max_norm = m.f64(limits)[0], unscale = m.f64(limits)[1];
    const double norm = unscale * std::sqrt(*m.f64(squares));
    m.f64(out)[0] = unscale * (max_norm > 0 && norm > max_norm ? max_norm / norm : 1.0);
    m.f64(out)[1] = std::isfinite(norm) ? 0.0 : 1.0;
  }};
}

// The slots of an optimizer op's n tensors.
struct Group {
  int n;
  std::vector<int> params, grads, first, second;
  int scale, hyper;

  explicit Group(const StepView& s) : n(static_cast<int>(s.integer("n"))), scale(s.in(4 * n)), hyper(s.in(4 * n + 1)) {
    for (int i = 0; i < n; ++i) {
      params.push_back(s.in(i));
      grads.push_back(s.in(n + i));
      first.push_back(s.in(2 * n + i));
      second.push_back(s.in(3 * n + i));
    }
  }
};

Compiled compile_adamw(const StepView& s) {
  const auto group = std::make_shared<const Group>(s);
  const auto tensors = std::make_shared<std::vector<AdamWTensor>>(static_cast<size_t>(group->n));
  for (int i = 0; i < group->n; ++i) {
    const Type& type = s.type(group->params[static_cast<size_t>(i)]);
    (*tensors)[static_cast<size_t>(i)].count = type.shape.count();
    (*tensors)[static_cast<size_t>(i)].is_bf16 = type.dtype == DType::bf16;
  }
  return {[=](const Memory& m) {
    for (size_t i = 0; i < tensors->size(); ++i) {
      AdamWTensor& t = (*tensors)[i];
      t.param = m.at<void>(group->params[i]);
      t.grad = m.f32(group->grads[i]);
      t.first = m.at<void>(group->first[i]);
      t.second = m.at<void>(group->second[i]);
    }
    const double *scale = m.f64(group->scale), *hyper = m.f64(group->hyper);
    AdamWStep step;
    step.lr = hyper[0], step.beta1 = hyper[1], step.beta2 = hyper[2], step.eps = hyper[3], step.weight_decay = hyper[4];
    step.step = static_cast<int64_t>(hyper[5]);
    step.grad_scale = scale[0];
    step.skip = scale[1] != 0.0;
    adamw(*tensors, step);
  }};
}

Compiled compile_muon(const StepView& s) {
  const auto group = std::make_shared<const Group>(s);
  const Shape& shape = s.shape(group->params[0]);
  const int64_t rows = shape[0], cols = shape[1];
  const auto matrices = std::make_shared<std::vector<MuonMatrix>>(static_cast<size_t>(group->n));
  return {[=](const Memory& m) {
            const double *scale = m.f64(group->scale), *hyper = m.f64(group->hyper);
            if (scale[1] != 0.0) return;
            for (size_t i = 0; i < matrices->size(); ++i)
              (*matrices)[i] = {m.f32(group->params[i]), m.f32(group->grads[i]), m.f32(group->first[i]),
                                m.f32(group->second[i])};
            muon(*matrices, {rows, cols, hyper[0], hyper[1], hyper[2], hyper[3], scale[0]}, m.scratch);
          },
          muon_scratch_bytes(rows, cols, matrices->size())};
}

Compiled compile_accumulate(const StepView& s) {
  const int into = s.in(0), value = s.in(1), keep = s.in(2);
  const int64_t n = s.shape(into).count();
  return {[=](const Memory& m) {
    accumulate(n, keep < 0 ? 1.0f : static_cast<float>(*m.f64(keep)), m.f32(value), m.f32(into));
  }};
}

}  // namespace

std::span<const OpEntry> optimizer_entries() {
  static const OpEntry entries[] = {{"sum_squares", compile_sum_squares},
                                    {"clip_scale", compile_clip_scale},
                                    {"adamw", compile_adamw},
                                    {"muon", compile_muon},
                                    {"accumulate", compile_accumulate}};
  return entries;
}

}  // namespace propane::cpu
