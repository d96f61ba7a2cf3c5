#include "tokenizer/sentencepiece_model.h"

#include <cstring>
#include <optional>

#include "base/error.h"
#include "tokenizer/piece_types.h"
#include "tokenizer/rank_file.h"

namespace propane {

namespace {

// One field of a message: a number, or bytes.
struct Field {
  uint64_t number = 0;
  uint64_t value = 0;           // wire types 0, 1 and 5
  std::string_view bytes = {};  // wire type 2
  bool is_bytes = false;
};

// Walks over the fields of a message.
class Message {
 public:
  Message(std::string_view bytes, const std::string& file) : bytes_(bytes), file_(file) {}

  std::optional<Field> next() {
    if (at_ == bytes_.size()) return std::nullopt;
    const uint64_t tag = varint();
    Field field{.number = tag >> 3};
    switch (tag & 7) {
      case 0: field.value = varint(); return field;
      case 1: field.value = fixed(8); return field;
      case 5: field.value = fixed(4); return field;
      case 2: {
        const uint64_t size = varint();
        if (size > bytes_.size() - at_)
          fail("{}: expected a field of {} bytes within its message, found {} bytes to the end", file_, size,
               bytes_.size() - at_);
        field.bytes = bytes_.substr(at_, size);
        field.is_bytes = true;
        at_ += size;
        return field;
      }
      default: fail("{}: expected a SentencePiece model, found a field of wire type {}", file_, tag & 7);
    }
  }

 private:
  uint64_t varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (at_ == bytes_.size()) fail("{}: expected a whole SentencePiece model, found one that breaks off", file_);
      const auto byte = static_cast<unsigned char>(bytes_[at_++]);
      value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
    fail("{}: expected a SentencePiece model, found a number of more than 64 bits", file_);
  }
  uint64_t fixed(size_t size) {
    if (size > bytes_.size() - at_) fail("{}: expected a whole SentencePiece model, found one that breaks off", file_);
    uint64_t value = 0;
    std::memcpy(&value, bytes_.data() + at_, size);
    at_ += size;
    return value;
  }

  std::string_view bytes_;
  const std::string& file_;
  size_t at_ = 0;
};

// Numbers of fields in sentencepiece_model.proto, and the defaults that it states.
class Reader {
 public:
  Reader(std::string_view content, const std::string& file) : content_(content), file_(file) {}

  TokenizerSpec read() {
    PieceRules& rules = spec_.pieces;
    rules.prefix = PieceRules::Prefix::start;
    remove_extra_whitespaces(true);
    Message message(content_, file_);
    while (const auto field = message.next()) {
      if (!field->is_bytes) continue;
      if (field->number == 1) read_piece(field->bytes);
      if (field->number == 2) read_trainer(field->bytes);
      if (field->number == 3) read_normalizer(field->bytes);
    }
    if (spec_.tokens.empty()) fail("{}: expected a SentencePiece model, found no pieces", file_);
    if (kind_ != 1 && kind_ != 2)
      fail("{}: expected a SentencePiece model of type unigram (1) or BPE (2), found type {}", file_, kind_);
    spec_.model = kind_ == 1 ? TokenizerModel::unigram : TokenizerModel::piece_bpe;
    rules.merge_by_score = kind_ == 2;
    rules.byte_fallback = byte_fallback_;
    rules.strip_first = rules.prefix != PieceRules::Prefix::none;
    const auto exists = [&](int64_t id) -> std::optional<int32_t> {
      if (id < 0 || id >= static_cast<int64_t>(spec_.tokens.size())) return std::nullopt;
      return static_cast<int32_t>(id);
    };
    spec_.tasks = {.bos = exists(bos_), .eos = exists(eos_), .unknown = spec_.tasks.unknown, .pad = exists(pad_)};
    return std::move(spec_);
  }

 private:
  void remove_extra_whitespaces(bool remove) {
    spec_.pieces.one_space = spec_.pieces.strip_left = spec_.pieces.strip_right = remove;
  }

  void read_piece(std::string_view bytes) {
    std::string_view text;
    float score = 0;
    uint64_t type = 1;
    Message message(bytes, file_);
    while (const auto field = message.next()) {
      if (field->number == 1 && field->is_bytes) text = field->bytes;
      if (field->number == 2) {
        const auto bits = static_cast<uint32_t>(field->value);
        std::memcpy(&score, &bits, sizeof score);
      }
      if (field->number == 3) type = field->value;
    }
    const size_t id = spec_.tokens.size();
    if (type < 1 || type > 6) fail("{}: piece {}: expected a type from 1 to 6, found {}", file_, id, type);
    if (text.empty()) fail("{}: piece {}: expected a text, found none", file_, id);
    if (id > static_cast<size_t>(kMaxTokenId))
      fail("{}: expected at most {} pieces, found more", file_, kMaxTokenId + 1);
    if (seen_.find(text))
      fail("{}: piece {}: \"{}\" is there twice", file_, id, utf8_replace_invalid(text.substr(0, 60)));
    seen_[text] = 1;
    // What users define is found in the text as it is, where a space is not yet U+2581.
    const bool defined = static_cast<PieceType>(type) == PieceType::user_defined;
    add_piece(spec_, defined ? piece_with_spaces(text) : std::string(text), static_cast<PieceType>(type));
    spec_.scores.push_back(score);
  }

  static std::string piece_with_spaces(std::string_view text) {
    std::string out(text);
    constexpr std::string_view kSign = "\u2581";
    for (size_t at = 0; (at = out.find(kSign, at)) != out.npos; ++at) out.replace(at, kSign.size(), " ");
    return out;
  }

  void read_trainer(std::string_view bytes) {
    Message message(bytes, file_);
    while (const auto field = message.next()) {
      const auto id = static_cast<int64_t>(field->value);
      switch (field->number) {
        case 3: kind_ = field->value; break;
        case 24:
          if (field->value) fail("{}: treat_whitespace_as_suffix is not supported", file_);
          break;
        case 35: byte_fallback_ = field->value != 0; break;
        case 41: bos_ = id; break;
        case 42: eos_ = id; break;
        case 43: pad_ = id; break;
        default: break;
      }
    }
  }

  void read_normalizer(std::string_view bytes) {
    Message message(bytes, file_);
    while (const auto field = message.next()) {
      switch (field->number) {
        case 2: spec_.pieces.charsmap = field->bytes; break;
        case 3: spec_.pieces.prefix = field->value ? PieceRules::Prefix::start : PieceRules::Prefix::none; break;
        case 4: remove_extra_whitespaces(field->value != 0); break;
        case 5:
          if (!field->value) fail("{}: escape_whitespaces that is false is not supported", file_);
          break;
        default: break;
      }
    }
  }

  std::string_view content_;
  const std::string& file_;
  TokenizerSpec spec_;
  BytesTable<char> seen_;
  uint64_t kind_ = 1;
  bool byte_fallback_ = false;
  int64_t bos_ = 1, eos_ = 2, pad_ = -1;
};

}  // namespace

bool is_sentencepiece_model(std::string_view content) {
  // A first piece, and the zeros of its score, where a text would have none.
  return content.starts_with('\n') && content.substr(0, 256).find('\0') != content.npos;
}

TokenizerSpec read_sentencepiece_model(std::string_view content, const std::string& name) {
  return Reader(content, name).read();
}

}  // namespace propane
