// Ops with quantized weights on the CPU device against the oracle, which reads the same blocks.
#include <gtest/gtest.h>

#include <cmath>

#include "backends/cpu/cpu_device.h"
#include "backends/ref/ref_device.h"
#include "base/error.h"
#include "base/random.h"
#include "graph/ops.h"
#include "graph/plan.h"
#include "quant/quantize.h"

namespace propane {
namespace {

std::vector<float> random_values(int64_t count, const char* name) {
  const Random random(7, stream_id(name));
  std::vector<float> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(static_cast<double>(random.words(i)[0]) / 0x1p31 - 1.0);
  return values;
}

// The same graph on both devices, weights stored as `type`.
class Both {
 public:
  explicit Both(DType type) : type_(type) {}

  Graph graph;

  Val weight(const char* name, int64_t n, int64_t k) {
    const Type t{type_, {n, k}};
    const std::vector<float> values = random_values(n * k, name);
    std::vector<std::byte> blocks(t.bytes());
    quant::quantize(type_, values, k, {}, blocks);
    set(name, t, blocks.data());
    return graph.state(name, t);
  }
  Val vector(const char* name, int64_t n) {
    set(name, {DType::f32, {n}}, random_values(n, name).data());
    return graph.state(name, {DType::f32, {n}});
  }
  Val input(const char* name, Shape shape) {
    set(name, {DType::f32, shape}, random_values(shape.count(), name).data());
    return graph.state(name, {DType::f32, shape});
  }

  void run() {
    for (Side* side : {&ref_, &cpu_})
      side->plan = std::make_unique<Plan>(graph, side->state, PlanOptions{{side->device.get()}, true});
    for (Side* side : {&ref_, &cpu_}) {
      if (side->plan->has_input("ids")) side->plan->set("ids", std::vector<int32_t>{3, 0, 6});
      side->plan->run();
    }
  }

  // ‖cpu − ref‖ / ‖ref‖
  double error(const char* output) {
    std::vector<float> want = read(ref_, output), got = read(cpu_, output);
    double difference = 0, size = 0;
    for (size_t i = 0; i < want.size(); ++i) {
      difference += std::pow(double{got[i]} - double{want[i]}, 2);
      size += std::pow(double{want[i]}, 2);
    }
    EXPECT_GT(size, 0);
    return std::sqrt(difference / size);
  }

  std::vector<std::string> prepared() const { return cpu_.plan->prepared_weights(); }

 private:
  struct Side {
    std::shared_ptr<Device> device;
    State state = {};
    std::unique_ptr<Plan> plan = {};
  };
  void set(const char* name, const Type& type, const void* data) {
    for (Side* side : {&ref_, &cpu_}) {
      side->state.get(name, type, *side->device);
      side->state.set(name, data);
    }
  }
  std::vector<float> read(Side& side, const char* output) {
    std::vector<float> values;
    for (const auto& [name, v] : graph.outputs())
      if (name == output) values.resize(static_cast<size_t>(graph.shape(v).count()));
    side.plan->read(output, std::span<float>(values));
    return values;
  }

  DType type_;
  Side ref_{make_ref_device()}, cpu_{make_cpu_device()};
};

class QuantizedOps : public testing::TestWithParam<DType> {
 protected:
  // Activations have eight bits beside quantized weights, and all of theirs beside 16-bit ones.
  double bound() const { return is_block(GetParam()) ? 1.5e-2 : 3e-6; }
};

TEST_P(QuantizedOps, LinearWithABias) {
  Both b(GetParam());
  b.graph.output("y", linear(b.graph, b.input("x", {3, 256}), b.weight("w", 37, 256), b.vector("bias", 37)));
  b.run();
  EXPECT_LT(b.error("y"), bound());
  EXPECT_EQ(b.prepared(), std::vector<std::string>{"w"});
}

TEST_P(QuantizedOps, SeveralOutputsAfterANorm) {
  Both b(GetParam());
  const auto y = norm_linears(b.graph, b.input("x", {5, 512}), b.vector("gain", 512), 1e-5,
                              std::vector{b.weight("q", 64, 512), b.weight("k", 16, 512), b.weight("v", 1, 512)});
  for (size_t i = 0; i < y.size(); ++i) b.graph.output("y" + std::to_string(i), y[i]);
  b.run();
  for (const char* name : {"y0", "y1", "y2"}) EXPECT_LT(b.error(name), bound()) << name;
}

TEST_P(QuantizedOps, GatedMlpOfOneRow) {
  Both b(GetParam());
  const Val x = b.input("x", {1, 256});
  const GatedLinear h = gated_linear(b.graph, x, b.weight("gate", 512, 256), b.weight("up", 512, 256), false);
  b.graph.output("y", linear(b.graph, h.h, b.weight("down", 256, 512)));
  b.run();
  EXPECT_LT(b.error("y"), 3 * bound());
}

TEST_P(QuantizedOps, RowsOfATableAreExact) {
  Both b(GetParam());
  b.graph.output("y", embedding(b.graph, b.weight("table", 7, 256), b.graph.input("ids", {DType::i32, {3}})));
  b.run();
  EXPECT_EQ(b.error("y"), 0.0);
  EXPECT_TRUE(b.prepared().empty());
}

TEST_P(QuantizedOps, AreRefusedPlain) {
  Both b(GetParam());
  const Type w{GetParam(), {8, 256}};
  Graph g;
  g.output("y", linear(g, g.input("x", {DType::f32, {1, 256}}), g.state("w", w)));
  State state;
  const auto cpu = make_cpu_device();
  state.get("w", w, *cpu);
  EXPECT_THROW(Plan(std::move(g), state, PlanOptions{{cpu.get()}, false}), Error);
}

INSTANTIATE_TEST_SUITE_P(Types, QuantizedOps,
                         testing::Values(DType::f16, DType::bf16, DType::q4_0, DType::q4_1, DType::q5_0, DType::q5_1,
                                         DType::q8_0, DType::q4_k, DType::q5_k, DType::q6_k),
                         [](const auto& test) { return std::string(dtype_name(test.param)); });

TEST(QuantizedOps, PlainAndQuantizedWeightsAreNotFused) {
  Graph g;
  const Val x = g.input("x", {DType::f32, {1, 256}}), gain = g.state("gain", {DType::f32, {256}});
  const auto both = [&](DType a, DType b) {
    norm_linears(g, x, gain, 1e-5,
                 std::vector{g.state(std::string(dtype_name(a)), {a, {8, 256}}),
                             g.state(std::string(dtype_name(b)), {b, {8, 256}})});
    return make_cpu_device()->takes(g, g.nodes().back());
  };
  EXPECT_TRUE(both(DType::q4_k, DType::q6_k));
  EXPECT_FALSE(both(DType::q4_k, DType::f32));
}

}  // namespace
}  // namespace propane
