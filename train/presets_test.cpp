#include <gtest/gtest.h>

#include <map>

#include "base/error.h"
#include "models/model.h"
#include "train/config.h"

namespace propane::train {
namespace {

ModelConfig preset(const std::string& name) { return read_run_config(preset_toml(name), name).model; }

TEST(Presets, EveryOneIsReadAndItsResolvedTextReadsBackTheSame) {
  for (const PresetInfo& info : presets()) {
    const RunConfig c = read_run_config(preset_toml(info.name), info.name);
    const std::string text = run_config_toml(c);
    EXPECT_EQ(run_config_toml(read_run_config(text, info.name)), text) << info.name;
  }
}

TEST(Presets, HaveTheParametersThatTheirProjectsPrint) {
  EXPECT_EQ(count_parameters(preset("autoresearch")), 50332176);
  EXPECT_EQ(count_parameters(preset("autoresearch-mlx")), 11534472);
  EXPECT_EQ(count_parameters(preset("gpt2-124M")), 124439808);
  EXPECT_EQ(count_parameters(preset("smollm2-135m")), 134515008);
  // Rustane counts L(4d² + 3dh) + Vd + d(2L + 1).
  for (const char* name : {"gpt_karpathy", "gpt_1024", "mha_28l", "600m", "800m", "1b", "3b", "5b", "7b"}) {
    const ModelConfig c = preset(name);
    EXPECT_EQ(count_parameters(c),
              c.n_layer * (4 * c.dim * c.dim + 3 * c.dim * c.hidden) + c.vocab * c.dim + c.dim * (2 * c.n_layer + 1))
        << name;
  }
  EXPECT_NEAR(static_cast<double>(count_parameters(preset("gpt_karpathy"))), 48.8e6, 0.05e6);
}

TEST(Presets, AutoresearchCostsWhatItReports) {
  EXPECT_NEAR(flops_per_token(preset("autoresearch")), 239.1e6, 0.05e6);
  EXPECT_EQ(preset("autoresearch").window(0), 1025);
  EXPECT_EQ(preset("autoresearch").window(3), 0);
  EXPECT_EQ(preset("autoresearch").window(7), 0);
}

TEST(Initialize, EveryTensorHasItsOwnRandomStream) {
  for (const char* name : {"demo", "stories110m", "gpt2-124M"}) {
    std::map<std::vector<double>, std::string> seen;
    for (const Param& p : parameters(preset(name))) {
      if (p.init.kind != Init::Kind::normal && p.init.kind != Init::Kind::uniform) continue;
      Param part = p;
      part.shape = Shape{std::min<int64_t>(p.shape.count(), 64)};
      std::vector<double> values(static_cast<size_t>(part.shape.count()));
      initialize(part, 42, values);
      for (double& v : values) v /= p.init.scale;  // equal streams differ at most by their scale
      for (double& v : values) v = std::round(v * 1e9) / 1e9;
      const auto [found, fresh] = seen.emplace(values, p.name);
      EXPECT_TRUE(fresh) << p.name << " equals " << found->second;
    }
  }
}

TEST(Initialize, FollowsTheStatedDistributions) {
  Param p{"x", DType::f32, {200000}, ParamKind::matrix, {Init::Kind::normal, 0.5}};
  std::vector<double> v(200000);
  const auto moments = [&] {
    double mean = 0, square = 0;
    for (double x : v) mean += x / 2e5, square += x * x / 2e5;
    return std::pair{mean, std::sqrt(square)};
  };
  initialize(p, 1, v);
  EXPECT_NEAR(moments().first, 0, 0.005);
  EXPECT_NEAR(moments().second, 0.5, 0.005);
  p.init = {Init::Kind::uniform, 0.3};
  initialize(p, 1, v);
  EXPECT_NEAR(moments().second, 0.3 / std::sqrt(3.0), 0.002);
  for (double x : v) EXPECT_LE(std::abs(x), 0.3);
}

TEST(Initialize, GivesTheSameValuesInPieces) {
  const Param p{"x", DType::f32, {10, 7}, ParamKind::matrix, {Init::Kind::normal, 0.5}};
  std::vector<double> whole(70), pieces(70);
  initialize(p, 3, whole);
  for (size_t first : {size_t{0}, size_t{33}})
    initialize(p, 3, std::span(pieces).subspan(first, first ? 37 : 33), static_cast<int64_t>(first));
  EXPECT_EQ(pieces, whole);
}

std::string refused(const std::string& toml) {
  try {
    read_run_config(toml, "run.toml");
  } catch (const UsageError& error) {
    return error.what();
  }
  return "it was accepted";
}

TEST(Config, SaysFileLineKeyAndWhatWasFound) {
  EXPECT_EQ(refused("[model]\nfamily = \"gptt\"\n"),
            "run.toml:2: [model] family must be one of gpt, llama, gpt2, found \"gptt\"");
  EXPECT_EQ(refused("[train]\nrows = 0\n"), "run.toml:2: [train] rows must be at least 1, found 0");
  EXPECT_EQ(refused("[train]\nrows = \"a\"\n"), "run.toml:2: [train] rows must be an integer, found the string \"a\"");
  EXPECT_EQ(refused("[trian]\n"), "run.toml:1: trian is not a known key; did you mean 'train'?");
  EXPECT_EQ(refused("[optimizer]\nmatrix_rl = 1\n"),
            "run.toml:2: [optimizer] matrix_rl is not a known key; did you mean 'matrix_lr'?");
  EXPECT_EQ(refused("[model]\nfamily = \"llama\"\nn_head = 7\n"),
            "run.toml:3: [model] n_head: dim must be a multiple of it, found dim 768 and n_head 7");
}

}  // namespace
}  // namespace propane::train
