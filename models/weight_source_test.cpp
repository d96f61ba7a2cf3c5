// Every architecture against transformers: the tiny random models of tests/peers/make_architecture_fixtures.py, as
// Hugging Face folders and as GGUF files.
#include "models/weight_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "backends/cpu/cpu_device.h"
#include "backends/ref/ref_device.h"
#include "base/error.h"
#include "base/file.h"
#include "graph/passes/passes.h"
#include "graph/plan.h"
#include "models/model.h"
#include "quant/dequantize.h"

namespace propane {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const Path kFixtures = Path(PROPANE_SOURCE_DIR) / "tests/fixtures/architectures";

struct Expected {
  std::vector<int32_t> tokens;
  std::vector<float> logits;  // [tokens, vocab]
};

Expected expected_of(const std::string& name) {
  const SafetensorsFile file(kFixtures / name / "expected.safetensors");
  Expected e;
  const auto copy = [&](const char* tensor, auto& to) {
    const auto data = file.at(tensor).data;
    to.resize(data.size() / sizeof(to[0]));
    std::memcpy(to.data(), data.data(), data.size());
  };
  copy("tokens", e.tokens);
  copy("logits", e.logits);
  return e;
}

void load(const WeightSource& source, State& state, Device& device) {
  for (const SourceTensor& t : source.list()) {
    std::vector<float> values(static_cast<size_t>(t.shape.count()));
    source.read(t.name, values.data());
    state.get(t.name, {DType::f32, t.shape}, device);
    state.set(t.name, values.data());
  }
}

// The logits of all tokens, `step` of them a run; in one run without caches, else over KV caches.
std::vector<float> run(const WeightSource& source, Device& device, const std::vector<int32_t>& tokens, int64_t step) {
  const ModelConfig& config = source.config();
  const auto count = static_cast<int64_t>(tokens.size());
  State state;
  load(source, state, device);
  Graph g;
  const Trunk trunk = build_trunk(g, config, {1, step, step < count ? count : 0, false});
  g.output("logits", build_logits(g, config, trunk.x, trunk.head));
  fuse(g, [&](const Graph& graph, const Node& node) { return device.takes(graph, node); });
  Plan plan(std::move(g), state, PlanOptions{{&device}, true});
  std::vector<float> all;
  for (int64_t at = 0; at < count; at += step) {
    std::vector<int32_t> positions;
    for (int64_t i = 0; i < step; ++i) positions.push_back(static_cast<int32_t>(at + i));
    const std::vector<int32_t> kv_len{static_cast<int32_t>(at + step)};
    plan.set("tokens", std::span(tokens).subspan(static_cast<size_t>(at), static_cast<size_t>(step)));
    plan.set("positions", std::span<const int32_t>(positions));
    plan.set("kv_len", std::span<const int32_t>(kv_len));
    plan.run();
    std::vector<float> logits(static_cast<size_t>(step * config.vocab));
    plan.read("logits", std::span<float>(logits));
    all.insert(all.end(), logits.begin(), logits.end());
  }
  return all;
}

void expect_close(const std::vector<float>& found, const std::vector<float>& expected, const std::string& what) {
  ASSERT_EQ(found.size(), expected.size()) << what;
  double difference = 0, size = 0, largest = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    const double d = static_cast<double>(found[i]) - expected[i];
    difference += d * d;
    size += static_cast<double>(expected[i]) * expected[i];
    largest = std::max(largest, std::fabs(d));
  }
  EXPECT_LT(std::sqrt(difference / size), 1e-5) << what;
  EXPECT_LT(largest, 1e-4) << what;
}

void expect_transformers_logits(const WeightSource& source, const Expected& expected) {
  const auto count = static_cast<int64_t>(expected.tokens.size());
  for (const auto& device : {make_ref_device(), make_cpu_device()})
    for (const int64_t step : {count, int64_t{1}, int64_t{8}})
      expect_close(run(source, *device, expected.tokens, step), expected.logits,
                   device->info().name + ", " + std::to_string(step) + " tokens a run");
}

class Architectures : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(All, Architectures,
                         testing::Values("llama", "llama3", "llama_yarn", "llama_linear", "smollm3", "qwen2", "qwen3",
                                         "mistral", "phi3", "phi3_longrope", "gemma2", "gemma3", "gpt2", "qwen3_moe",
                                         "gpt_oss"),
                         [](const auto& tested) { return tested.param; });

TEST_P(Architectures, HasTransformersLogitsFromItsFolder) {
  expect_transformers_logits(WeightSource(kFixtures / GetParam()), expected_of(GetParam()));
}

class GgufArchitectures : public Architectures {};
INSTANTIATE_TEST_SUITE_P(All, GgufArchitectures,
                         testing::Values("llama", "llama3", "smollm3", "qwen2", "qwen3", "phi3", "phi3_longrope",
                                         "gemma2", "gemma3", "gpt2", "qwen3_moe", "gpt_oss"),
                         [](const auto& tested) { return tested.param; });

TEST_P(GgufArchitectures, HaveTransformersLogits) {
  const std::string& name = GetParam();
  expect_transformers_logits(WeightSource(kFixtures / name / (name + ".gguf")), expected_of(name));
}

TEST_P(Architectures, HandsOutRawBytesOfTheSameNumbers) {
  const WeightSource source(kFixtures / GetParam());
  int found = 0;
  for (const SourceTensor& t : source.list()) {
    const auto raw = source.raw(t.name);
    if (!raw) continue;
    std::vector<float> numbers(static_cast<size_t>(t.shape.count())), direct(numbers.size());
    source.read(t.name, numbers.data());
    quant::dequantize(raw->type, raw->data, direct);
    EXPECT_EQ(numbers, direct) << t.name;
    ++found;
  }
  EXPECT_GT(found, 0);
}

// A copy of a fixture's folder to break.
class BrokenModel : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = Path(testing::TempDir()) / ("propane_broken_" + std::to_string(getpid()));
    use("qwen2");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void use(const std::string& fixture) {
    std::filesystem::remove_all(folder_);
    std::filesystem::copy(kFixtures / fixture, folder_);
  }
  void set(const std::string& key, const nlohmann::json& value) {
    auto config = nlohmann::json::parse(read_file(folder_ / "config.json"));
    config[key] = value;
    write_file_atomically(folder_ / "config.json", config.dump());
  }
  // Rewrites the weights: `change` may rename a tensor, alter its shape or drop it (an empty name).
  void rewrite(const std::function<void(std::string& name, Shape& shape)>& change) {
    std::string content = read_file(folder_ / "model.safetensors");
    {
      const SafetensorsFile file(std::as_bytes(std::span(content)), "weights");
      std::vector<TensorToWrite> tensors;
      for (const SafetensorsTensor& t : file.tensors()) {
        TensorToWrite w{t.name, *t.dtype, t.shape, t.data.data()};
        change(w.name, w.shape);
        if (!w.name.empty()) tensors.push_back(w);
      }
      write_safetensors(folder_ / "model.safetensors", tensors);
    }
  }
  std::string message() const {
    try {
      const WeightSource source(folder_);
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  }

  Path folder_;
};

TEST_F(BrokenModel, NamesAnArchitectureThatIsNotKnown) {
  set("model_type", "mamba");
  EXPECT_THAT(message(), AllOf(HasSubstr("config.json: model_type \"mamba\" is not known here"), HasSubstr("qwen2")));
}

TEST_F(BrokenModel, NamesASettingThatIsNotKnown) {
  set("rope_parameters", {{"rope_type", "dynamic"}, {"rope_theta", 10000.0}});
  EXPECT_THAT(message(), HasSubstr("config.json: \"rope_parameters.rope_type\""));
  EXPECT_THAT(message(), HasSubstr("\"dynamic\" are not known here"));
  use("qwen2");
  set("hidden_act", "relu");
  EXPECT_THAT(message(), HasSubstr("config.json: \"hidden_act\": models with relu are not known here"));
}

TEST_F(BrokenModel, NamesAKeyThatIsMissingOrOfAnotherKind) {
  set("hidden_size", nullptr);
  EXPECT_THAT(message(), HasSubstr("\"hidden_size\": expected a whole number, found nothing"));
  set("hidden_size", "wide");
  EXPECT_THAT(message(), HasSubstr("\"hidden_size\": expected a whole number, found \"wide\""));
}

TEST_F(BrokenModel, NamesDimensionsThatCannotBe) {
  set("num_key_value_heads", 3);
  EXPECT_THAT(message(), HasSubstr("n_head must be a multiple of n_kv_head, found 4 and 3"));
}

TEST_F(BrokenModel, TakesNoSizeOnItsWord) {
  for (const char* key : {"num_hidden_layers", "hidden_size", "intermediate_size", "vocab_size", "num_attention_heads"})
    for (const int64_t size : {int64_t{0}, int64_t{-7}, int64_t{1} << 40, INT64_MAX}) {
      use("qwen2");
      set(key, size);
      EXPECT_THAT(message(), testing::MatchesRegex(".*: expected 1 to [0-9]+ .*, found -?[0-9]+")) << key << size;
    }
}

TEST_F(BrokenModel, TakesNoPartOfAHeadOnItsWord) {
  for (const double part : {0.0, -1.0, 1.5, 1e300, 0.4}) {
    use("qwen2");
    set("rope_parameters", {{"rope_type", "linear"}, {"factor", 2.0}, {"partial_rotary_factor", part}});
    EXPECT_THAT(message(), HasSubstr("\"rope_parameters.partial_rotary_factor\"")) << part;
  }
  use("phi3_longrope");
  auto rope = nlohmann::json::parse(read_file(folder_ / "config.json"))["rope_parameters"];
  rope["original_max_position_embeddings"] = 1e300;
  set("rope_parameters", rope);
  EXPECT_THAT(message(), HasSubstr("original_max_position_embeddings\": models with a context of 1e+300 tokens"));
}

TEST_F(BrokenModel, NamesAMissingTensor) {
  rewrite([](std::string& name, Shape&) {
    if (name == "model.layers.1.mlp.up_proj.weight") name.clear();
  });
  EXPECT_THAT(message(), HasSubstr("expected a tensor 'model.layers.1.mlp.up_proj.weight' [48, 32]"));
}

TEST_F(BrokenModel, NamesATensorOfAnotherShape) {
  rewrite([](std::string& name, Shape& shape) {
    if (name == "model.layers.0.self_attn.k_proj.weight") shape = {32, 16};
  });
  EXPECT_THAT(message(), HasSubstr("'model.layers.0.self_attn.k_proj.weight' should be [16, 32], found [32, 16]"));
}

TEST_F(BrokenModel, NamesATensorThatTheArchitectureLacks) {
  use("llama_linear");
  rewrite([](std::string& name, Shape&) {
    if (name == "lm_head.weight") name = "score.weight";
  });
  set("tie_word_embeddings", true);
  EXPECT_THAT(message(), HasSubstr("the architecture has no tensor 'score.weight' [64, 32]"));
}

TEST_F(BrokenModel, RefusesAnIndexThatLeadsOutOfItsFolder) {
  use("llama");
  write_file_atomically(folder_ / "model.safetensors.index.json", R"({"weight_map": {"x": "../model.safetensors"}})");
  EXPECT_THAT(message(), HasSubstr("expected the name of a file in the same folder"));
  write_file_atomically(folder_ / "model.safetensors.index.json", R"({"weight_map": 3})");
  EXPECT_THAT(message(), HasSubstr("expected a JSON object with the object \"weight_map\""));
}

TEST(WeightSource, SaysHowFarLongRopeReaches) {
  const WeightSource source(kFixtures / "phi3_longrope");
  Graph g;
  EXPECT_THROW(build_trunk(g, source.config(), {1, 1, 64, false}), Error);
}

TEST(WeightSource, NamesAParameterThatTheModelLacks) {
  const WeightSource source(kFixtures / "gpt2");
  float value = 0;
  EXPECT_THROW(source.read("layers.9.attn.q", &value), Error);
  EXPECT_FALSE(source.raw("layers.0.attn.qkv"));  // transposed
}

}  // namespace
}  // namespace propane
