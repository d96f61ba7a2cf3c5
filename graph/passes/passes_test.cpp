// Each pass against the graph before it, on the ref device, and what it was meant to leave.

#include "graph/passes/passes.h"

#include <gtest/gtest.h>

#include "backends/ref/ref_device.h"
#include "base/random.h"
#include "graph/op.h"
#include "graph/ops.h"
#include "graph/plan.h"
#include "models/model.h"
#include "train/step.h"

namespace propane {
namespace {

const Takes kEverything = [](const Graph&, const Node&) { return true; };

int count(const Graph& g, std::string_view op) {
  return static_cast<int>(
      std::count_if(g.nodes().begin(), g.nodes().end(), [&](const Node& n) { return n.op->name == op; }));
}

ModelConfig small(Family family) {
  ModelConfig m;
  m.family = family;
  m.n_layer = 3, m.dim = 32, m.n_head = 2, m.n_kv_head = 2, m.head_dim = 16, m.hidden = 40, m.vocab = 21, m.seq = 9;
  m.softcap = family == Family::gpt2 ? 0 : 15;
  m.dtype = m.embedding_dtype = DType::f64;
  m.tied = family == Family::gpt2;
  return m;
}

// The loss and all gradients of a micro-step graph in float64.
std::vector<double> run(const Graph& graph, const ModelConfig& m) {
  const auto device = make_ref_device();
  State state;
  for (const Param& p : parameters(m)) {
    std::vector<double> values(static_cast<size_t>(p.shape.count()));
    const Random random(5, stream_id(p.name));
    for (size_t i = 0; i < values.size(); ++i) values[i] = 0.3 * random.normal(i);
    state.get(p.name, {p.dtype, p.shape}, *device);
    state.set(p.name, values.data());
  }
  Plan plan(graph, state, {{device.get()}});
  std::vector<int32_t> tokens, targets, positions;
  for (int32_t i = 0; i < 2 * m.seq; ++i) {
    tokens.push_back(i * 7 % 21);
    targets.push_back(i % 5 == 0 ? -1 : i * 11 % 21);
    positions.push_back(i % static_cast<int32_t>(m.seq));
  }
  plan.set("tokens", tokens);
  plan.set("targets", targets);
  plan.set("positions", positions);
  plan.set("kv_len", std::vector<int32_t>(2, static_cast<int32_t>(m.seq)));
  plan.set_scalar("seed", 2.0);
  plan.set_scalar("keep", 0.0);
  plan.run();
  std::vector<double> all{plan.read_scalar("loss")};
  for (const Param& p : parameters(m)) {
    std::vector<double> grad(static_cast<size_t>(p.shape.count()));
    state.read(train::grad_name(p.name), grad.data());
    all.insert(all.end(), grad.begin(), grad.end());
  }
  return all;
}

void expect_same(const std::vector<double>& got, const std::vector<double>& want) {
  ASSERT_EQ(got.size(), want.size());
  double d = 0, s = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    d += (got[i] - want[i]) * (got[i] - want[i]);
    s += want[i] * want[i];
  }
  EXPECT_LT(std::sqrt(d / s), 1e-12);
}

class Passes : public testing::TestWithParam<Family> {};

TEST_P(Passes, EachKeepsTheLossAndEveryGradient) {
  const ModelConfig m = small(GetParam());
  const Graph before = train::build_micro_step(m, 2, false);
  const auto want = run(before, m);
  const std::pair<const char*, void (*)(Graph&)> passes[] = {
      {"remove_dead_code", [](Graph& g) { remove_dead_code(g); }},
      {"pack_linears", [](Graph& g) { pack_linears(g, kEverything); }},
      {"fuse_gated_linear", [](Graph& g) { fuse_gated_linear(g, kEverything); }},
      {"fuse_norm_linear", [](Graph& g) { fuse_norm_linear(g, kEverything); }},
      {"fuse_head_loss", [](Graph& g) { fuse_head_loss(g, kEverything); }},
      {"fuse_accumulate", [](Graph& g) { fuse_accumulate(g, kEverything); }},
      {"checkpoint_activations",
       [](Graph& g) { checkpoint_activations(g, [](const Node& node) { return node.scope.starts_with("layers."); }); }},
      {"fuse", [](Graph& g) { fuse(g, kEverything); }},
      {"checkpoint, then fuse",
       [](Graph& g) {
         checkpoint_activations(g, [](const Node& node) { return node.scope.starts_with("layers."); });
         fuse(g, kEverything);
       }},
  };
  for (const auto& [name, pass] : passes) {
    SCOPED_TRACE(name);
    Graph after = before;
    pass(after);
    expect_same(run(after, m), want);
  }
}

INSTANTIATE_TEST_SUITE_P(Families, Passes, testing::Values(Family::gpt, Family::llama, Family::gpt2),
                         [](const auto& test) { return family_name(test.param); });

TEST(Fuse, LeavesOneHeadNoLogitsAndNoAccumulatesOfMatrices) {
  Graph g = train::build_micro_step(small(Family::llama), 2, false);
  fuse(g, kEverything);
  EXPECT_EQ(count(g, "head_loss_train"), 1);
  EXPECT_EQ(count(g, "cross_entropy") + count(g, "softcap") + count(g, "cross_entropy_grad"), 0);
  EXPECT_EQ(count(g, "gated_linear"), 3);
  EXPECT_EQ(count(g, "linears"), 3);          // q, k, v of each layer
  EXPECT_EQ(count(g, "linears_grad_x"), 12);  // q+k+v, out, gate+up, down of each layer
  for (const Node& node : g.nodes())
    if (node.op->name == "linear_grad_w") {
      EXPECT_GE(node.inputs.size(), 3u);
    }
}

TEST(Fuse, JoinsANormWithItsLinearsWhenNobodyElseReadsIt) {
  Graph g;
  const Trunk trunk = build_trunk(g, small(Family::llama), {1, 4, 16, false});
  g.output("logits", build_logits(g, small(Family::llama), trunk.x, trunk.head));
  fuse(g, kEverything);
  EXPECT_EQ(count(g, "norm_linears"), 4);  // q, k, v of each layer, and the head
}

TEST(Fuse, MakesOnlyWhatTheDevicesTake) {
  Graph g = train::build_micro_step(small(Family::llama), 2, false);
  const auto nodes_before = g.nodes().size();
  fuse(g, [](const Graph&, const Node&) { return false; });
  EXPECT_EQ(g.nodes().size(), nodes_before);
}

TEST(RemoveDeadCode, KeepsWhatWritesStateAndWhatIsRead) {
  Graph g;
  const Val x = g.input("x", {DType::f32, {4}});
  const Val used = scale(g, x, 2.0);
  scale(g, used, 3.0);  // nobody reads this
  accumulate(g, g.state("s", {DType::f32, {4}}), used);
  remove_dead_code(g);
  EXPECT_EQ(g.nodes().size(), 2u);
}

TEST(Checkpoint, HoldsFewerActivations) {
  ModelConfig m = small(Family::llama);
  m.n_layer = 12;
  m.seq = 64;
  const auto planned = [&](bool recompute) {
    const auto device = make_ref_device();
    State state;
    train::RunConfig config;
    config.model = m;
    config.rows = 2;
    config.recompute = recompute ? train::Recompute::layers : train::Recompute::none;
    train::TrainStep step(config, state, {device.get()});
    return step.micro_plan().memory().planned_bytes;
  };
  EXPECT_LT(static_cast<double>(planned(true)), 0.5 * static_cast<double>(planned(false)));
}

}  // namespace
}  // namespace propane
