#include "formats/token_shard.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"

namespace propane {

namespace {

constexpr std::array<char, 8> kMagic = {'P', 'R', 'O', 'P', 'A', 'N', 'E', '\x1a'};
constexpr uint32_t kVersion = 1;
constexpr size_t kAlignment = 8;

struct Header {
  std::array<char, 8> magic = kMagic;
  uint32_t version = kVersion;
  uint32_t token_bytes = 0;
  uint64_t token_count = 0;
  uint64_t document_count = 0;
  uint64_t text_bytes = 0;
  uint64_t vocab_size = 0;
  uint64_t tokenizer_hash = 0;
  uint64_t checksum = 0;
  std::array<uint64_t, 7> reserved{};
  uint64_t header_checksum = 0;

  uint64_t own_checksum() const {
    return xxh64(std::as_bytes(std::span(this, 1)).first(sizeof(Header) - sizeof header_checksum));
  }
};
static_assert(sizeof(Header) == 128);

struct LlmcHeader {
  int32_t magic, version, token_count;
  std::array<int32_t, 253> unused;
};
static_assert(sizeof(LlmcHeader) == 1024);

struct LlmcFormat {
  int32_t magic, version;
  int token_bytes;
  uint32_t delimiter;
};
constexpr LlmcFormat kLlmcFormats[] = {{20240520, 1, 2, 50256}, {20240801, 7, 4, 128000}};

size_t padding(size_t bytes) { return (kAlignment - bytes % kAlignment) % kAlignment; }

}  // namespace

void TokenSpan::copy(size_t begin, size_t count, int32_t* out) const {
  if (token_bytes_ == 2) {
    for (size_t i = 0; i < count; ++i) out[i] = load<uint16_t>(begin + i);
  } else {
    std::memcpy(out, data_ + begin * 4, count * 4);
  }
}

TokenShard::TokenShard(const Path& path, std::optional<uint32_t> delimiter) : file_(path), name_(path.string()) {
  parse(file_.bytes(), delimiter);
}

TokenShard::TokenShard(std::span<const std::byte> content, std::string name, std::optional<uint32_t> delimiter)
    : name_(std::move(name)) {
  parse(content, delimiter);
}

void TokenShard::parse(std::span<const std::byte> content, std::optional<uint32_t> delimiter) {
  if (content.size() >= kMagic.size() && std::memcmp(content.data(), kMagic.data(), kMagic.size()) == 0) {
    parse_ours(content);
  } else {
    parse_llmc(content, delimiter);
  }
}

void TokenShard::parse_ours(std::span<const std::byte> content) {
  Header header;
  if (content.size() < sizeof header) {
    fail("{}: expected a token shard's header of {} bytes, found only {} bytes", name_, sizeof header, content.size());
  }
  std::memcpy(&header, content.data(), sizeof header);
  if (header.version != kVersion) {
    fail("{}: expected token shard version {}, found {}: made by another version of propane", name_, kVersion,
         header.version);
  }
  if (header.header_checksum != header.own_checksum()) {
    fail("{}: the token shard's header is damaged: its checksum is {:016x}, expected {:016x}", name_,
         header.own_checksum(), header.header_checksum);
  }
  if (header.token_bytes != 2 && header.token_bytes != 4) {
    fail("{}: expected tokens of 2 or 4 bytes, found {}", name_, header.token_bytes);
  }
  // Bounding the counts by the file first keeps the sums below from overflowing.
  const std::span<const std::byte> payload = content.subspan(sizeof header);
  const bool plausible = header.token_count <= payload.size() && header.document_count <= payload.size();
  const size_t token_bytes = header.token_count * header.token_bytes;
  const size_t expected = token_bytes + padding(token_bytes) + header.document_count * sizeof(uint64_t);
  if (!plausible || expected != payload.size()) {
    fail("{}: {} tokens in {} documents do not make a file of {} bytes: it is truncated or damaged", name_,
         header.token_count, header.document_count, content.size());
  }
  token_bytes_ = static_cast<int>(header.token_bytes);
  token_count_ = header.token_count;
  document_count_ = header.document_count;
  text_bytes_ = header.text_bytes;
  vocab_size_ = header.vocab_size;
  tokenizer_hash_ = header.tokenizer_hash;
  checksum_ = header.checksum;
  payload_ = payload;
  tokens_ = payload.data();
  starts_ = payload.data() + token_bytes + padding(token_bytes);
}

void TokenShard::parse_llmc(std::span<const std::byte> content, std::optional<uint32_t> delimiter) {
  LlmcHeader header{};
  if (content.size() >= sizeof header) std::memcpy(&header, content.data(), sizeof header);
  for (const LlmcFormat& format : kLlmcFormats) {
    if (header.magic != format.magic) continue;
    if (header.version != format.version) {
      fail("{}: expected version {} of llm.c's token file, found {}", name_, format.version, header.version);
    }
    token_bytes_ = format.token_bytes;
    const size_t body = content.size() - sizeof header;
    if (header.token_count < 0 || static_cast<size_t>(header.token_count) * format.token_bytes != body) {
      fail("{}: expected {} tokens of {} bytes after llm.c's header, found {} bytes: the file is truncated or damaged",
           name_, header.token_count, format.token_bytes, body);
    }
    token_count_ = static_cast<uint64_t>(header.token_count);
    tokens_ = content.data() + sizeof header;
    const uint32_t start = delimiter.value_or(format.delimiter);
    const TokenSpan all = tokens();
    for (uint64_t i = 0; i < token_count_; ++i) {
      if (i == 0 || all[i] == start) found_starts_.push_back(i);
      vocab_size_ = std::max<uint64_t>(vocab_size_, uint64_t{all[i]} + 1);
    }
    document_count_ = found_starts_.size();
    return;
  }
  fail("{}: expected a token shard (ours or llm.c's), found a file of {} bytes with another beginning", name_,
       content.size());
}

uint64_t TokenShard::document_start(uint64_t i) const {
  if (i == document_count_) return token_count_;
  if (!starts_) return found_starts_[i];
  uint64_t start;
  std::memcpy(&start, starts_ + i * sizeof start, sizeof start);
  return start;
}

std::pair<uint64_t, uint64_t> TokenShard::document_bounds(uint64_t i) const {
  if (i >= document_count_) fail("{}: expected a document below {}, was asked for {}", name_, document_count_, i);
  const uint64_t begin = document_start(i), end = document_start(i + 1);
  if (begin >= end || end > token_count_) {
    fail("{}: document {} is damaged: it claims tokens {} to {} of {}", name_, i, begin, end, token_count_);
  }
  return {begin, end};
}

TokenSpan TokenShard::document(uint64_t i) const {
  const auto [begin, end] = document_bounds(i);
  return {tokens_ + begin * token_bytes_, end - begin, token_bytes_};
}

void TokenShard::verify() const {
  if (!starts_) return;
  if (const uint64_t found = xxh64(payload_); found != checksum_) {
    fail("{}: the token shard is damaged: its checksum is {:016x}, expected {:016x}", name_, found, checksum_);
  }
  if (document_count_ > 0 ? document_start(0) != 0 : token_count_ != 0) {
    fail("{}: expected the first document to start at token 0", name_);
  }
  for (uint64_t i = 0; i < document_count_; ++i) document_bounds(i);
  const TokenSpan all = tokens();
  for (uint64_t i = 0; i < token_count_; ++i) {
    if (all[i] >= vocab_size_) {
      fail("{}: expected tokens below the vocabulary size {}, found {} at {}", name_, vocab_size_, all[i], i);
    }
  }
}

TokenShardWriter::TokenShardWriter(const Path& path, Info info)
    : file_(path), name_(path.string()), info_(info), token_bytes_(info.vocab_size <= 65536 ? 2 : 4) {
  const Header placeholder{};
  file_.write(&placeholder, sizeof placeholder);
}

void TokenShardWriter::append(const void* data, size_t bytes) {
  hash_.update(data, bytes);
  file_.write(data, bytes);
}

void TokenShardWriter::add_document(std::span<const int32_t> tokens, uint64_t text_bytes) {
  if (tokens.empty()) fail("{}: expected a document of at least one token, found an empty one", name_);
  for (int32_t token : tokens) {
    if (token < 0 || static_cast<uint64_t>(token) >= info_.vocab_size) {
      fail("{}: expected tokens below the vocabulary size {}, found {}", name_, info_.vocab_size, token);
    }
  }
  starts_.push_back(token_count_);
  token_count_ += tokens.size();
  text_bytes_ += text_bytes;
  if (token_bytes_ == 2) {
    narrow_.assign(tokens.begin(), tokens.end());
    append(narrow_.data(), narrow_.size() * sizeof(uint16_t));
  } else {
    append(tokens.data(), tokens.size_bytes());
  }
}

void TokenShardWriter::close() {
  const uint64_t zeros = 0;
  append(&zeros, padding(token_count_ * static_cast<size_t>(token_bytes_)));
  append(starts_.data(), starts_.size() * sizeof(uint64_t));
  Header header;
  header.token_bytes = static_cast<uint32_t>(token_bytes_);
  header.token_count = token_count_;
  header.document_count = starts_.size();
  header.text_bytes = text_bytes_;
  header.vocab_size = info_.vocab_size;
  header.tokenizer_hash = info_.tokenizer_hash;
  header.checksum = hash_.digest();
  header.header_checksum = header.own_checksum();
  file_.write_at(0, &header, sizeof header);
  file_.close();
}

}  // namespace propane
