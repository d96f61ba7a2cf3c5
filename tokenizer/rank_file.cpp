#include "tokenizer/rank_file.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/error.h"
#include "base/utf8.h"

namespace propane {

namespace {

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// Longer tokens are refused as damage: looking for all splits of one takes the square of its length.
constexpr size_t kMaxTokenBytes = 4096;

std::string to_base64(std::string_view bytes) {
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t n = std::min<size_t>(3, bytes.size() - i);
    uint32_t word = 0;
    for (size_t j = 0; j < 3; ++j) word = word << 8 | (j < n ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    for (size_t j = 0; j < 4; ++j) out += j <= n ? kBase64[word >> (18 - 6 * j) & 63] : '=';
  }
  return out;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.empty() || text.size() % 4) return std::nullopt;
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  std::string out;
  uint32_t word = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool pad = i + padding >= text.size();
    const size_t digit = pad ? 0 : kBase64.find(text[i]);
    if (digit == kBase64.npos) return std::nullopt;
    word = word << 6 | static_cast<uint32_t>(digit);
    if (i % 4 == 3) {
      for (int shift = 16; shift >= 0; shift -= 8) out += static_cast<char>(word >> shift & 255);
      word = 0;
    }
  }
  out.resize(out.size() - padding);
  return out;
}

// The pattern of a vocabulary that its number of ranks gives away.
std::string_view pattern_of_size(size_t ranks) {
  switch (ranks) {
    case 50256:                 // r50k, gpt2
    case 50280: return "gpt2";  // p50k
    case 100256: return "cl100k";
    case 199998: return "o200k";
    case 128000: return "llama3";
    case 151643: return "qwen2";
    default: return kDefaultPattern;
  }
}

std::string excerpt(std::string_view text) {
  std::string shown = utf8_replace_invalid(text.substr(0, 40));
  return text.size() > 40 ? shown + "..." : shown;
}

}  // namespace

bool decode_base64(std::string_view text, std::string& bytes) {
  std::optional<std::string> decoded = from_base64(text);
  if (decoded) bytes = std::move(*decoded);
  return decoded.has_value();
}

TokenizerSpec read_rank_file(std::string_view content, const std::string& name, const RankFileOptions& options) {
  TokenizerSpec spec;
  BytesTable<int32_t> lines;  // of each token
  size_t line_number = 0;
  for (size_t at = 0; at < content.size();) {
    const size_t end = std::min(content.find('\n', at), content.size());
    std::string_view line = content.substr(at, end - at);
    at = end + 1;
    ++line_number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    const size_t space = line.find(' ');
    const auto bytes = space == line.npos ? std::nullopt : from_base64(line.substr(0, space));
    if (!bytes)
      fail("{}: line {}: expected a token in base64, a space and its rank, found \"{}\"", name, line_number,
           excerpt(line));
    if (bytes->size() > kMaxTokenBytes)
      fail("{}: line {}: expected a token of at most {} bytes, found {}", name, line_number, kMaxTokenBytes,
           bytes->size());
    const std::string_view digits = line.substr(space + 1);
    int32_t rank = -1;
    const auto [behind, error] = std::from_chars(digits.data(), digits.data() + digits.size(), rank);
    if (error != std::errc() || behind != digits.data() + digits.size() || rank < 0 || rank > kMaxTokenId)
      fail("{}: line {}: expected a rank from 0 to {}, found \"{}\"", name, line_number, kMaxTokenId, excerpt(digits));
    if (static_cast<size_t>(rank) >= spec.tokens.size()) spec.tokens.resize(static_cast<size_t>(rank) + 1);
    if (!spec.tokens[static_cast<size_t>(rank)].empty())
      fail("{}: line {}: rank {} is there twice", name, line_number, rank);
    if (int32_t& first = lines[*bytes]) {
      fail("{}: line {}: the token of line {} is there again", name, line_number, first);
    } else {
      first = static_cast<int32_t>(line_number);
    }
    spec.tokens[static_cast<size_t>(rank)] = *bytes;
  }
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    if (!lines.find({&c, 1})) fail("{}: expected a token for every byte, found none for byte 0x{:02x}", name, byte);
  }
  spec.merges = merges_of_ranks(spec.tokens);
  spec.whole_chunk_first = true;
  const std::string_view pattern = options.pattern.empty() ? pattern_of_size(lines.size()) : options.pattern;
  spec.split = {{.pattern = std::string(named_pattern(pattern))}};
  auto next = static_cast<int32_t>(spec.tokens.size());
  for (const std::string& special : options.specials) spec.added.push_back({.id = next++, .text = special});
  return spec;
}

std::string write_rank_file(const TokenizerSpec& spec) {
  for (size_t i = 1; i < spec.merges.size(); ++i)
    if (spec.merges[i - 1].result > spec.merges[i].result)
      fail(
          "a tiktoken rank file cannot hold this vocabulary: merge {} makes token {} after token {}, and tiktoken "
          "merges "
          "in the order of the ids",
          i, spec.merges[i].result, spec.merges[i - 1].result);
  std::string out;
  for (size_t id = 0; id < spec.tokens.size(); ++id)
    if (!spec.tokens[id].empty()) out += to_base64(spec.tokens[id]) + ' ' + std::to_string(id) + '\n';
  return out;
}

std::vector<Merge> merges_of_ranks(const std::vector<std::string>& tokens) {
  BytesTable<int32_t> ids;
  for (size_t id = 0; id < tokens.size(); ++id)
    if (!tokens[id].empty()) ids[tokens[id]] = static_cast<int32_t>(id);
  std::vector<Merge> merges;
  for (size_t id = 0; id < tokens.size(); ++id) {
    const std::string_view token = tokens[id];
    const size_t first = merges.size();
    for (size_t cut = 1; cut < token.size(); ++cut) {
      const int32_t* left = ids.find(token.substr(0, cut));
      const int32_t* right = left ? ids.find(token.substr(cut)) : nullptr;
      const auto rank = static_cast<int32_t>(id);
      if (right) merges.push_back({*left, *right, rank, rank});
    }
    std::sort(merges.begin() + static_cast<std::ptrdiff_t>(first), merges.end(),
              [](const Merge& a, const Merge& b) { return a.left != b.left ? a.left < b.left : a.right < b.right; });
  }
  return merges;
}

}  // namespace propane
