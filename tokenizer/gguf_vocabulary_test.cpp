// Vocabularies of GGUF files against llama.cpp's ids, which tests/peers/make_vocabulary_fixtures.py asked for.
#include "tokenizer/gguf_vocabulary.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/error.h"
#include "tokenizer/fixtures.h"
#include "tokenizer/pre_tokenizers.h"

namespace propane {
namespace {

using nlohmann::json;
using Ids = std::vector<int32_t>;

void expect_ids(const Tokenizer& tokenizer, const json& texts, const json& expected, const AllowedSpecials& allowed,
                const std::string& name) {
  for (size_t i = 0; i < expected.size(); ++i) {
    if (expected[i].is_null()) continue;  // the script says why
    ASSERT_EQ(tokenizer.encode(texts[i].get<std::string>(), allowed), expected[i].get<Ids>())
        << name << ", text " << i << ": " << texts[i];
  }
}

void expect_as_llama_cpp(const Tokenizer& tokenizer, const json& plain, const json& added, const json& expected,
                         const std::string& name) {
  expect_ids(tokenizer, plain, expected["ids"], AllowedSpecials::none(), name);
  expect_ids(tokenizer, added, expected["added"], AllowedSpecials::all(), name + ", specials parsed");
  expect_ids(tokenizer, added, expected["added_not_special"], AllowedSpecials::none(), name + ", specials as text");
  EXPECT_EQ(tokenizer.encode_with_ends("a b"), expected["ends"].get<Ids>()) << name;
}

TEST(GgufVocabulary, PiecesEncodeAsInLlamaCpp) {
  const json texts = testing::vocabulary_json("texts.json"),
             expected = testing::vocabulary_json("llama_cpp_pieces.json");
  for (const std::string name : {"bpe", "unigram"})
    expect_as_llama_cpp(Tokenizer::load(testing::vocabulary(name + ".gguf")), texts["texts"], texts["added"],
                        expected[name], name);
}

TEST(GgufVocabulary, EveryPreTokenizerCutsAsInLlamaCpp) {
  const json fixture = testing::vocabulary_json("llama_cpp_pre.json");
  const TokenizerSpec base = read_gguf_vocabulary(GgufFile(testing::vocabulary("pre.gguf")));
  for (const std::string_view name : pre_tokenizer_names()) {
    const json* expected = &fixture["names"].at(std::string(name));
    if (expected->is_string()) expected = &fixture["names"].at(expected->get<std::string>());
    if (expected->is_null()) continue;
    TokenizerSpec spec = base;
    PreTokenizer pre = pre_tokenizer(name, "a file");
    spec.split = std::move(pre.stages);
    spec.whole_chunk_first = pre.whole_chunk_first;
    expect_as_llama_cpp(Tokenizer(std::move(spec)), fixture["texts"], fixture["added_texts"], *expected,
                        std::string(name));
  }
}

// What write_gguf_vocabulary() writes, as a file's content.
Path written(const TokenizerSpec& spec, int vocab_size, const std::string& name) {
  GgufMetadata metadata;
  metadata.set("general.architecture", "llama");
  write_gguf_vocabulary(spec, vocab_size, metadata);
  const Path path = testing::temporary_file(name + ".gguf", "");
  write_gguf(path, metadata, {});
  return path;
}

// llama.cpp reads such files too: tests/peers/test_vocabularies.py.
TEST(GgufVocabulary, WrittenOnesAreReadAsTheSame) {
  const json texts = testing::vocabulary_json("texts.json");
  for (const std::string name :
       {"bpe.gguf", "unigram.gguf", "pre.gguf", "bpe.model", "unigram_bytes.model", "hf_gemma.json"}) {
    const Tokenizer before = Tokenizer::load(testing::vocabulary(name));
    const Tokenizer again = Tokenizer::load(written(before.spec(), before.vocab_size() + 3, name));
    EXPECT_EQ(again.vocab_size(), before.vocab_size() + 3);
    EXPECT_EQ(again.spec().prefix, before.spec().prefix);
    EXPECT_EQ(again.spec().suffix, before.spec().suffix);
    for (const json& text : texts["texts"]) {
      const Ids ids = before.encode(text.get<std::string>());
      ASSERT_EQ(again.encode(text.get<std::string>()), ids) << name << ": " << text;
      ASSERT_EQ(again.decode(ids), before.decode(ids)) << name << ": " << text;
    }
  }
  // The usual name of what a tokenizer.json writes out.
  for (const auto& [file, pre] : {std::pair("smollm", "smollm"), {"llama3", "llama-bpe"}, {"gpt2", "gpt-2"}}) {
    const Tokenizer before = Tokenizer::load(testing::fixture(std::string("hf_") + file + ".json"));
    const Tokenizer again = Tokenizer::load(written(before.spec(), 0, file));
    EXPECT_EQ(again.spec().pre_name, pre);
    for (const json& text : texts["texts"])
      ASSERT_EQ(again.encode(text.get<std::string>()), before.encode(text.get<std::string>())) << file << ": " << text;
  }
}

TEST(GgufVocabulary, KnowsTasksTypesAndEnds) {
  const Tokenizer tokenizer = Tokenizer::load(testing::vocabulary("pre.gguf"));
  const int32_t start = *tokenizer.special_id("<|im_start|>"), end = *tokenizer.special_id("<|im_end|>");
  EXPECT_EQ(tokenizer.bos_id(), start);
  EXPECT_EQ(tokenizer.spec().tasks.eos, end);
  EXPECT_TRUE(tokenizer.ends_text(end));
  EXPECT_FALSE(tokenizer.ends_text(start));
  EXPECT_TRUE(tokenizer.is_special(end));
  EXPECT_FALSE(tokenizer.is_special(*tokenizer.special_id("<tool>")));
  EXPECT_FALSE(tokenizer.special_id("[PAD0]"));
  EXPECT_EQ(tokenizer.token(tokenizer.vocab_size() - 1), "[PAD0]");
}

TEST(GgufVocabulary, SaysInOneSentenceWhatIsWrong) {
  const auto message = [](auto&& change) -> std::string {
    GgufMetadata metadata;
    metadata.set("general.architecture", "llama");
    change(metadata);
    const Path path = testing::temporary_file("wrong.gguf", "");
    write_gguf(path, metadata, {});
    try {
      Tokenizer::load(path);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  using Strings = std::vector<std::string>;
  const auto expect = [&](auto&& change, const std::string& part) {
    const std::string text = message(change);
    EXPECT_NE(text.find(part), text.npos) << text;
    EXPECT_NE(text.find("wrong.gguf"), text.npos) << text;
  };
  const auto set = [](GgufMetadata& m, const char* model, const char* pre, const Strings& tokens) {
    m.set("tokenizer.ggml.model", model);
    if (pre) m.set("tokenizer.ggml.pre", pre);
    m.set("tokenizer.ggml.tokens", tokens);
  };
  EXPECT_EQ(message([&](GgufMetadata& m) {
              set(m, "gpt2", "gpt-2", {"a", "b", "ab"});
              m.set("tokenizer.ggml.merges", Strings{"a b"});
            }),
            "no error");
  expect([](GgufMetadata&) {}, "tokenizer.ggml.model");
  expect([&](GgufMetadata& m) { set(m, "bert", nullptr, {"a"}); }, "found \"bert\"");
  expect([&](GgufMetadata& m) { set(m, "gpt2", "gpt-9", {"a"}); }, "the pre-tokenizer \"gpt-9\" is not known here");
  expect([&](GgufMetadata& m) { set(m, "gpt2", "gpt-2", {"a", "a"}); }, "found some twice");
  expect([&](GgufMetadata& m) { set(m, "gpt2", "gpt-2", {}); }, "found 0");
  expect([&](GgufMetadata& m) { set(m, "gpt2", "gpt-2", {"a"}); }, "tokenizer.ggml.merges");
  expect([&](GgufMetadata& m) { set(m, "llama", nullptr, {"a"}); }, "tokenizer.ggml.scores");
  expect(
      [&](GgufMetadata& m) {
        set(m, "llama", nullptr, {"a"});
        m.set("tokenizer.ggml.scores", std::vector<float>{});
      },
      "expected one for each of the 1 tokens, found 0");
  expect(
      [&](GgufMetadata& m) {
        set(m, "llama", nullptr, {"a"});
        m.set("tokenizer.ggml.scores", std::vector<float>{std::numeric_limits<float>::quiet_NaN()});
        m.set("tokenizer.ggml.add_bos_token", false);
      },
      "finite");
  expect(
      [&](GgufMetadata& m) {
        set(m, "llama", nullptr, {"a"});
        m.set("tokenizer.ggml.scores", std::vector<float>{0});
      },
      "add_bos_token is true, and tokenizer.ggml.bos_token_id is not there");
  expect(
      [&](GgufMetadata& m) {
        set(m, "gpt2", "gpt-2", {"a", "b"});
        m.set("tokenizer.ggml.merges", Strings{"a b"});
      },
      "merges[0]: expected tokens of the vocabulary, found \"ab\"");
  expect(
      [&](GgufMetadata& m) {
        set(m, "gpt2", "gpt-2", {"a", "b"});
        m.set("tokenizer.ggml.merges", Strings{"ab"});
      },
      "merges[0]: expected two tokens and a space");
  expect(
      [&](GgufMetadata& m) {
        set(m, "gpt2", "gpt-2", {"a"});
        m.set("tokenizer.ggml.eos_token_id", uint32_t{7});
      },
      "eos_token_id: expected an id below 1, found 7");
}

}  // namespace
}  // namespace propane
