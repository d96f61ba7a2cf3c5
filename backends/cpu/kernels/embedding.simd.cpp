#include "backends/cpu/kernels/embedding_kernels.h"
#include "backends/cpu/kernels/row_loop.h"

namespace propane::cpu::PROPANE_TARGET {

namespace {

template <typename T>
void gather_rows(const Embedding& args, int64_t begin, int64_t end) {
  const T* table = static_cast<const T*>(args.table);
  for (int64_t t = begin; t < end; ++t) {
    const T* from = table + args.ids[t] * args.dim;
    float* to = args.out.at(t, args.dim);
    over(0, args.dim, [&](int64_t c, auto size) { store(to + c, load(from + c, size), size); });
  }
}

void gather(const Embedding& args, int64_t begin, int64_t end) {
  if (args.table_is_bf16) gather_rows<uint16_t>(args, begin, end);
  else gather_rows<float>(args, begin, end);
}

void scatter(const EmbeddingGrad& args, const int32_t* start, const int32_t* order, int64_t begin, int64_t end) {
  for (int64_t id = begin; id < end; ++id) {
    float* to = args.dtable + id * args.dim;
    bool add = args.accumulate;
    if (!add && start[id] == start[id + 1]) std::memset(to, 0, static_cast<size_t>(args.dim) * sizeof(float));
    for (int32_t i = start[id]; i < start[id + 1]; ++i) {
      const float* dy = args.dy.at(order[i], args.dim);
      over(0, args.dim, [&](int64_t c, auto size) {
        const Vec v = load(dy + c, size);
        store(to + c, add ? load(to + c, size) + v : v, size);
      });
      add = true;
    }
  }
}

}  // namespace

const EmbeddingKernels& embedding_kernels() {
  static constexpr EmbeddingKernels kKernels = {gather, scatter};
  return kKernels;
}

}  // namespace propane::cpu::PROPANE_TARGET
