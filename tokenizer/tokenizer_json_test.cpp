#include "tokenizer/tokenizer_json.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tokenizer/fixtures.h"

namespace propane {
namespace {

using nlohmann::json;
using Ids = std::vector<int32_t>;

class HuggingFaceFixture : public ::testing::TestWithParam<const char*> {
 protected:
  // The same ids as Hugging Face for texts with and without added tokens.
  static void expect_equal_encodings(const Tokenizer& tokenizer) {
    const json texts = testing::json_fixture("tiktoken_encodings.json")["texts"];
    const json fixture = testing::json_fixture("hf_encodings.json");
    const json& expected = fixture["tokenizers"][GetParam()];
    for (size_t i = 0; i < texts.size(); ++i)
      ASSERT_EQ(tokenizer.encode(texts[i].get<std::string>()), expected["ids"][i].get<Ids>()) << "text " << i;
    for (size_t i = 0; i < fixture["with_added"].size(); ++i)
      ASSERT_EQ(tokenizer.encode(fixture["with_added"][i].get<std::string>(), AllowedSpecials::all()),
                expected["ids_with_added"][i].get<Ids>())
          << "text with added tokens " << i;
  }
  Path file() const { return testing::fixture(std::string("hf_") + GetParam() + ".json"); }
};

TEST_P(HuggingFaceFixture, EncodesAsHuggingFace) { expect_equal_encodings(Tokenizer::load(file())); }

TEST_P(HuggingFaceFixture, EncodesTheSameAfterSavingAndLoading) {
  const Path saved = testing::temporary_file(GetParam(), "");
  Tokenizer::load(file()).save(saved);
  const Tokenizer again = Tokenizer::load(saved);
  expect_equal_encodings(again);
  EXPECT_EQ(write_tokenizer_json(again.spec()), read_file(saved));
}

INSTANTIATE_TEST_SUITE_P(Models, HuggingFaceFixture, ::testing::Values("gpt2", "roberta", "smollm", "llama3", "qwen2"));

TEST(TokenizerJson, ReadsTemplatesAsPrefixAndSuffix) {
  const Tokenizer llama3 = Tokenizer::load(testing::fixture("hf_llama3.json"));
  EXPECT_EQ(llama3.spec().prefix, Ids{*llama3.special_id("<|begin_of_text|>")});
  EXPECT_EQ(llama3.bos_id(), llama3.special_id("<|begin_of_text|>"));
  const Tokenizer roberta = Tokenizer::load(testing::fixture("hf_roberta.json"));
  EXPECT_EQ(roberta.spec().prefix, Ids{0});
  EXPECT_EQ(roberta.spec().suffix, Ids{1});
}

TEST(TokenizerJson, RankFilesSurviveTheWayThroughJson) {
  const json fixture = testing::json_fixture("tiktoken_encodings.json");
  for (const std::string name : {"autoresearch", "gpt2", "cl100k", "o200k", "llama3", "qwen2"}) {
    const Path saved = testing::temporary_file(name + ".json", "");
    Tokenizer::load(testing::fixture(name + ".tiktoken"), {.pattern = name, .specials = {}}).save(saved);
    const Tokenizer tokenizer = Tokenizer::load(saved);
    for (size_t i = 0; i < fixture["texts"].size(); ++i)
      ASSERT_EQ(tokenizer.encode(fixture["texts"][i].get<std::string>()),
                fixture["patterns"][name]["ids"][i].get<Ids>())
          << name << " text " << i;
  }
}

// The message for a good file changed in one place; "no error" if it loads.
template <typename Change>
std::string message(Change&& change) {
  static const json good = testing::json_fixture("hf_qwen2.json");
  json document = good;
  change(document);
  try {
    Tokenizer::load(testing::temporary_file("changed.json", document.dump()));
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(TokenizerJson, SaysInOneSentenceWhatIsWrong) {
  const auto expect = [](auto&& change, const std::string& part) {
    const std::string text = message(change);
    EXPECT_NE(text.find(part), text.npos) << text;
    EXPECT_NE(text.find("changed.json"), text.npos) << text;
  };
  EXPECT_EQ(message([](json&) {}), "no error");
  expect([](json& j) { j.erase("model"); }, "expected the tokenizer in an object \"model\"");
  expect([](json& j) { j = 3; }, "expected a");
  expect([](json& j) { j["model"]["type"] = "WordPiece"; },
         "model.type \"WordPiece\" (only BPE and Unigram are) is not supported");
  expect([](json& j) { j["model"]["type"] = "Unigram"; }, "model.vocab: expected a list");
  expect([](json& j) { j["model"]["dropout"] = 0.1; }, "model.dropout is not supported");
  expect([](json& j) { j["model"]["end_of_word_suffix"] = "</w>"; }, "model.end_of_word_suffix is not supported");
  expect([](json& j) { j["model"].erase("vocab"); }, "model: expected a member \"vocab\"");
  expect([](json& j) { j["model"]["vocab"] = json::array(); }, "model.vocab: expected an object");
  expect([](json& j) { j["model"]["vocab"]["a"] = "x"; }, "model.vocab[\"a\"]: expected a token id");
  expect([](json& j) { j["model"]["vocab"]["a"] = -1; }, "model.vocab[\"a\"]: expected a token id");
  expect([](json& j) { j["model"]["vocab"]["a"] = 1 << 30; }, "model.vocab[\"a\"]: expected a token id");
  expect([](json& j) { j["model"]["vocab"]["a"] = 1.5; }, "model.vocab[\"a\"]: expected a token id");
  expect([](json& j) { j["model"]["vocab"]["a"] = j["model"]["vocab"]["b"]; }, "is there twice");
  expect([](json& j) { j["model"]["merges"][3] = "abc"; }, "model.merges[3]: expected two tokens");
  expect([](json& j) { j["model"]["merges"][3] = {"a", "b", "c"}; }, "model.merges[3]: expected two tokens");
  expect(
      [](json& j) {
        j["model"]["merges"][3] = {"a", "xyzzy"};
      },
      "model.merges[3]: expected tokens of the vocabulary");
  expect([](json& j) { j["model"]["merges"][3] = {"z", "z"}; }, "found \"zz\"");
  expect([](json& j) { j["normalizer"] = {{"type", "Lowercase"}}; }, "the normalizer \"Lowercase\"");
  expect([](json& j) { j["pre_tokenizer"] = nullptr; }, "expected a pre_tokenizer of type ByteLevel");
  expect([](json& j) { j["pre_tokenizer"] = {{"type", "Metaspace"}}; }, "the pre_tokenizer \"Metaspace\"");
  expect([](json& j) { j["pre_tokenizer"]["pretokenizers"][0]["behavior"] = "MergedWithNext"; },
         "the behavior \"MergedWithNext\" of a Split");
  expect(
      [](json& j) {
        j["pre_tokenizer"]["pretokenizers"][0]["pattern"] = {{"Regex", "(a"}};
      },
      "is not a regular expression");
  expect([](json& j) { j["pre_tokenizer"]["pretokenizers"][1]["add_prefix_space"] = true; }, "add_prefix_space");
  expect([](json& j) { j["decoder"] = {{"type", "WordPiece"}}; }, "the decoder \"WordPiece\"");
  expect([](json& j) { j["post_processor"] = {{"type", "Magic"}}; }, "the post_processor \"Magic\"");
  expect([](json& j) { j["added_tokens"][0]["content"] = 5; }, "added_tokens.content: expected a string");
  expect([](json& j) { j["added_tokens"][0]["special"] = "yes"; }, "added_tokens.special: expected true or false");
  expect([](json& j) { j["added_tokens"][0]["id"] = 5; }, "id 5 is both");
  expect([](json& j) { j["added_tokens"][1] = j["added_tokens"][0]; }, "is there twice");
}

TEST(TokenizerJson, SaysWhereTheJsonBreaksOff) {
  const std::string whole = read_file(testing::fixture("hf_gpt2.json"));
  for (size_t size = 1; size < whole.size() - 1; size += 101) {
    try {
      read_tokenizer_json(std::string_view(whole).substr(0, size), "cut.json");
      FAIL() << "a file cut at byte " << size << " loads";
    } catch (const Error& error) {
      ASSERT_TRUE(std::string_view(error.what()).starts_with("cut.json: not JSON: ")) << error.what();
    }
  }
}

TEST(TokenizerJson, EmptyAndForeignFilesAreNamed) {
  EXPECT_THROW(Tokenizer::load(testing::temporary_file("empty", "")), Error);
  EXPECT_THROW(Tokenizer::load(testing::temporary_file("blank", " \n")), Error);
  EXPECT_THROW(Tokenizer::load(testing::temporary_file("binary", std::string("\x08\x01\0\xFF", 4))), Error);
  EXPECT_THROW(Tokenizer::load(testing::fixture("no such file")), Error);
}

}  // namespace
}  // namespace propane
