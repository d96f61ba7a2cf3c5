// The gradient of every single weight of whole small models, as a training step leaves it in state, against central
// differences of the loss that evaluation computes. ref in double: nothing but the graphs' mathematics is judged.

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "backends/ref/ref_device.h"
#include "base/random.h"
#include "models/model.h"
#include "train/step.h"

namespace propane::train {
namespace {

ModelConfig config_of(Family family) {
  ModelConfig c;
  c.family = family;
  c.n_layer = 2;
  c.dim = 8;
  c.n_head = 2;
  c.n_kv_head = family == Family::gpt2 ? 2 : 1;
  c.head_dim = 4;
  c.vocab = 11;
  c.seq = 7;
  c.hidden = 16;
  c.norm_eps = 1e-5;
  c.dtype = c.embedding_dtype = DType::f64;
  if (family == Family::gpt) {
    c.hidden = 32;
    c.softcap = 15;
    c.window_pattern = "SL";
    c.short_window = 3;
    c.gate_channels = 4;
  }
  if (family == Family::llama) {
    c.qkv_bias = true;
    c.qk_norm = true;
  }
  c.tied = family == Family::gpt2;
  return c;
}

struct Case {
  const char* name;
  Family family;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class EveryWeight : public testing::TestWithParam<Case> {};

TEST_P(EveryWeight, HasTheGradientThatCentralDifferencesHave) {
  constexpr int64_t kRows = 2;
  RunConfig config;
  config.model = config_of(GetParam().family);
  config.rows = kRows;
  config.mask_documents = true;
  ASSERT_LE(count_parameters(config.model), 2000);

  // Initial values would hide much: output projections that start at zero stop the gradients of all below them. With
  // this seed no sum that gpt's relu² sees is so close to its kink that a difference below would step over it.
  const auto device = make_ref_device();
  State state;
  std::map<std::string, std::vector<double>> weights;
  for (const Param& p : parameters(config.model)) {
    const Random random(8, stream_id(p.name));
    auto& values = weights[p.name];
    const double center = p.init.kind == Init::Kind::constant ? p.init.scale : 0;
    for (int64_t i = 0; i < p.shape.count(); ++i)
      values.push_back(center + 0.3 * random.normal(static_cast<uint64_t>(i)));
    state.get(p.name, {p.dtype, p.shape}, *device);
    state.set(p.name, values.data());
  }

  // Every token of the vocabulary, two documents in a row, one position that is not scored.
  const auto n = static_cast<size_t>(kRows * config.model.seq);
  std::vector<int32_t> tokens(n), targets(n), positions(n), doc_start(n);
  for (size_t i = 0; i < n; ++i) {
    tokens[i] = static_cast<int32_t>(5 * i % static_cast<size_t>(config.model.vocab));
    targets[i] = static_cast<int32_t>((3 * i + 1) % static_cast<size_t>(config.model.vocab));
    positions[i] = static_cast<int32_t>(static_cast<int64_t>(i) % config.model.seq);
    doc_start[i] = positions[i] >= 3 ? 3 : 0;
  }
  targets[n - 1] = -1;

  TrainStep step(config, state, {device.get()});
  const double loss = step.micro_step({tokens, targets, positions, doc_start}, 0, 1.0);

  Plan forward(build_eval(config.model, kRows, true), state, PlanOptions{{device.get()}, false});
  forward.set("tokens", tokens);
  forward.set("targets", targets);
  forward.set("positions", positions);
  forward.set("doc_start", doc_start);
  forward.set("kv_len", std::vector<int32_t>(kRows, static_cast<int32_t>(config.model.seq)));
  std::vector<double> nats(n);
  const auto evaluate = [&] {
    forward.run();
    forward.read("nats", std::span<double>(nats));
    double sum = 0;
    for (size_t i = 0; i < n; ++i)
      if (targets[i] >= 0) sum += nats[i];
    return sum / static_cast<double>(n - 1);
  };
  ASSERT_NEAR(evaluate(), loss, 1e-12);

  // The five-point stencil errs by some h⁴ and 2⁻⁵³·loss/h, the latter about 5e-12 at this h: the largest error seen is
  // 6.5e-8. Gradients below the floor are held to 1e-6 of the floor, as differences of losses tell no more of them.
  constexpr double kStep = 1e-4, kFloor = 1e-4, kBound = 1e-6;
  int64_t checked = 0, large = 0;
  for (const Param& p : parameters(config.model)) {
    std::vector<double> gradient(static_cast<size_t>(p.shape.count()));
    state.read(grad_name(p.name), gradient.data());
    auto& values = weights[p.name];
    for (size_t i = 0; i < values.size(); ++i) {
      const double x = values[i];
      const auto at = [&](double offset) {
        values[i] = x + offset * kStep;
        state.set(p.name, values.data());
        return evaluate();
      };
      const double numerical = (at(-2) - 8 * at(-1) + 8 * at(1) - at(2)) / (12 * kStep);
      values[i] = x;
      state.set(p.name, values.data());
      const double error = std::abs(gradient[i] - numerical) / std::max(std::abs(numerical), kFloor);
      EXPECT_LE(error, kBound) << p.name << "[" << i << "]: " << gradient[i] << " instead of " << numerical;
      ++checked;
      large += std::abs(numerical) > kFloor;
    }
  }
  EXPECT_EQ(checked, count_parameters(config.model));
  EXPECT_GT(large, checked * 9 / 10);  // the floor is an exception
}

INSTANTIATE_TEST_SUITE_P(Models, EveryWeight,
                         testing::Values(Case{"gpt", Family::gpt}, Case{"llama", Family::llama},
                                         Case{"gpt2", Family::gpt2}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace propane::train
