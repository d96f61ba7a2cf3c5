// The names and orders of an export against what transformers wrote itself.
#include "models/hugging_face.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "models/weight_source.h"
#include "quant/dequantize.h"

namespace propane {
namespace {

const Path kFixtures = Path(PROPANE_SOURCE_DIR) / "tests/fixtures/architectures";

class Export : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Families, Export, testing::Values("llama_linear", "qwen2", "qwen3", "gpt2"),
                         [](const auto& tested) { return std::string(tested.param); });

TEST_P(Export, HasTransformersNamesShapesAndNumbers) {
  const TensorFiles files(kFixtures / GetParam());
  const WeightSource source(kFixtures / GetParam());
  ModelConfig config = source.config();
  config.rope_factors.clear();  // which an export lacks, and no tensor depends on
  size_t found = 0;
  for (const HuggingFaceTensor& t : hugging_face_tensors(config)) {
    const StoredTensor* theirs = files.find(t.theirs);
    ASSERT_TRUE(theirs) << t.theirs;
    EXPECT_EQ(theirs->shape.str(), t.shape.str()) << t.theirs;
    std::vector<float> ours(static_cast<size_t>(t.shape.count())), exported(ours.size()), expected(ours.size());
    source.read(t.ours, ours.data());
    to_hugging_face(t, config, ours.data(), exported.data());
    quant::dequantize(*theirs->block_type, theirs->data, expected);
    EXPECT_EQ(exported, expected) << t.theirs;
    ++found;
  }
  EXPECT_EQ(found, files.tensors().size());
}

TEST(ExportTest, OfWhatTransformersLlamaLacksIsRefused) {
  EXPECT_THROW(hugging_face_tensors(WeightSource(kFixtures / "gemma2").config()), Error);
  EXPECT_THROW(hugging_face_tensors(WeightSource(kFixtures / "qwen3_moe").config()), Error);
}

}  // namespace
}  // namespace propane
