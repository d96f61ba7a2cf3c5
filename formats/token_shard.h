// Token shards: tokenised documents in one file, mapped for reading.
//
// Our format, little-endian:
//   128 bytes   header: magic "PROPANE\x1a", then as u32: version 1, bytes a token (2 or 4); as u64: tokens, documents,
//               bytes of the text behind the tokens, vocabulary size, XXH64 of the tokenizer's file, XXH64 of
//               everything after the header; zeros; in the last 8 bytes the XXH64 of the header's first 120
//   tokens      u16 (vocabularies of at most 65,536) or u32, document after document
//   zeros       up to a multiple of 8 bytes
//   starts      u64 a document: the index of its first token; the first is 0, and they rise
//
// llm.c's shards (256 int32 of header: magic 20240520, version 1, u16 tokens; or magic 20240801, version 7, u32 tokens)
// are read through the same class. They carry no list of documents: a document starts at every delimiter token.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "formats/xxh64.h"

namespace propane {

// A run of tokens in a mapped shard.
class TokenSpan {
 public:
  TokenSpan() = default;
  TokenSpan(const std::byte* data, size_t size, int token_bytes)
      : data_(data), size_(size), token_bytes_(token_bytes) {}

  size_t size() const { return size_; }

  uint32_t operator[](size_t i) const {
    if (token_bytes_ == 2) return load<uint16_t>(i);
    return load<uint32_t>(i);
  }

  // Writes tokens [begin, begin + count) to `out`; they must lie in the span.
  void copy(size_t begin, size_t count, int32_t* out) const;

 private:
  template <typename Token>
  Token load(size_t i) const {
    Token token;
    std::memcpy(&token, data_ + i * sizeof(Token), sizeof token);
    return token;
  }

  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  int token_bytes_ = 2;
};

// A shard opened for reading. Opening checks the header against its own checksum and the file's size; `verify` reads
// the rest. Throws Error naming the file if it is no shard, truncated or damaged.
class TokenShard {
 public:
  // `delimiter` is the token that starts a document in llm.c's files: by default GPT-2's end-of-text (50256) in u16
  // files, Llama 3's begin-of-text (128000) in u32 ones. Our own files do not need it.
  explicit TokenShard(const Path& path, std::optional<uint32_t> delimiter = {});

  // Reads a file's content from memory that outlives this object; `name` is what errors call it.
  TokenShard(std::span<const std::byte> content, std::string name, std::optional<uint32_t> delimiter = {});

  const std::string& name() const { return name_; }
  uint64_t token_count() const { return token_count_; }
  uint64_t document_count() const { return document_count_; }

  // Bytes of the UTF-8 text behind the tokens; 0 in llm.c's files, which do not say.
  uint64_t text_bytes() const { return text_bytes_; }
  // Of llm.c's files, which do not say: one more than their largest token.
  uint64_t vocab_size() const { return vocab_size_; }
  // XXH64 of the tokenizer's file; 0 in llm.c's files.
  uint64_t tokenizer_hash() const { return tokenizer_hash_; }
  uint64_t checksum() const { return checksum_; }

  // Tokens of document `i`. Throws Error if the document's bounds are damaged.
  TokenSpan document(uint64_t i) const;
  uint64_t document_size(uint64_t i) const { return document_bounds(i).second - document_bounds(i).first; }

  TokenSpan tokens() const { return {tokens_, token_count_, token_bytes_}; }

  // Reads the whole file: checksum, rising document starts, no token beyond the vocabulary. llm.c's files have no
  // checksum, so only their size, checked on opening, vouches for them.
  void verify() const;

 private:
  void parse_ours(std::span<const std::byte> content);
  void parse_llmc(std::span<const std::byte> content, std::optional<uint32_t> delimiter);
  void parse(std::span<const std::byte> content, std::optional<uint32_t> delimiter);
  uint64_t document_start(uint64_t i) const;
  std::pair<uint64_t, uint64_t> document_bounds(uint64_t i) const;

  MappedFile file_;
  std::string name_;
  int token_bytes_ = 2;
  uint64_t token_count_ = 0, document_count_ = 0, text_bytes_ = 0, vocab_size_ = 0, tokenizer_hash_ = 0, checksum_ = 0;
  const std::byte* tokens_ = nullptr;
  const std::byte* starts_ = nullptr;   // ours: u64 a document in the file
  std::vector<uint64_t> found_starts_;  // llm.c's: found by the delimiter
  std::span<const std::byte> payload_;  // what the checksum covers; empty in llm.c's
};

// Writes a shard document by document. The file is complete only after `close`.
class TokenShardWriter {
 public:
  struct Info {
    uint64_t vocab_size = 0;
    uint64_t tokenizer_hash = 0;
  };
  TokenShardWriter(const Path& path, Info info);

  // Throws Error if a token is outside the vocabulary or there are none.
  void add_document(std::span<const int32_t> tokens, uint64_t text_bytes);

  // Writes document starts and header, and flushes to the disk.
  void close();

  uint64_t token_count() const { return token_count_; }
  uint64_t document_count() const { return starts_.size(); }
  uint64_t text_bytes() const { return text_bytes_; }
  uint64_t checksum() const { return hash_.digest(); }

 private:
  void append(const void* data, size_t bytes);

  OutputFile file_;
  std::string name_;
  Info info_;
  int token_bytes_;
  uint64_t token_count_ = 0, text_bytes_ = 0;
  std::vector<uint64_t> starts_;
  std::vector<uint16_t> narrow_;  // a document's tokens as they are stored
  Xxh64 hash_;
};

}  // namespace propane
