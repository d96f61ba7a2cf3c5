// Models of pieces against what made them: SentencePiece and Hugging Face tokenizers. The ids of both come from
// tests/peers/make_vocabulary_fixtures.py.
#include "tokenizer/pieces.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/threads.h"
#include "tokenizer/fixtures.h"
#include "tokenizer/random_text.h"
#include "tokenizer/sentencepiece_model.h"

namespace propane {
namespace {

using nlohmann::json;
using Ids = std::vector<int32_t>;

const json& texts() {
  static const json value = testing::vocabulary_json("texts.json");
  return value;
}

// Of `key` in texts.json; null where there is nothing to compare.
void expect_ids(const Tokenizer& tokenizer, const char* key, const json& expected, const AllowedSpecials& allowed) {
  for (size_t i = 0; i < expected.size(); ++i) {
    if (expected[i].is_null()) continue;
    ASSERT_EQ(tokenizer.encode(texts()[key][i].get<std::string>(), allowed), expected[i].get<Ids>())
        << key << " " << i << ": " << texts()[key][i];
  }
}

void expect_decoded(const Tokenizer& tokenizer, const json& expected) {
  for (size_t i = 0; i < expected["decoded"].size(); ++i) {
    if (expected["ids"][i].is_null()) continue;
    ASSERT_EQ(tokenizer.decode(expected["ids"][i].get<Ids>()), expected["decoded"][i].get<std::string>())
        << "text " << i;
  }
}

class SentencePieceFixture : public ::testing::TestWithParam<const char*> {
 protected:
  const json expected = testing::vocabulary_json("sentencepiece.json")[GetParam()];
  const Tokenizer tokenizer = Tokenizer::load(testing::vocabulary(std::string(GetParam()) + ".model"));
};

TEST_P(SentencePieceFixture, EncodesAsSentencePiece) {
  expect_ids(tokenizer, "texts", expected["ids"], AllowedSpecials::none());
  // What users have defined is found, controls are text to that package.
  expect_ids(tokenizer, "added", expected["added"], AllowedSpecials::none());
}

INSTANTIATE_TEST_SUITE_P(Models, SentencePieceFixture, ::testing::Values("bpe", "unigram", "unigram_bytes"));

TEST(SentencePieceModel, DecodesAsSentencePiece) {
  // The unigram model without bytes has its own sign for unknown pieces (" \u2047 "), here they are "<unk>".
  for (const std::string name : {"bpe", "unigram_bytes"})
    expect_decoded(Tokenizer::load(testing::vocabulary(name + ".model")),
                   testing::vocabulary_json("sentencepiece.json")[name]);
}

class HuggingFacePieces : public ::testing::TestWithParam<const char*> {
 protected:
  const json expected = testing::vocabulary_json("hugging_face.json")[GetParam()];
  const Tokenizer tokenizer = Tokenizer::load(testing::vocabulary(std::string("hf_") + GetParam() + ".json"));
};

TEST_P(HuggingFacePieces, EncodesAsHuggingFace) {
  expect_ids(tokenizer, "texts", expected["ids"], AllowedSpecials::all());
  expect_ids(tokenizer, "added", expected["added"], AllowedSpecials::all());
}

TEST_P(HuggingFacePieces, DecodesAsHuggingFace) { expect_decoded(tokenizer, expected); }

INSTANTIATE_TEST_SUITE_P(Models, HuggingFacePieces, ::testing::Values("llama2", "mistral", "gemma", "t5"));

std::vector<Path> all_kinds() {
  std::vector<Path> paths = {testing::fixture("hf_llama3.json")};
  for (const char* name : {"bpe.model", "unigram.model", "unigram_bytes.model", "bpe.gguf", "unigram.gguf", "pre.gguf",
                           "hf_llama2.json", "hf_mistral.json", "hf_gemma.json", "hf_t5.json"})
    paths.push_back(testing::vocabulary(name));
  return paths;
}

TEST(TokenStream, GivesTheTextOfTheWhole) {
  std::mt19937 random(4);
  for (const Path& path : all_kinds()) {
    const Tokenizer tokenizer = Tokenizer::load(path);
    for (int i = 0; i < 500; ++i) {
      // Tokens of a text, and tokens of no text at all.
      Ids ids = i % 2 ? tokenizer.encode(testing::random_text(random, 30)) : Ids(random() % 30);
      if (i % 2 == 0)
        for (int32_t& id : ids) id = static_cast<int32_t>(random() % static_cast<unsigned>(tokenizer.vocab_size()));
      for (const bool continues : {false, true}) {
        TokenStream stream(tokenizer, continues);
        std::string text, bytes;
        for (const int32_t id : ids) {
          const std::string piece = stream.push(id);
          ASSERT_TRUE(utf8_valid(piece));
          text += piece;
          bytes += tokenizer.token(id);
        }
        text += stream.finish();
        ASSERT_EQ(text, utf8_replace_invalid(continues ? bytes : tokenizer.decode(ids))) << path;
      }
    }
  }
}

// With bytes to fall back to nothing is lost, whatever the bytes, but for U+2581, which is a space.
TEST(Pieces, DecodingUndoesEncoding) {
  std::mt19937 random(5);
  for (const char* name : {"bpe.model", "unigram_bytes.model", "bpe.gguf", "hf_llama2.json", "hf_gemma.json"}) {
    const Tokenizer tokenizer = Tokenizer::load(testing::vocabulary(name));
    for (int i = 0; i < 3000; ++i) {
      const std::string text = testing::random_bytes(random, 40);
      if (text.find("\u2581") != text.npos) continue;
      ASSERT_EQ(tokenizer.decode(tokenizer.encode(text)), text) << name;
    }
  }
}

TEST(Pieces, LongTextsGiveTheSameIdsOnAnyThreads) {
  std::string text;
  for (const std::string& document : testing::austen_documents({"emma.txt", "persuasion.txt"})) text += document;
  for (const char* name : {"bpe.model", "unigram.model", "hf_mistral.json"}) {
    const Tokenizer tokenizer = Tokenizer::load(testing::vocabulary(name));
    set_thread_count(1);
    const Ids alone = tokenizer.encode(text);
    set_thread_count(3);
    EXPECT_TRUE(tokenizer.encode(text) == alone) << name;
  }
  set_thread_count(0);
}

// A word of a megabyte, which is one chunk: no way of merging that takes the square of its length comes to an end here.
TEST(Pieces, LongWordsTakeNoLongTime) {
  for (const char* name : {"bpe.model", "unigram_bytes.model", "hf_mistral.json"}) {
    const Tokenizer tokenizer = Tokenizer::load(testing::vocabulary(name));
    std::string word;
    while (word.size() < 1 << 20) word += "anderen";
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(word)), word);
  }
}

TEST(SentencePieceModel, SaysInOneSentenceWhatIsWrong) {
  const std::string whole = read_file(testing::vocabulary("bpe.model"));
  for (size_t size = 300; size < whole.size(); size += 97) {
    try {
      Tokenizer(read_sentencepiece_model(std::string_view(whole).substr(0, size), "cut.model"));
    } catch (const Error& error) {
      ASSERT_TRUE(std::string_view(error.what()).starts_with("cut.model: ")) << error.what();
    }
  }
  const auto message = [](const std::string& content) -> std::string {
    try {
      read_sentencepiece_model(content, "a.model");
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  const std::string piece(
      "\n\x03\n\x01"
      "a",
      5);
  EXPECT_EQ(message(piece), "no error");
  EXPECT_EQ(message(""), "a.model: expected a SentencePiece model, found no pieces");
  EXPECT_EQ(message(piece + piece), "a.model: piece 1: \"a\" is there twice");
  EXPECT_EQ(message(piece + std::string("\x12\x02\x18\x03", 4)),
            "a.model: expected a SentencePiece model of type unigram (1) or BPE (2), found type 3");
  EXPECT_EQ(message("\n\x7f"
                    "abc"),
            "a.model: expected a field of 127 bytes within its message, found 3 bytes to the end");
  EXPECT_EQ(message("\x0b"), "a.model: expected a SentencePiece model, found a field of wire type 3");
  EXPECT_EQ(message("\n\xff"), "a.model: expected a whole SentencePiece model, found one that breaks off");
}

TEST(Charsmap, RefusesATrieThatIsNotThere) {
  EXPECT_THROW(Charsmap(""), Error);
  EXPECT_THROW(Charsmap(std::string("\xff\xff\0\0abc", 7)), Error);
  EXPECT_THROW(Charsmap(std::string("\0\0\0\0", 4)), Error);
  // One unit, all of it pointing outside.
  EXPECT_EQ(Charsmap(std::string("\x04\0\0\0\xff\xff\xff\xff", 8)).apply("a\xFF"), "a\xEF\xBF\xBD");
}

}  // namespace
}  // namespace propane
