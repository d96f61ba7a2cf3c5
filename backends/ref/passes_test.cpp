// The passes against the graph before them: a whole training step of a small model, in double on the oracle, gives the
// same numbers when rewritten.
#include "graph/passes/passes.h"

#include <gmock/gmock.h>

#include "backends/ref/ref_device.h"
#include "tests/op_cases.h"

namespace propane::op_testing {
namespace {

using ::testing::IsSupersetOf;

constexpr int64_t kBatch = 2, kSeq = 5, kDim = 8, kHidden = 12, kVocab = 11, kLayers = 2;

Val attention_block(CaseBuilder& b, Val x, const std::string& layer) {
  Graph& g = b.graph;
  const Val normed = rms_norm(g, x, b.weight(layer + "attn_norm", {kDim}), 1e-5);
  const Val at = b.index("positions", {kBatch, kSeq}, positions(kBatch, kSeq));
  auto heads = [&](const char* name, int64_t n) {
    return reshape(g, linear(g, normed, b.weight(layer + name, {4 * n, kDim})), {kBatch, kSeq, n, 4});
  };
  const RopeOptions options{.max_position = kSeq};
  const Val q = rope(g, heads("q", 2), at, options), k = rope(g, heads("k", 1), at, options), v = heads("v", 1);
  const Val o = attention(g, {q, k, v, at, b.index("kv_len", {kBatch}, numbers(kBatch, kSeq)), {}}, 3, 0.5);
  return add(g, x, linear(g, reshape(g, o, {kBatch, kSeq, 8}), b.weight(layer + "o", {kDim, 8})), 0.5);
}

Val mlp_block(CaseBuilder& b, Val x, const std::string& layer) {
  Graph& g = b.graph;
  const Val normed = rms_norm(g, x, {}, 1e-5);
  const Val gate = linear(g, normed, b.weight(layer + "gate", {kHidden, kDim}));
  const Val up = linear(g, normed, b.weight(layer + "up", {kHidden, kDim}));
  return add(g, x, linear(g, swiglu(g, gate, up), b.weight(layer + "down", {kDim, kHidden})));
}

// The mean loss; its gradients are added into state "into.<parameter>" when `train`.
CaseBuilder model(bool train) {
  CaseBuilder b(DType::f64, "model");
  Graph& g = b.graph;
  g.set_scope("embed");
  const Val ids = b.index("ids", {kBatch, kSeq}, {1, 4, 4, 0, 10, 3, 2, 1, 1, 7});
  Val x = embedding(g, b.weight("wte", {kVocab, kDim}), ids);
  for (int i = 0; i < kLayers; ++i) {
    const std::string layer = "layers." + std::to_string(i);
    g.set_scope(layer);
    x = mlp_block(b, attention_block(b, x, layer + "."), layer + ".");
  }
  g.set_scope("head");
  const Val targets = b.index("targets", {kBatch, kSeq}, {4, 4, -1, 10, 3, 2, 1, 1, 7, -1});
  const Val logits = softcap(g, linear(g, rms_norm(g, x, {}, 1e-5), b.weight("head", {kVocab, kDim})), 15);
  const Val loss = masked_mean(g, cross_entropy(g, logits, targets), targets);
  b.output("loss", loss);
  if (!train) return b;

  std::vector<std::string> names;
  std::vector<Val> params;
  for (const auto& [name, values] : b.values) {
    if (!g.is_state(g.find(name))) continue;
    names.push_back(name);
    params.push_back(g.find(name));
  }
  const Seed seed{loss, b.scalars("seed", {0.5})};
  const auto parts = gradients(g, {&seed, 1}, params);
  const Val keep = b.scalars("keep", {0.0}), keep_all = b.scalars("keep_all", {1.0});
  for (size_t i = 0; i < params.size(); ++i) {
    const Val into = b.state("into." + names[i], g.type(params[i]), numbers(g.shape(params[i]).count(), kNaN));
    for (size_t k = 0; k < parts[i].size(); ++k) accumulate(g, into, parts[i][k], k == 0 ? keep : keep_all);
  }
  return b;
}

std::set<std::string_view> ops_in(const Graph& g) {
  std::set<std::string_view> names;
  for (const Node& node : g.nodes()) names.insert(node.op->name);
  return names;
}

class Passes : public ::testing::TestWithParam<bool> {
 protected:
  Takes takes() const {
    return [this](const Graph& g, const Node& n) { return ref_->takes(g, n); };
  }
  // Runs the graph as it was and as it is, with memory shared where it may be.
  void expect_same(const CaseBuilder& before, const CaseBuilder& after) {
    const Tensors expected = before.run(*ref_), actual = after.run(*ref_, {.share = true});
    expect_close(actual, expected, 1e-12);
    EXPECT_EQ(actual.size(), expected.size());
  }

  std::shared_ptr<Device> ref_ = make_ref_device();
  CaseBuilder before_ = model(GetParam()), after_ = before_;
};
INSTANTIATE_TEST_SUITE_P(Model, Passes, ::testing::Bool(), [](const auto& tested) {
  return tested.param ? std::string("training") : std::string("forward");
});

TEST_P(Passes, DeadCodeGoesAndTheRestStays) {
  scale(after_.graph, after_.graph.find("wte"), 2.0);
  remove_dead_code(after_.graph);
  EXPECT_EQ(ops_in(after_.graph).count("scale"), 0u);
  expect_same(before_, after_);
}

TEST_P(Passes, PackingLinearsKeepsTheNumbers) {
  pack_linears(after_.graph, takes());
  EXPECT_TRUE(ops_in(after_.graph).count("linears"));
  expect_same(before_, after_);
}

TEST_P(Passes, FusingTheGatedLinearKeepsTheNumbers) {
  fuse_gated_linear(after_.graph, takes());
  EXPECT_TRUE(ops_in(after_.graph).count("gated_linear"));
  expect_same(before_, after_);
}

TEST_P(Passes, FusingTheHeadKeepsTheNumbers) {
  fuse_head_loss(after_.graph, takes());
  EXPECT_TRUE(ops_in(after_.graph).count(GetParam() ? "head_loss_train" : "head_loss"));
  EXPECT_FALSE(ops_in(after_.graph).count("softcap"));
  expect_same(before_, after_);
}

TEST_P(Passes, FusingEverythingKeepsTheNumbers) {
  fuse(after_.graph, takes());
  if (GetParam()) {
    EXPECT_THAT(ops_in(after_.graph), IsSupersetOf({"head_loss_train", "gated_linear", "linears"}));
    EXPECT_FALSE(ops_in(after_.graph).count("accumulate")) << after_.graph.str();
  } else {
    EXPECT_THAT(ops_in(after_.graph), IsSupersetOf({"head_loss", "gated_linear", "norm_linears"}));
  }
  expect_same(before_, after_);
}

TEST_P(Passes, RecomputingActivationsKeepsTheNumbers) {
  const size_t nodes = after_.graph.nodes().size();
  checkpoint_activations(after_.graph, [](const std::string& scope) { return scope.starts_with("layers."); });
  EXPECT_EQ(after_.graph.nodes().size() > nodes, GetParam());
  expect_same(before_, after_);
  fuse(after_.graph, takes());
  expect_same(before_, after_);
}

}  // namespace
}  // namespace propane::op_testing
