#include "train/prepare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/token_shard.h"
#include "tokenizer/tokenizer.h"
#include "train/eval_tokens.h"
#include "train/test_folder.h"
#include "train/token_corpus.h"

namespace propane::train {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

const Path kSource = PROPANE_SOURCE_DIR;

std::string error_of(const PrepareOptions& options) {
  try {
    prepare_dataset(options);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// `count` lines of JSON, each a document of its own number.
std::string jsonl(int count, const std::string& word) {
  std::string lines;
  for (int i = 0; i < count; ++i) {
    lines += R"({"text": "Document )" + std::to_string(i) + " about " + word + ", and more of it." + "\"}\n";
  }
  return lines;
}

PrepareOptions options_of(const Path& source, const Path& out) {
  PrepareOptions options;
  options.sources = {source.string()};
  options.out = out;
  options.vocab_size = 300;
  return options;
}

TokenCorpus open(const Path& folder, const std::string& split, int shards = 1) {
  std::vector<TokenShard> opened;
  for (int i = 0; i < shards; ++i) {
    opened.emplace_back(folder / (split + "-0000" + std::to_string(i) + ".bin"));
    opened.back().verify();
  }
  return TokenCorpus(std::move(opened));
}

// The texts of a split, decoded; checks that each document starts with BOS.
std::vector<std::string> texts_of(const Path& folder, const std::string& split, int shards = 1) {
  const Tokenizer tokenizer = Tokenizer::load(folder / "tokenizer.json");
  const TokenCorpus corpus = open(folder, split, shards);
  std::vector<std::string> texts;
  for (uint64_t i = 0; i < corpus.document_count(); ++i) {
    const TokenSpan span = corpus.document(i);
    std::vector<int32_t> tokens(span.size());
    span.copy(0, span.size(), tokens.data());
    EXPECT_EQ(tokens[0], *tokenizer.bos_id());
    texts.push_back(tokenizer.decode(std::span(tokens).subspan(1)));
  }
  return texts;
}

nlohmann::json dataset_of(const Path& folder) { return nlohmann::json::parse(read_file(folder / "dataset.json")); }

TEST(Prepare, HoldsTheListedChaptersOfTheBundledCorpusOut) {
  const TestFolder folder;
  PrepareOptions options = options_of(kSource / "data/austen", folder / "out");
  options.vocab_size = 1024;
  const PreparedDataset data = prepare_dataset(options);
  EXPECT_EQ(data.held_out_rule, "list");
  EXPECT_EQ(data.train.documents + data.val.documents, 270u);
  EXPECT_EQ(data.val.documents, 16u);
  EXPECT_GE(data.val.text_bytes, 200'000u);
  EXPECT_EQ(data.train.text_bytes + data.val.text_bytes, 4'023'205u);
  EXPECT_EQ(data.vocab_size, 1024);

  // The ninth chapter of Emma, the first that the list names, is among the held-out and not among the others.
  const std::string opening = "CHAPTER IX\n\nMr. Knightley might quarrel with her";
  const auto has = [&](const std::vector<std::string>& texts) {
    return std::any_of(texts.begin(), texts.end(), [&](const auto& text) { return text.starts_with(opening); });
  };
  EXPECT_TRUE(has(texts_of(folder / "out", "val")));
  EXPECT_FALSE(has(texts_of(folder / "out", "train")));

  // An evaluation scores each of the held-out bytes once.
  const TokenCorpus val = open(folder / "out", "val");
  const Tokenizer tokenizer = Tokenizer::load(folder / "out" / "tokenizer.json");
  const EvalTokens list(val, token_bytes(tokenizer, ByteCount::actual), {.seq = 256});
  EXPECT_EQ(static_cast<uint64_t>(list.bytes()), data.val.text_bytes);
}

TEST(Prepare, KeepsEveryDocumentWholeAndInOrder) {
  const TestFolder folder;
  write_file_atomically(folder / "a.jsonl", jsonl(250, "ships"));
  write_file_atomically(folder / "b.txt", "one\ftwo\fthree");
  PrepareOptions options = options_of(folder / "a.jsonl", folder / "out");
  options.sources.push_back((folder / "b.txt").string());
  options.held_out.held_out = {"0"};
  options.shard_tokens = 3000;
  const PreparedDataset data = prepare_dataset(options);
  EXPECT_EQ(data.held_out_rule, "none");
  EXPECT_EQ(data.val.documents, 0u);
  EXPECT_GT(data.train.shards, 1u);
  const auto texts = texts_of(folder / "out", "train", static_cast<int>(data.train.shards));
  ASSERT_EQ(texts.size(), 253u);
  EXPECT_EQ(texts[17], "Document 17 about ships, and more of it.");
  EXPECT_EQ(texts[252], "three");
  EXPECT_FALSE(fs::exists(folder / "out" / "val-00000.bin"));
}

TEST(Prepare, AShareOfManyDocumentsIsChosenByTheirText) {
  const TestFolder folder;
  write_file_atomically(folder / "a.jsonl", jsonl(1000, "ships"));
  PrepareOptions options = options_of(folder / "a.jsonl", folder / "out");
  options.held_out.held_out = {"0.1"};
  const PreparedDataset data = prepare_dataset(options);
  EXPECT_EQ(data.held_out_rule, "hash");
  EXPECT_EQ(data.train.documents + data.val.documents, 1000u);
  EXPECT_NEAR(static_cast<double>(data.val.documents), 100, 40);
  // The same documents are held out whatever else is there.
  const auto held = texts_of(folder / "out", "val");
  write_file_atomically(folder / "0.jsonl", jsonl(300, "harbours"));
  options.sources = {(folder / "0.jsonl").string(), (folder / "a.jsonl").string()};
  prepare_dataset(options);
  const auto more = texts_of(folder / "out", "val");
  for (const std::string& text : held) EXPECT_THAT(more, ::testing::Contains(text));
}

TEST(Prepare, AShareOfFewDocumentsIsTheirEnds) {
  const TestFolder folder;
  std::string text;
  for (int i = 0; i < 200; ++i) text += "Paragraph " + std::to_string(i) + " of one long text.\n\n";
  write_file_atomically(folder / "one.txt", text);
  const PreparedDataset data = prepare_dataset(options_of(folder / "one.txt", folder / "out"));
  EXPECT_EQ(data.held_out_rule, "tail");
  EXPECT_EQ(data.train.text_bytes + data.val.text_bytes, text.size());
  EXPECT_NEAR(static_cast<double>(data.val.text_bytes) / static_cast<double>(text.size()), 0.05, 0.01);
  const auto held = texts_of(folder / "out", "val");
  ASSERT_EQ(held.size(), 1u);
  EXPECT_TRUE(held[0].starts_with("Paragraph 19"));
  EXPECT_TRUE(text.ends_with(held[0]));
}

TEST(Prepare, FilesAreHeldOutAsAWhole) {
  const TestFolder folder;
  write_file_atomically(folder / "a.jsonl", jsonl(20, "ships"));
  write_file_atomically(folder / "b.jsonl", jsonl(30, "harbours"));
  PrepareOptions options = options_of(folder.path(), folder / "out");
  options.held_out.held_out = {(folder / "b.jsonl").string()};
  const PreparedDataset data = prepare_dataset(options);
  EXPECT_EQ(data.held_out_rule, "files");
  EXPECT_EQ(data.train.documents, 20u);
  EXPECT_EQ(data.val.documents, 30u);
  EXPECT_EQ(dataset_of(folder / "out")["sources"][1]["held_out"], true);
}

#ifdef PROPANE_HAS_PARQUET
TEST(Prepare, HoldsAutoresearchsPinnedShardOut) {
  const TestFolder folder;
  const Path fixtures = kSource / "tests/fixtures/formats";
  fs::copy_file(fixtures / "many.parquet", folder / "shard_00000.parquet");
  fs::copy_file(fixtures / "required.parquet", folder / "shard_06542.parquet");
  const PreparedDataset data = prepare_dataset(options_of(folder.path(), folder / "out"));
  EXPECT_EQ(data.held_out_rule, "files");
  EXPECT_EQ(data.train.documents, 1000u);
  EXPECT_EQ(data.val.documents, 4u);
}
#endif

// The tokenizer must not have seen the held-out text: it is the same whatever that text says.
TEST(Prepare, TrainsTheTokenizerOnTheTrainingPartOnly) {
  const TestFolder folder;
  std::vector<std::string> tokenizers;
  for (const std::string held : {"zebra zebra zebra", "quartz quartz quartz"}) {
    write_file_atomically(folder / "train.jsonl", jsonl(50, "ships"));
    write_file_atomically(folder / "held.txt", held);
    PrepareOptions options = options_of(folder / "train.jsonl", folder / "out");
    options.held_out.held_out = {(folder / "held.txt").string()};
    prepare_dataset(options);
    tokenizers.push_back(read_file(folder / "out" / "tokenizer.json"));
  }
  EXPECT_EQ(tokenizers[0], tokenizers[1]);
}

TEST(Prepare, UsesTheGivenTokenizer) {
  const TestFolder folder;
  write_file_atomically(folder / "a.jsonl", jsonl(120, "ships"));
  prepare_dataset(options_of(folder / "a.jsonl", folder / "first"));
  PrepareOptions options = options_of(folder / "a.jsonl", folder / "second");
  options.tokenizer = (folder / "first" / "tokenizer.json").string();
  options.vocab_size = 999;  // of no tokenizer that is trained here
  EXPECT_EQ(prepare_dataset(options).vocab_size, 300);
  EXPECT_EQ(read_file(folder / "first" / "train-00000.bin"), read_file(folder / "second" / "train-00000.bin"));
}

TEST(Prepare, LimitsWhatTheTokenizerSees) {
  const TestFolder folder;
  write_file_atomically(folder / "a.txt", "aaaaaaaa€\fbbbbbbbb€\fcccccccc€");
  PrepareOptions options = options_of(folder / "a.txt", folder / "out");
  options.held_out.held_out = {"0"};
  options.tokenizer_document_chars = 8;
  options.tokenizer_chars = 16;
  prepare_dataset(options);
  const Tokenizer tokenizer = Tokenizer::load(folder / "out" / "tokenizer.json");
  bool a = false, c = false, euro = false;
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    a |= tokenizer.token(id).starts_with("aa");
    c |= tokenizer.token(id).starts_with("cc");
    euro |= tokenizer.token(id).starts_with("\xE2\x82");
  }
  EXPECT_TRUE(a);
  EXPECT_FALSE(c);
  EXPECT_FALSE(euro);
}

TEST(Prepare, ReplacesADataSetButNothingElse) {
  const TestFolder folder;
  write_file_atomically(folder / "a.jsonl", jsonl(120, "ships"));
  const PrepareOptions options = options_of(folder / "a.jsonl", folder / "out");
  prepare_dataset(options);
  write_file_atomically(folder / "out" / "train-00007.bin", "of an earlier, larger data set");
  prepare_dataset(options);
  EXPECT_FALSE(fs::exists(folder / "out" / "train-00007.bin"));

  fs::create_directory(folder / "mine");
  write_file_atomically(folder / "mine" / "novel.md", "my novel");
  EXPECT_THROW(prepare_dataset(options_of(folder / "a.jsonl", folder / "mine")), UsageError);
  EXPECT_EQ(read_file(folder / "mine" / "novel.md"), "my novel");
  EXPECT_THROW(prepare_dataset(options_of(folder / "a.jsonl", folder / "a.jsonl")), UsageError);
}

TEST(Prepare, AFailureLeavesWhatWasThere) {
  const TestFolder folder;
  write_file_atomically(folder / "a.jsonl", jsonl(120, "ships"));
  prepare_dataset(options_of(folder / "a.jsonl", folder / "out"));
  const std::string before = read_file(folder / "out" / "dataset.json");
  write_file_atomically(folder / "a.jsonl", jsonl(120, "ships") + "{\"text\": 1}\n");
  EXPECT_THAT(error_of(options_of(folder / "a.jsonl", folder / "out")), HasSubstr("line 121"));
  EXPECT_EQ(read_file(folder / "out" / "dataset.json"), before);
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder.path())) names.push_back(entry.path().filename().string());
  EXPECT_THAT(names, ::testing::UnorderedElementsAre("a.jsonl", "out"));
}

TEST(Prepare, SaysWhatIsWrongWithTheHeldOutPart) {
  const TestFolder folder;
  write_file_atomically(folder / "a.jsonl", jsonl(120, "ships"));
  PrepareOptions options = options_of(folder / "a.jsonl", folder / "out");
  for (const char* share : {"1", "-0.5", "nan", "7"}) {
    options.held_out.held_out = {share};
    EXPECT_THAT(error_of(options), HasSubstr("expected a share from 0 to below 1")) << share;
  }
  options.held_out.held_out = {(folder / "a.jsonl").string()};
  EXPECT_THAT(error_of(options), HasSubstr("every source is held out"));
  options.held_out.held_out = {};
  options.held_out.list = (folder / "list").string();
  write_file_atomically(folder / "list", "# comment\n a.jsonl#3 \r\n\na.jsonl#1000\n");
  EXPECT_THAT(error_of(options), HasSubstr("found a.jsonl#1000, which did not come"));
  write_file_atomically(folder / "list", "# nothing\n");
  EXPECT_THAT(error_of(options), HasSubstr("found none"));
  options.held_out.held_out = {"0.5"};
  EXPECT_THAT(error_of(options), HasSubstr("expected one of them, found both"));
}

}  // namespace
}  // namespace propane::train
