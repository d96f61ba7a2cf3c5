#include "tokenizer/byte_level.h"

#include <array>

#include "base/utf8.h"

namespace propane {

namespace {

// Printable Latin-1 bytes stand for themselves; the others, in order, for U+0100 and the codes behind it.
constexpr bool printable(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

constexpr auto kCodeOfByte = [] {
  std::array<char32_t, 256> codes{};
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) codes[byte] = printable(byte) ? static_cast<char32_t>(byte) : next++;
  return codes;
}();

constexpr char32_t kCodes = 0x100 + 68;  // 188 bytes are printable

constexpr auto kByteOfCode = [] {
  std::array<int, kCodes> bytes{};
  for (int& byte : bytes) byte = -1;
  for (int byte = 0; byte < 256; ++byte) bytes[kCodeOfByte[byte]] = byte;
  return bytes;
}();

}  // namespace

std::string to_byte_level(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) append_utf8(kCodeOfByte[static_cast<unsigned char>(c)], out);
  return out;
}

std::optional<std::string> from_byte_level(std::string_view text) {
  std::string out;
  const char* const end = text.data() + text.size();
  for (const char* at = text.data(); at < end;) {
    const Utf8Step step = utf8_step(at, end);
    if (!step.valid || step.code >= kCodes || kByteOfCode[step.code] < 0) return std::nullopt;
    out += static_cast<char>(kByteOfCode[step.code]);
    at += step.length;
  }
  return out;
}

}  // namespace propane
