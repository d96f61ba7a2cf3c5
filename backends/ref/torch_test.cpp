// The oracle against PyTorch, transformers and the tests' own reference optimizer in float64: values and gradients of
// tests/fixtures/ops/torch.json, made by tests/peers/make_op_fixtures.py.
#include <nlohmann/json.hpp>

#include "backends/ref/ref_device.h"
#include "base/file.h"
#include "tests/op_cases.h"

namespace propane::op_testing {
namespace {

using Json = nlohmann::json;

class Torch : public ::testing::Test {
 protected:
  using Build = std::function<Val(Graph&, const std::vector<Val>&)>;

  Values values(const std::string& op_case, const std::string& name, DType dtype = DType::f64) const {
    const Json& tensor = cases_.at(op_case).at(name);
    const auto dims = tensor.at("shape").get<std::vector<int64_t>>();
    return {{dtype, Shape(std::span<const int64_t>(dims))}, tensor.at("data").get<std::vector<double>>()};
  }
  double number(const std::string& op_case, const std::string& name) const { return cases_.at(op_case).at(name); }
  std::vector<double> hyper(const std::string& op_case) const { return cases_.at(op_case).at("hyper"); }

  // The case's inputs by these names through `build`: its output is y, its gradients for dy are grad_<name>.
  void expect_same(const std::string& op_case, const std::vector<std::string>& names, const Build& build,
                   double tolerance = 1e-13) {
    CaseBuilder b(DType::f64);
    std::vector<Val> in;
    Tensors expected{{"y", values(op_case, "y")}};
    for (const std::string& name : names) {
      const Values given = values(op_case, name);
      in.push_back(b.given(name, given.type, given.data));
      expected["grad_" + name] = values(op_case, "grad_" + name);
    }
    b.output("y", build(b.graph, in));
    for (const auto& [name, value] : index_)
      if (b.graph.find(name)) b.values[name] = value;
    add_gradients(b);
    b.values["d_y"] = values(op_case, "dy");
    expect_close(b.run(*ref_), expected, tolerance);
  }

  // An i32 input of the graph.
  Val index(Graph& g, const std::string& name, Values value) {
    const Type type = value.type;
    index_[name] = std::move(value);
    return g.input(name, type);
  }
  Val index(Graph& g, const std::string& op_case, const std::string& name) {
    return index(g, name, values(op_case, name, DType::i32));
  }

  // Optimizer steps over the case's `grads`, from zero moments.
  void expect_same_steps(const std::string& op_case, const Shape& second_shape,
                         const std::function<void(CaseBuilder&, const ParamGroup&, int step)>& optimizer) {
    const Values start = values(op_case, "start"), grads = values(op_case, "grads");
    const int64_t n = start.type.shape.count();
    CaseBuilder b(DType::f64);
    ParamGroup group;
    group.params = {b.state("p", start.type, start.data)};
    group.grads = {b.given("g", start.type, numbers(n, 0))};
    group.first = {b.state("m", start.type, numbers(n, 0))};
    group.second = {b.state("v", {DType::f64, second_shape}, numbers(second_shape.count(), 0))};
    optimizer(b, group, 1);
    GraphRunner runner(*ref_, b.graph);
    for (int64_t step = 0; step < grads.type.shape[0]; ++step) {
      const auto from = grads.data.begin() + step * n;
      b.values["g"].data.assign(from, from + n);
      if (b.values["hyper"].data.size() == 6) b.values["hyper"].data[5] = static_cast<double>(step + 1);
      for (auto& [name, written] : runner.run(b.values)) b.values[name] = written;
    }
    const Tensors expected{
        {"p", values(op_case, "end")}, {"m", values(op_case, "first")}, {"v", values(op_case, "second")}};
    expect_close(b.values, expected, 1e-12);
  }

  Json cases_ = Json::parse(read_file(Path(PROPANE_SOURCE_DIR) / "tests/fixtures/ops/torch.json"));
  std::shared_ptr<Device> ref_ = make_ref_device();
  Tensors index_;
};

TEST_F(Torch, ActivationsAreTheSame) {
  for (const std::string kind : {"relu2", "gelu_tanh", "gelu", "silu", "sigmoid"})
    expect_same("activation_" + kind, {"x"}, [&](Graph& g, auto& in) { return activation(g, in[0], kind); });
}

TEST_F(Torch, SoftcapIsTheSame) {
  expect_same("softcap", {"x"}, [](Graph& g, auto& in) { return softcap(g, in[0], 3.0); });
}

TEST_F(Torch, SwigluIsTheSame) {
  expect_same("swiglu", {"gate", "up"}, [](Graph& g, auto& in) { return swiglu(g, in[0], in[1]); });
}

TEST_F(Torch, RmsNormIsTheSame) {
  expect_same("rms_norm", {"x", "gain"}, [](Graph& g, auto& in) { return rms_norm(g, in[0], in[1], 1e-5); });
}

TEST_F(Torch, LayerNormIsTheSame) {
  expect_same("layer_norm", {"x", "gain", "bias"},
              [](Graph& g, auto& in) { return layer_norm(g, in[0], in[1], in[2], 1e-5); });
}

TEST_F(Torch, LinearIsTheSame) {
  expect_same("linear", {"x", "w", "bias"}, [](Graph& g, auto& in) { return linear(g, in[0], in[1], in[2]); });
}

TEST_F(Torch, AttentionIsScaledDotProductAttentionUnderTheSameMask) {
  expect_same("attention", {"q", "k", "v"}, [&](Graph& g, auto& in) {
    const Shape& q = g.shape(in[0]);
    const Val q_pos = index(g, "q_pos", Values{{DType::i32, {q[0], q[1]}}, positions(q[0], q[1])});
    return attention(g,
                     {in[0], in[1], in[2], q_pos, index(g, "attention", "kv_len"), index(g, "attention", "doc_start")},
                     static_cast<int64_t>(number("attention", "window")), number("attention", "scale"));
  });
}

TEST_F(Torch, CrossEntropyIsTheSame) {
  expect_same("cross_entropy", {"logits"},
              [&](Graph& g, auto& in) { return cross_entropy(g, in[0], index(g, "cross_entropy", "targets")); });
}

// transformers keeps the frequencies in float32, so angles agree to about 1e-7 of a hundred.
TEST_F(Torch, RopeIsTransformersWithAndWithoutLlama3Scaling) {
  for (const std::string name : {"rope", "rope_llama3"}) {
    RopeOptions options{.theta = number(name, "theta"), .max_position = 1024};
    if (name == "rope_llama3") {
      options.scaling_factor = number(name, "factor");
      options.low_freq_factor = number(name, "low_freq_factor");
      options.high_freq_factor = number(name, "high_freq_factor");
      options.original_max_position = number(name, "original_max_position");
    }
    CaseBuilder b(DType::f64);
    const Values x = values(name, "x"), at = values(name, "positions", DType::i32);
    b.output("y", rope(b.graph, b.given("x", x.type, x.data), b.given("positions", at.type, at.data), options));
    expect_close(b.run(*ref_), {{"y", values(name, "y")}}, 1e-6);
  }
}

TEST_F(Torch, AdamWTakesTheSameSteps) {
  expect_same_steps("adamw", {3, 4}, [&](CaseBuilder& b, const ParamGroup& group, int step) {
    std::vector<double> numbers = hyper("adamw");
    numbers.push_back(step);
    adamw(b.graph, group, b.scalars("grad_scale", {1, 0}), b.scalars("hyper", numbers));
  });
}

TEST_F(Torch, MuonTakesTheStepsOfTheReferenceOnTallWideAndSquareMatrices) {
  struct Matrix {
    const char* name;
    int64_t second;
  };
  for (const auto& [name, second] : {Matrix{"muon_tall", 7}, Matrix{"muon_wide", 6}, Matrix{"muon_square", 5}})
    expect_same_steps(name, {second}, [&, name = name](CaseBuilder& b, const ParamGroup& group, int) {
      muon(b.graph, group, b.scalars("grad_scale", {1, 0}), b.scalars("hyper", hyper(name)));
    });
}

}  // namespace
}  // namespace propane::op_testing
