#include "formats/token_shard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.h"

namespace propane {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Path kFixtures = Path(PROPANE_SOURCE_DIR) / "tests/fixtures/formats";

Path temporary(const std::string& name) {
  return Path(::testing::TempDir()) / ("token_shard_test_" + std::to_string(::getpid()) + name);
}

std::vector<int32_t> tokens_of(const TokenSpan& span) {
  std::vector<int32_t> tokens(span.size());
  span.copy(0, span.size(), tokens.data());
  for (size_t i = 0; i < tokens.size(); ++i) EXPECT_EQ(span[i], static_cast<uint32_t>(tokens[i]));
  return tokens;
}

// A shard of three documents as bytes; the middle one ends at an odd place.
std::string shard_of_three(uint64_t vocab_size) {
  const Path path = temporary("three_" + std::to_string(vocab_size));
  TokenShardWriter writer(path, {.vocab_size = vocab_size, .tokenizer_hash = 0xABCDEF});
  const auto last = static_cast<int32_t>(vocab_size - 1);
  writer.add_document(std::vector<int32_t>{last, 1, 2}, 10);
  writer.add_document(std::vector<int32_t>{last}, 0);
  writer.add_document(std::vector<int32_t>{last, 5, 6}, 20);
  writer.close();
  return read_file(path);
}

TokenShard parse(const std::string& bytes) {
  return TokenShard(std::as_bytes(std::span(bytes.data(), bytes.size())), "x.bin");
}

std::string error_of(const std::string& bytes) {
  try {
    parse(bytes).verify();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(TokenShard, ReadsBackWhatWasWritten) {
  for (uint64_t vocab_size : {300, 65536, 65537, 200'000}) {
    const std::string bytes = shard_of_three(vocab_size);
    const TokenShard shard = parse(bytes);
    shard.verify();
    const auto last = static_cast<int32_t>(vocab_size - 1);
    EXPECT_EQ(shard.token_count(), 7u);
    EXPECT_EQ(shard.document_count(), 3u);
    EXPECT_EQ(shard.text_bytes(), 30u);
    EXPECT_EQ(shard.vocab_size(), vocab_size);
    EXPECT_EQ(shard.tokenizer_hash(), 0xABCDEFu);
    EXPECT_THAT(tokens_of(shard.document(0)), ElementsAre(last, 1, 2));
    EXPECT_THAT(tokens_of(shard.document(1)), ElementsAre(last));
    EXPECT_THAT(tokens_of(shard.document(2)), ElementsAre(last, 5, 6));
    EXPECT_EQ(bytes.size(), 128u + (vocab_size <= 65536 ? 16u : 32u) + 24u);
  }
}

// shard.bin was written by tests/peers/make_format_fixtures.py from the header's description.
TEST(TokenShard, WritesTheFormatThatItsDescriptionSays) {
  EXPECT_EQ(shard_of_three(300), read_file(kFixtures / "shard.bin"));
}

TEST(TokenShard, EveryTruncationAndEveryByteAddedIsAnError) {
  const std::string whole = shard_of_three(300);
  for (size_t size = 0; size < whole.size(); ++size) EXPECT_THROW(parse(whole.substr(0, size)), Error) << size;
  EXPECT_THROW(parse(whole + '\0'), Error);
}

TEST(TokenShard, EveryFlippedByteIsFound) {
  const std::string whole = shard_of_three(300);
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    EXPECT_NE(error_of(damaged), "no error") << "byte " << i;
  }
}

TEST(TokenShard, SaysWhatIsWrong) {
  const std::string whole = shard_of_three(300);
  const auto damaged = [&](size_t at, char value) {
    std::string bytes = whole;
    bytes[at] = value;
    return bytes;
  };
  EXPECT_THAT(error_of(""), HasSubstr("x.bin: expected a token shard"));
  EXPECT_THAT(error_of("PROPANE\x1a"), HasSubstr("found only 8 bytes"));
  EXPECT_THAT(error_of(damaged(8, 9)), HasSubstr("expected token shard version 1, found 9"));
  EXPECT_THAT(error_of(damaged(16, 8)), HasSubstr("header is damaged"));
  EXPECT_THAT(error_of(damaged(129, 7)), HasSubstr("the token shard is damaged: its checksum is"));
  EXPECT_THAT(error_of(whole.substr(0, whole.size() - 8)), HasSubstr("truncated or damaged"));
}

// What `verify` would have found must not lead outside the file without it.
TEST(TokenShard, DamagedDocumentStartsAreAnErrorWhenUsed) {
  std::string bytes = shard_of_three(300);
  bytes[bytes.size() - 1] = '\x7F';
  const TokenShard shard = parse(bytes);
  EXPECT_NO_THROW(shard.document(0));
  EXPECT_THROW(shard.document(1), Error);
  EXPECT_THROW(shard.document(2), Error);
  EXPECT_THROW(shard.document(3), Error);
}

TEST(TokenShard, RefusesTokensOutsideTheVocabulary) {
  TokenShardWriter writer(temporary("outside"), {.vocab_size = 10});
  EXPECT_THROW(writer.add_document(std::vector<int32_t>{10}, 1), Error);
  EXPECT_THROW(writer.add_document(std::vector<int32_t>{-1}, 1), Error);
  EXPECT_THROW(writer.add_document(std::vector<int32_t>{}, 1), Error);
}

TEST(TokenShard, ReadsLlmcGpt2Shards) {
  const TokenShard shard(kFixtures / "llmc_gpt2.bin");
  shard.verify();
  EXPECT_EQ(shard.token_count(), 9u);
  EXPECT_EQ(shard.vocab_size(), 50257u);
  ASSERT_EQ(shard.document_count(), 3u);
  EXPECT_THAT(tokens_of(shard.document(0)), ElementsAre(50256, 1, 2, 3));
  EXPECT_THAT(tokens_of(shard.document(1)), ElementsAre(50256, 4));
  EXPECT_THAT(tokens_of(shard.document(2)), ElementsAre(50256, 5, 6));
}

TEST(TokenShard, ReadsLlmcLlama3Shards) {
  const TokenShard shard(kFixtures / "llmc_llama3.bin");
  ASSERT_EQ(shard.document_count(), 2u);
  EXPECT_THAT(tokens_of(shard.document(0)), ElementsAre(128000, 70000, 1));
  EXPECT_THAT(tokens_of(shard.document(1)), ElementsAre(128000, 127999));
}

TEST(TokenShard, SplitsLlmcShardsAtTheGivenDelimiter) {
  const TokenShard shard(kFixtures / "llmc_gpt2.bin", 4);
  ASSERT_EQ(shard.document_count(), 2u);
  EXPECT_EQ(shard.document_size(0), 5u);
  EXPECT_EQ(shard.document_size(1), 4u);
}

TEST(TokenShard, ATruncatedLlmcShardIsAnError) {
  const std::string whole = read_file(kFixtures / "llmc_gpt2.bin");
  EXPECT_THAT(error_of(whole.substr(0, whole.size() - 1)), HasSubstr("expected 9 tokens of 2 bytes"));
  EXPECT_THAT(error_of(whole.substr(0, 1000)), HasSubstr("expected a token shard"));
  std::string other_version = whole;
  other_version[4] = 2;
  EXPECT_THAT(error_of(other_version), HasSubstr("expected version 1 of llm.c's token file, found 2"));
}

}  // namespace
}  // namespace propane
