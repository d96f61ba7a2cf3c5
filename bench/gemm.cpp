// Single-precision matrix products on the shapes of training small GPTs: ours against OpenBLAS (loaded at run time, if
// it is there), in turn, on one thread and on all; and against the rate of multiply-adds that never leave the
// registers.
//
//   bench_gemm [--seconds S] [--threads N] [--shape KIND,M,N,K]... [--json]
//
// KIND: linear (C = A·Bᵀ), dx (C = A·B), dw (C += Aᵀ·B). GFLOP/s are the medians of the runs of S seconds a contender,
// and the best run; medians say what to expect, best runs what the code can do on a machine that others use too.
#include "backends/cpu/kernels/gemm.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backends/cpu/kernels/peak.h"
#include "backends/cpu/kernels/select.h"

namespace {

using namespace propane;

struct Shape {
  std::string kind;
  int64_t m, n, k;
};

const std::vector<Shape> kShapes = {
    {"linear", 192, 192, 192},    {"linear", 320, 320, 320},   {"linear", 4096, 192, 192},
    {"linear", 4096, 768, 192},   {"linear", 4096, 192, 768},  {"linear", 2048, 320, 320},
    {"linear", 2048, 576, 576},   {"linear", 2048, 1536, 576}, {"linear", 2048, 512, 512},
    {"linear", 2048, 2048, 512},  {"linear", 2048, 512, 2048}, {"linear", 1024, 768, 768},
    {"linear", 1024, 2304, 768},  {"linear", 1024, 3072, 768}, {"linear", 1024, 768, 3072},
    {"linear", 1024, 50257, 768}, {"linear", 63, 1001, 333},   {"linear", 2048, 2048, 2048},
    {"dx", 4096, 192, 192},       {"dx", 2048, 512, 2048},     {"dx", 1024, 768, 768},
    {"dx", 1024, 768, 3072},      {"dx", 1024, 3072, 768},     {"dx", 1024, 768, 50257},
    {"dw", 192, 192, 4096},       {"dw", 768, 192, 4096},      {"dw", 512, 2048, 2048},
    {"dw", 768, 768, 1024},       {"dw", 3072, 768, 1024},     {"dw", 50257, 768, 1024},
};

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

struct OpenBlas {
  using Sgemm = void (*)(int, int, int, int, int, int, float, const float*, int, const float*, int, float, float*, int);
  Sgemm sgemm = nullptr;
  void (*set_threads)(int) = nullptr;

  OpenBlas() {
    void* library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!library) return;
    sgemm = reinterpret_cast<Sgemm>(dlsym(library, "cblas_sgemm"));
    set_threads = reinterpret_cast<void (*)(int)>(dlsym(library, "openblas_set_num_threads"));
  }
};

struct Contender {
  std::string name;
  std::function<void()> run;
  std::vector<double> times = {};

  double best() const { return *std::min_element(times.begin(), times.end()); }
  double median() const {
    std::vector<double> sorted = times;
    std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2), sorted.end());
    return sorted[sorted.size() / 2];
  }
};

// Runs the contenders in turn, so that each meets the same disturbances.
void measure(std::vector<Contender>& contenders, double seconds) {
  for (Contender& c : contenders) c.run();
  for (const double start = now();
       now() - start < seconds * static_cast<double>(contenders.size()) || contenders[0].times.size() < 3;) {
    for (Contender& c : contenders) {
      const double begin = now();
      c.run();
      c.times.push_back(now() - begin);
    }
  }
}

std::vector<float> random_values(int64_t count, uint32_t seed) {
  std::vector<float> values(static_cast<size_t>(count));
  for (float& v : values) {
    seed = seed * 1664525u + 1013904223u;
    v = static_cast<float>(seed >> 8) * 0x1p-23f - 1.0f;
  }
  return values;
}

void bench(const Shape& s, double seconds, bool json, const OpenBlas& blas, ThreadPool& one, ThreadPool& all,
           double peak) {
  const std::vector<float> a = random_values(s.m * s.k, 1), b = random_values(s.k * s.n, 2);
  std::vector<float> c(static_cast<size_t>(s.m * s.n));
  cpu::Gemm g{.m = s.m, .n = s.n, .k = s.k, .c = c.data(), .ldc = s.n};
  g.a = s.kind == "dw" ? cpu::Matrix{a.data(), s.m, true} : cpu::Matrix{a.data(), s.k};
  g.b = s.kind == "linear" ? cpu::Matrix{b.data(), s.k, true} : cpu::Matrix{b.data(), s.n};
  g.accumulate = s.kind == "dw";
  std::vector<std::byte> scratch(cpu::gemm_scratch_bytes(g, all.size()));

  const auto openblas = [&](int threads) {
    constexpr int kRowMajor = 101, kPlain = 111, kTransposed = 112;
    blas.set_threads(threads);
    blas.sgemm(kRowMajor, g.a.transposed ? kTransposed : kPlain, g.b.transposed ? kTransposed : kPlain,
               static_cast<int>(s.m), static_cast<int>(s.n), static_cast<int>(s.k), 1.0f, a.data(),
               static_cast<int>(g.a.stride), b.data(), static_cast<int>(g.b.stride), g.accumulate ? 1.0f : 0.0f,
               c.data(), static_cast<int>(s.n));
  };
  std::vector<Contender> contenders = {{"ours_1", [&] { cpu::gemm(g, scratch, one); }},
                                       {fmt::format("ours_{}", all.size()), [&] { cpu::gemm(g, scratch, all); }}};
  if (blas.sgemm) {
    contenders.push_back({"openblas_1", [&] { openblas(1); }});
    contenders.push_back({fmt::format("openblas_{}", all.size()), [&] { openblas(all.size()); }});
  }
  measure(contenders, seconds);

  const double gflop = 2e-9 * static_cast<double>(s.m * s.n) * static_cast<double>(s.k);
  std::string line = json ? fmt::format("{{\"shape\": \"{},{},{},{}\"", s.kind, s.m, s.n, s.k)
                          : fmt::format("{:<7}{:>6}{:>7}{:>6} ", s.kind, s.m, s.n, s.k);
  for (const Contender& contender : contenders) {
    if (json)
      line += fmt::format(", \"{0}\": {1:.2f}, \"{0}_best\": {2:.2f}", contender.name, gflop / contender.median(),
                          gflop / contender.best());
    else line += fmt::format("{:>8.1f} {:>6.1f}", gflop / contender.median(), gflop / contender.best());
  }
  line +=
      json ? fmt::format(", \"fma\": {:.2f}}}", peak) : fmt::format("   {:>6.3f}", gflop / contenders[0].best() / peak);
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

Shape parse_shape(const std::string& text) {
  Shape s;
  const size_t comma = text.find(',');
  long long m = 0, n = 0, k = 0;
  if (comma == std::string::npos || std::sscanf(text.c_str() + comma, ",%lld,%lld,%lld", &m, &n, &k) != 3) {
    fmt::print(stderr, "--shape expects KIND,M,N,K, found {}.\n", text);
    std::exit(2);
  }
  return {text.substr(0, comma), m, n, k};
}

}  // namespace

int main(int argc, char** argv) {
  double seconds = 0.3;
  bool json = false;
  std::vector<Shape> shapes;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--json") json = true;
    else if (flag == "--seconds" && i + 1 < argc) seconds = std::atof(argv[++i]);
    else if (flag == "--threads" && i + 1 < argc) set_thread_count(std::atoi(argv[++i]));
    else if (flag == "--shape" && i + 1 < argc) shapes.push_back(parse_shape(argv[++i]));
    else {
      fmt::print(stderr, "usage: bench_gemm [--seconds S] [--threads N] [--shape KIND,M,N,K]... [--json]\n");
      return 2;
    }
  }
  ThreadPool one(1);
  ThreadPool& all = threads();
  const OpenBlas blas;
  const double peak = cpu::fma_flops_per_second(one) * 1e-9;
  if (!json) {
    fmt::print("target {}, register-only multiply-adds: {:.1f} GFLOP/s on one thread, {:.1f} on {}\n",
               cpu::name(cpu::selected_target()), peak, cpu::fma_flops_per_second(all) * 1e-9, all.size());
    fmt::print("GFLOP/s, median and best; last column: ours on one thread, best, of the register-only rate\n");
    fmt::print("{:<7}{:>6}{:>7}{:>6} {:>15}{:>15}", "kind", "m", "n", "k", "ours 1",
               fmt::format("ours {}", all.size()));
    fmt::print("{}\n",
               blas.sgemm ? fmt::format("{:>15}{:>15}", "OpenBLAS 1", fmt::format("OpenBLAS {}", all.size())) : "");
  }
  for (const Shape& s : shapes.empty() ? kShapes : shapes) bench(s, seconds, json, blas, one, all, peak);
}
