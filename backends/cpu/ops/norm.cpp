// RMSNorm and LayerNorm, on kernels/norm.h.

#include "backends/cpu/kernels/norm.h"

#include "backends/cpu/ops/op.h"

namespace propane::cpu {

namespace {

Compiled compile_rms_norm(const StepView& s) {
  const int x = s.in(0), gain = s.in(1), y = s.out(0);
  const int64_t dim = s.shape(x).dim(-1), rows = s.shape(x).rows();
  const auto eps = static_cast<float>(s.real("eps"));
  return {[=](const Memory& m) {
    RmsNorm args;
    args.rows = rows, args.dim = dim, args.eps = eps;
    args.x = {m.f32(x), dim};
    args.gain = m.f32(gain);
    args.y = {m.f32(y), dim};
    rms_norm(args);
  }};
}

Compiled compile_layer_norm(const StepView& s) {
  const int x = s.in(0), gain = s.in(1), bias = s.in(2), y = s.out(0);
  const int64_t dim = s.shape(x).dim(-1), rows = s.shape(x).rows();
  const auto eps = static_cast<float>(s.real("eps"));
  return {[=](const Memory& m) {
    LayerNorm args;
    args.rows = rows, args.dim = dim, args.eps = eps;
    args.x = {m.f32(x), dim};
    args.gain = m.f32(gain);
    args.bias = m.f32(bias);
    args.y = {m.f32(y), dim};
    layer_norm(args);
  }};
}

template <void (*kernel)(const NormGrad&, std::span<std::byte>)>
Compiled compile_norm_grad(const StepView& s) {
  const int x = s.in(0), gain = s.in(1), dy = s.in(2), dx = s.out(0), dgain = s.out(1), dbias = s.out(2);
  const int64_t dim = s.shape(x).dim(-1), rows = s.shape(x).rows();
  const auto eps = static_cast<float>(s.real("eps"));
  return {[=](const Memory& m) {
            NormGrad args;
            args.rows = rows, args.dim = dim, args.eps = eps;
            args.x = {m.f32(x), dim};
            args.gain = m.f32(gain);
            args.dy = {m.f32(dy), dim};
            args.dx = {m.f32(dx), dim};
            args.dgain = m.f32(dgain);
            args.dbias = m.f32(dbias);
            kernel(args, m.scratch);
          },
          norm_grad_scratch_bytes(rows, dim)};
}

}  // namespace

std::span<const OpEntry> norm_entries() {
  static const OpEntry entries[] = {{"rms_norm", compile_rms_norm},
                                    {"rms_norm_grad", compile_norm_grad<rms_norm_grad>},
                                    {"layer_norm", compile_layer_norm},
                                    {"layer_norm_grad", compile_norm_grad<layer_norm_grad>}};
  return entries;
}

}  // namespace propane::cpu
