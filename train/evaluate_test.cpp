// val_bpb against tests/fixtures/models/val_bpb.json, which tests/peers/make_model_fixtures.py made in Python: its own
// bytes.decode for the bytes of a token, autoresearch's evaluate_bpb for the sums.
#include "train/evaluate.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "formats/token_shard.h"
#include "tokenizer/tokenizer.h"
#include "train/test_folder.h"

namespace propane::train {
namespace {

using nlohmann::json;

json fixture() { return json::parse(read_file(Path(PROPANE_SOURCE_DIR) / "tests/fixtures/models/val_bpb.json")); }

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

TEST(Evaluate, ValBpbIsAutoresearchsForBothWaysOfCountingBytes) {
  const json f = fixture();
  TokenizerSpec spec;
  for (const json& hex : f["tokens_hex"]) spec.tokens.push_back(from_hex(hex));
  for (const json& text : f["special_tokens"])
    spec.added.push_back({.id = static_cast<int32_t>(spec.tokens.size() + spec.added.size()), .text = text});
  const Tokenizer tokenizer(std::move(spec));
  const std::pair<const char*, ByteCount> counts[] = {{"true", ByteCount::actual},
                                                      {"autoresearch", ByteCount::autoresearch}};
  for (const auto& [name, count] : counts) {
    const std::vector<int32_t> bytes = token_bytes(tokenizer, count);
    EXPECT_EQ(bytes, f["byte_lengths"][name].get<std::vector<int32_t>>()) << name;
    BitsPerByte sums;
    for (size_t i = 0; i < f["targets"].size(); ++i) {
      const auto target = f["targets"][i].get<int32_t>();
      if (target >= 0) sums.add(f["nats"][i], bytes[static_cast<size_t>(target)]);
    }
    const auto bpb = f["bpb"][name].get<double>();
    EXPECT_NEAR(sums.result().val_bpb, bpb, 1e-14 * bpb) << name;
  }
}

// One document of n tokens: which window scores which target.
TEST(Evaluate, WindowsAreTheReferences) {
  const json windows = fixture()["windows"];
  ASSERT_FALSE(windows.empty());
  for (const auto& [name, expected] : windows.items()) {
    const size_t comma = name.find(',');
    const int n = std::stoi(name), seq = std::stoi(name.substr(comma + 1));
    const TestFolder folder;
    {
      TokenShardWriter writer(folder / "shard.bin", {.vocab_size = 1000});
      std::vector<int32_t> tokens;
      for (int i = 0; i < n; ++i) tokens.push_back(i);
      writer.add_document(tokens, 0);
      writer.close();
    }
    std::vector<TokenShard> shards;
    shards.emplace_back(folder / "shard.bin");
    const TokenCorpus corpus(std::move(shards));
    const EvalTokens list(corpus, std::vector<int32_t>(1000, 1), {.seq = seq});
    ASSERT_EQ(list.rows(), static_cast<int64_t>(expected.size())) << name;
    for (size_t row = 0; row < expected.size(); ++row) {
      EvalBatch batch;
      list.fill(static_cast<int64_t>(row), 1, &batch);
      const int start = expected[row][0], first = expected[row][1];
      for (int i = 0; i < seq; ++i) {
        const auto column = static_cast<size_t>(i);
        const int target = start + i + 1;
        if (start + i < n) {
          EXPECT_EQ(batch.tokens[column], start + i) << name << " row " << row;
        }
        EXPECT_EQ(batch.targets[column], i >= first && target < n ? target : -1) << name << " row " << row;
      }
    }
  }
}

}  // namespace
}  // namespace propane::train
