// Plans at work: the worked examples of docs/design.md, on real devices.

#include "graph/plan.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <numeric>
#include <thread>

#include "backends/cpu/cpu_device.h"
#include "backends/ref/ref_device.h"
#include "base/random.h"
#include "graph/autodiff.h"
#include "graph/communicator.h"
#include "graph/ops.h"
#include "graph/passes/passes.h"
#include "models/model.h"
#include "train/step.h"

namespace {
std::atomic<int64_t> allocations{0};
}

// The sanitizers have allocators of their own, which must not be replaced.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PROPANE_COUNTS_ALLOCATIONS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PROPANE_COUNTS_ALLOCATIONS 0
#endif
#endif
#ifndef PROPANE_COUNTS_ALLOCATIONS
#define PROPANE_COUNTS_ALLOCATIONS 1
#endif

#if PROPANE_COUNTS_ALLOCATIONS
// Counts every allocation of this test program. Not inlined, lest the compiler compare malloc with delete.
[[gnu::noinline]] void* operator new(size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* p = std::malloc(bytes ? bytes : 1)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(size_t bytes, std::align_val_t align) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  const auto a = static_cast<size_t>(align);
  if (void* p = std::aligned_alloc(a, (bytes + a - 1) / a * a)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, size_t, std::align_val_t) noexcept { std::free(p); }
#endif

namespace propane {
namespace {

using train::RunConfig;
using train::TrainStep;

std::vector<float> random_floats(size_t n, uint64_t stream, double scale = 1.0) {
  const Random random(7, stream);
  std::vector<float> values(n);
  for (size_t i = 0; i < n; ++i) values[i] = static_cast<float>(scale * random.normal(i));
  return values;
}

double difference(std::span<const float> a, std::span<const float> b) {
  double d = 0, s = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    d += (a[i] - b[i]) * (a[i] - b[i]);
    s += b[i] * b[i];
  }
  return std::sqrt(d / (s > 0 ? s : 1));
}

// A small model of a family and rows of random tokens for it.
struct Task {
  RunConfig config;
  std::vector<int32_t> tokens, targets, positions, doc_start;

  explicit Task(Family family, int64_t layers = 2, int64_t rows = 2) {
    ModelConfig& m = config.model;
    m.family = family;
    m.n_layer = layers, m.dim = 32, m.n_head = 2, m.n_kv_head = family == Family::llama ? 1 : 2, m.head_dim = 16,
    m.hidden = 64;
    m.vocab = 50, m.seq = 24;
    m.softcap = family == Family::gpt ? 15 : 0;
    m.window_pattern = "SL";
    m.tied = family == Family::gpt2;
    config.rows = rows;
    const Random random(3, 9);
    for (int64_t i = 0; i < rows * m.seq; ++i) {
      tokens.push_back(static_cast<int32_t>(random.words(static_cast<uint64_t>(i))[0] % 50));
      targets.push_back(static_cast<int32_t>(random.words(static_cast<uint64_t>(i))[1] % 50));
      positions.push_back(static_cast<int32_t>(i % m.seq));
      doc_start.push_back(0);
    }
  }
  train::Rows rows() const { return {tokens, targets, positions, doc_start}; }

  // Zero output projections hide errors; these are not zero.
  void initialize(State& state, Device& device) const {
    for (const Param& p : parameters(config.model)) {
      state.get(p.name, {p.dtype, p.shape}, device);
      state.set(p.name, random_floats(static_cast<size_t>(p.shape.count()), stream_id(p.name), 0.2).data());
    }
  }
};

std::vector<float> read(State& state, const std::string& name) {
  std::vector<float> values(static_cast<size_t>(state.at(name).type.shape.count()));
  state.read(name, values.data());
  return values;
}

TEST(Plan, TwelveEqualLayersCompileOnce) {
  const auto cpu = make_cpu_device();
  const auto compiled = [&](int64_t layers) {
    const auto device = make_cpu_device();
    Task task(Family::llama, layers);
    State state;
    task.initialize(state, *device);
    TrainStep step(task.config, state, {device.get()});
    return device->compile_count();
  };
  EXPECT_EQ(compiled(12), compiled(3));
}

TEST(Plan, ASteadyStateStepAllocatesNothing) {
  if (!PROPANE_COUNTS_ALLOCATIONS) GTEST_SKIP() << "a sanitizer owns the allocator";
  for (Family family : {Family::gpt, Family::llama, Family::gpt2}) {
    const auto device = make_cpu_device();
    Task task(family);
    task.config.optimizer.kind = family == Family::gpt ? train::OptimizerKind::muon : train::OptimizerKind::adamw;
    State state;
    task.initialize(state, *device);
    TrainStep step(task.config, state, {device.get()});
    Plan& micro = const_cast<Plan&>(step.micro_plan());
    Plan& update = const_cast<Plan&>(step.update_plan());
    step.micro_step(task.rows(), 0, 1.0);
    step.update(1.0, 0.0, 0, 1.0);
    const int64_t before = allocations.load();
    for (int i = 0; i < 3; ++i) {
      micro.run();
      update.run();
    }
    EXPECT_EQ(allocations.load(), before) << family_name(family);
  }
}

TEST(Plan, ArenaIsSmallerThanAllIntermediatesTogether) {
  const auto device = make_cpu_device();
  Task task(Family::gpt, 6);
  State state;
  TrainStep step(task.config, state, {device.get()});
  const MemoryReport& memory = step.micro_plan().memory();
  EXPECT_LT(memory.planned_bytes, memory.naive_bytes);
}

// Worked example: state that a plan updates in place.
TEST(Plan, OptimizerMomentsAreUpdatedInPlaceAndOutliveThePlan) {
  const auto device = make_cpu_device();
  State state;
  const Type type{DType::f32, {4}};
  for (const char* name : {"w", "g", "m", "v"}) state.get(name, type, *device);
  const std::vector<float> w{1, -2, 3, -4}, g{0.5f, 0.25f, -1, 2};
  state.set("w", w.data());
  state.set("g", g.data());
  for (int64_t step = 1; step <= 2; ++step) {  // a fresh plan each time: only state carries over
    Graph graph;
    const ParamGroup group{
        {graph.state("w", type)}, {graph.state("g", type)}, {graph.state("m", type)}, {graph.state("v", type)}};
    adamw(graph, group, graph.input("scale", {DType::f64, {2}}), graph.input("hyper", {DType::f64, {6}}));
    Plan plan(std::move(graph), state, {{device.get()}});
    plan.set("scale", std::vector<double>{1.0, 0.0});
    plan.set("hyper", std::vector<double>{0.1, 0.9, 0.99, 1e-8, 0.0, static_cast<double>(step)});
    plan.run();
    // With a constant gradient the bias-corrected moments are g and g², so each step moves by lr·sign(g).
    for (size_t i = 0; i < 4; ++i)
      EXPECT_NEAR(read(state, "w")[i], w[i] - 0.1f * static_cast<float>(step) * (g[i] > 0 ? 1.0f : -1.0f), 1e-5);
  }
}

// Worked example: a KV cache, and sequences of different length in one batch.
TEST(Plan, SequencesOfDifferentLengthInOneBatchDecodeAsEachAlone) {
  const auto device = make_cpu_device();
  const Task task(Family::llama);
  const ModelConfig& c = task.config.model;
  const std::vector<std::vector<int32_t>> texts = {{3, 1, 4, 1, 5, 9, 2, 6}, {2, 7, 1}};
  const auto decode = [&](int64_t batch, const std::vector<std::vector<int32_t>>& rows) {
    State state;
    task.initialize(state, *device);
    Graph g;
    const Trunk trunk = build_trunk(g, c, {batch, 1, 16, false});
    g.output("logits", build_logits(g, c, trunk.x, trunk.head));
    Plan plan(std::move(g), state, {{device.get()}, true});
    std::vector<std::vector<float>> last(rows.size());
    for (int32_t t = 0; t < 8; ++t) {
      std::vector<int32_t> tokens, positions, kv_len;
      for (const auto& row : rows) {  // a row that has ended repeats its last token in place
        const auto at = std::min<int32_t>(t, static_cast<int32_t>(row.size()) - 1);
        tokens.push_back(row[static_cast<size_t>(at)]);
        positions.push_back(at);
        kv_len.push_back(at + 1);
      }
      plan.set("tokens", tokens);
      plan.set("positions", positions);
      plan.set("kv_len", kv_len);
      plan.run();
    }
    std::vector<float> logits(static_cast<size_t>(batch * c.vocab));
    plan.read("logits", std::span<float>(logits));
    return logits;
  };
  const auto together = decode(2, texts);
  const auto n = static_cast<size_t>(c.vocab);
  for (size_t r = 0; r < 2; ++r) {
    const auto alone = decode(1, {texts[r]});
    for (size_t i = 0; i < n; ++i)
      EXPECT_EQ(together[r * n + i], alone[i]) << "row " << r << " logit " << i;  // bit for bit
  }
}

// Worked example: documents packed in a row, with and without a mask between them.
TEST(Plan, MaskedDocumentsInARowAreScoredAsIfAlone) {
  const auto device = make_cpu_device();
  Task task(Family::gpt2, 2, 1);
  const ModelConfig& c = task.config.model;
  State state;
  task.initialize(state, *device);
  const auto nats = [&](const std::vector<int32_t>& tokens, const std::vector<int32_t>& positions,
                        const std::vector<int32_t>& starts, bool masked) {
    Graph g = train::build_eval(c, 1, masked);
    Plan plan(std::move(g), state, {{device.get()}});
    plan.set("tokens", tokens);
    plan.set("targets", task.targets);
    plan.set("positions", positions);
    plan.set("kv_len", std::vector<int32_t>{static_cast<int32_t>(c.seq)});
    if (masked) plan.set("doc_start", starts);
    plan.run();
    std::vector<float> out(static_cast<size_t>(c.seq));
    plan.read("nats", std::span<float>(out));
    return out;
  };
  const int32_t second = 10;  // where the second document starts
  std::vector<int32_t> starts(static_cast<size_t>(c.seq), 0);
  for (size_t i = second; i < starts.size(); ++i) starts[i] = second;
  std::vector<int32_t> other = task.tokens;
  for (size_t i = 0; i < second; ++i) other[i] = (other[i] + 1) % 50;  // another first document
  const auto a = nats(task.tokens, task.positions, starts, true), b = nats(other, task.positions, starts, true);
  const auto open = nats(task.tokens, task.positions, starts, false),
             open_other = nats(other, task.positions, starts, false);
  for (size_t i = second; i < a.size(); ++i) EXPECT_EQ(a[i], b[i]) << "token " << i << " saw the first document";
  EXPECT_GT(difference(std::span(open).subspan(second), std::span(open_other).subspan(second)), 1e-4);
}

// Worked example: gradient accumulation.
TEST(Plan, TwoMicroStepsGiveTheGradientOfTheWholeBatch) {
  const auto device = make_cpu_device();
  for (Family family : {Family::gpt, Family::llama, Family::gpt2}) {
    const Task whole(family, 2, 4);
    State one, two;
    whole.initialize(one, *device);
    whole.initialize(two, *device);
    TrainStep step(whole.config, one, {device.get()});
    step.micro_step(whole.rows(), 0, 1.0);

    RunConfig half = whole.config;
    half.rows = 2, half.accumulate = 2;
    TrainStep steps(half, two, {device.get()});
    const size_t n = static_cast<size_t>(2 * half.model.seq);
    const auto part = [&](const std::vector<int32_t>& v, size_t m) { return std::span(v).subspan(m * n, n); };
    for (size_t m = 0; m < 2; ++m)
      steps.micro_step(
          {part(whole.tokens, m), part(whole.targets, m), part(whole.positions, m), part(whole.doc_start, m)},
          static_cast<int64_t>(m), 1.0);
    for (const Param& p : parameters(whole.config.model))
      EXPECT_LT(difference(read(two, train::grad_name(p.name)), read(one, train::grad_name(p.name))), 1e-5)
          << family_name(family) << " " << p.name;
  }
}

// Worked example: a segment compiled ahead, with weights staged at run time.
TEST(Plan, AChangedWeightIsPreparedAgainBeforeTheNextRun) {
  const auto device = make_cpu_device();
  State state;
  const Type type{DType::f32, {48, 40}};
  state.get("w", type, *device);
  const auto x = random_floats(40, 1);
  Graph g;
  g.output("y", linear(g, g.input("x", {DType::f32, {1, 40}}), g.state("w", type)));
  Plan plan(std::move(g), state, {{device.get()}, true});
  ASSERT_EQ(plan.prepared_weights(), std::vector<std::string>{"w"});
  plan.set("x", x);
  for (uint64_t version = 0; version < 2; ++version) {
    const auto w = random_floats(48 * 40, 2 + version);
    state.set("w", w.data());
    plan.run();
    std::vector<float> y(48), expected(48, 0.0f);
    plan.read("y", std::span<float>(y));
    for (size_t o = 0; o < 48; ++o)
      for (size_t i = 0; i < 40; ++i) expected[o] += w[o * 40 + i] * x[i];
    EXPECT_LT(difference(y, expected), 1e-5) << "version " << version;
  }
}

// Worked example: a step spread over two devices.
TEST(Plan, AStepSpreadOverTwoDevicesGivesTheSameGradients) {
  const auto cpu = make_cpu_device();
  const auto ref = make_ref_device();
  const Task task(Family::llama);
  State one, two;
  task.initialize(one, *cpu);
  Graph whole = train::build_micro_step(task.config.model, task.config.rows, false);
  Graph spread = whole;
  // Forward on the cpu, gradients on ref.
  place(spread, [](const Graph&, const Node& node) {
    return node.scope.ends_with("/grad") || node.scope == "accumulate" ? std::string("ref") : std::string("cpu");
  });
  task.initialize(two, *cpu);
  const auto run = [&](Graph g, State& state, std::vector<Device*> devices) {
    Plan plan(std::move(g), state, {std::move(devices)});
    plan.set("tokens", task.tokens);
    plan.set("targets", task.targets);
    plan.set("positions", task.positions);
    plan.set("kv_len", std::vector<int32_t>(2, static_cast<int32_t>(task.config.model.seq)));
    plan.set_scalar("seed", 1.0);
    plan.set_scalar("keep", 0.0);
    plan.run();
    return plan.read_scalar("loss");
  };
  EXPECT_NEAR(run(whole, one, {cpu.get()}), run(spread, two, {cpu.get(), ref.get()}), 1e-5);
  for (const Param& p : parameters(task.config.model))
    EXPECT_LT(difference(read(two, train::grad_name(p.name)), read(one, train::grad_name(p.name))), 1e-4) << p.name;
}

// Worked example: data parallel.
TEST(Plan, TwoRanksOfHalfTheRowsTrainAsOneOfAll) {
  const Task task(Family::gpt, 2, 4);
  RunConfig config = task.config;
  config.optimizer.kind = train::OptimizerKind::muon;
  const auto alone = make_cpu_device();
  State whole;
  task.initialize(whole, *alone);
  TrainStep step(config, whole, {alone.get()});
  for (int64_t s = 0; s < 2; ++s) {
    step.micro_step(task.rows(), 0, 1.0);
    step.update(1.0, 0.0, s, 1.0);
  }
  auto ranks = local_ranks(2);
  std::vector<State> states(2);
  config.rows = 2;
  const size_t n = static_cast<size_t>(2 * config.model.seq);
  std::vector<std::thread> threads;
  for (size_t r = 0; r < 2; ++r)
    threads.emplace_back([&, r] {
      const auto device = make_ref_device(ranks[r]);
      task.initialize(states[r], *device);
      TrainStep mine(config, states[r], {device.get()}, 2);
      const auto part = [&](const std::vector<int32_t>& v) { return std::span(v).subspan(r * n, n); };
      for (int64_t s = 0; s < 2; ++s) {
        mine.micro_step({part(task.tokens), part(task.targets), part(task.positions), part(task.doc_start)}, 0, 1.0);
        mine.update(1.0, 0.0, s, 1.0);
      }
      for (const Param& p : parameters(config.model)) {  // ref lives as long as this thread
        std::vector<float> values(static_cast<size_t>(p.shape.count()));
        states[r].read(p.name, values.data());
        EXPECT_LT(difference(values, read(whole, p.name)), 1e-2) << p.name;
      }
    });
  for (auto& thread : threads) thread.join();
}

TEST(Plan, RefusesWhatCannotBeInOneSentence) {
  const auto device = make_cpu_device();
  State state;
  Graph g;
  g.output("y", linear(g, g.input("x", {DType::f32, {2, 8}}), g.state("w", {DType::f32, {4, 8}})));
  Plan plan(g, state, {{device.get()}});
  const auto message = [](auto&& f) {
    try {
      f();
    } catch (const std::exception& error) {
      return std::string(error.what());
    }
    return std::string("nothing was thrown");
  };
  EXPECT_EQ(message([&] { plan.set("z", std::vector<float>(16)); }), "the plan has no per-run input named 'z'");
  EXPECT_EQ(message([&] { plan.set("x", std::vector<float>(15)); }), "input 'x' is f32[2, 8], 64 bytes; 60 were given");
  EXPECT_EQ(message([&] { Plan(g, state, {{}}); }), "a plan needs at least one device");
  Graph other;
  other.output("y", scale(other, other.state("w", {DType::f32, {9}}), 2.0));
  EXPECT_EQ(message([&] { Plan(other, state, {{device.get()}}); }), "state 'w' is f32[4, 8], asked for as f32[9]");
}

}  // namespace
}  // namespace propane
