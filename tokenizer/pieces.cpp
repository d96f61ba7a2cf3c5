#include "tokenizer/pieces.h"

#include <algorithm>
#include <functional>

#include "base/error.h"
#include "base/utf8.h"
#include "tokenizer/nfc.h"

namespace propane {

namespace {

constexpr std::string_view kSpaceSign = "\u2581";

// Longer pieces are refused as damage: looking for all ways to halve one takes the square of its length.
constexpr size_t kMaxPieceBytes = 4096;

std::string with_spaces(std::string_view piece) {
  std::string out;
  for (size_t at = 0; at < piece.size();) {
    const size_t sign = std::min(piece.find(kSpaceSign, at), piece.size());
    out += piece.substr(at, sign - at);
    if (sign < piece.size()) out += ' ';
    at = sign + kSpaceSign.size();
  }
  return out;
}

// The byte that a piece <0xNN> stands for; -1 for all others.
int byte_of(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return -1;
  int value = 0;
  for (const char c : piece.substr(3, 2)) {
    const bool digit = c >= '0' && c <= '9', letter = c >= 'A' && c <= 'F';
    if (!digit && !letter) return -1;
    value = value * 16 + (digit ? c - '0' : c - 'A' + 10);
  }
  return value;
}

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// The places within a text where a character begins.
template <typename Visit>
void for_each_inner_character(std::string_view text, Visit&& visit) {
  for (size_t at = 1; at < text.size(); ++at)
    if (!continues_character(text[at])) visit(at);
}

size_t joint(std::string_view text, size_t at) {
  return static_cast<size_t>(static_cast<unsigned char>(text[at - 1])) << 8 | static_cast<unsigned char>(text[at]);
}

// Any two neighbours that are a piece together merge, the greatest score first; each of the two is a piece itself or a
// single character, which then gets an id in `characters`.
std::vector<Merge> merges_of_scores(const std::vector<std::string>& pieces, const std::vector<float>& scores,
                                    BpeCharacters& characters) {
  BytesTable<int32_t> ids;
  for (size_t id = 0; id < pieces.size(); ++id)
    if (!pieces[id].empty()) ids[pieces[id]] = static_cast<int32_t>(id);

  std::vector<float> order;
  for (size_t id = 0; id < pieces.size(); ++id)
    if (!pieces[id].empty()) order.push_back(scores[id]);
  std::sort(order.begin(), order.end(), std::greater<>());
  order.erase(std::unique(order.begin(), order.end()), order.end());

  const auto id_of = [&](std::string_view part) {
    if (const int32_t* id = ids.find(part)) return *id;
    int length = 0;
    if (!utf8_valid(part) || (utf8_code(part.data(), length), static_cast<size_t>(length) != part.size())) return -1;
    if (const int32_t* id = characters.ids.find(part)) return *id;
    const auto id = static_cast<int32_t>(pieces.size() + characters.parts_only.size());
    characters.parts_only.emplace_back(part);
    return characters.ids[part] = id;
  };
  std::vector<Merge> merges;
  for (size_t id = 0; id < pieces.size(); ++id) {
    const std::string_view piece = pieces[id];
    for_each_inner_character(piece, [&](size_t cut) {
      const int32_t left = id_of(piece.substr(0, cut));
      const int32_t right = left < 0 ? -1 : id_of(piece.substr(cut));
      if (right < 0) return;
      const auto rank = std::lower_bound(order.begin(), order.end(), scores[id], std::greater<>()) - order.begin();
      merges.push_back({left, right, static_cast<int32_t>(id), static_cast<int32_t>(rank)});
    });
  }
  return merges;
}

// The pieces that a text can become, with spaces; the others empty.
std::vector<std::string> encodable(const TokenizerSpec& spec) {
  std::vector<std::string> pieces(spec.tokens.size());
  for (size_t id = 0; id < pieces.size(); ++id) {
    const std::string& piece = spec.tokens[id];
    if (spec.pieces.byte_fallback && byte_of(piece) >= 0) continue;
    if (piece.find(' ') != piece.npos) continue;  // no normalized text holds a space that is not U+2581
    pieces[id] = with_spaces(piece);
  }
  const auto drop = [&](int32_t id) {
    if (id >= 0 && static_cast<size_t>(id) < pieces.size()) pieces[static_cast<size_t>(id)].clear();
  };
  for (const int32_t id : spec.unused) drop(id);
  // Written merges may lead to an added token; scores lead to pieces that are only that.
  if (spec.model == TokenizerModel::unigram || spec.pieces.merge_by_score)
    for (const AddedToken& token : spec.added) drop(token.id);
  drop(spec.tasks.unknown.value_or(-1));
  for (size_t id = 0; id < pieces.size(); ++id)
    if (pieces[id].size() > kMaxPieceBytes)
      fail("the piece of id {}: expected at most {} bytes, found {}", id, kMaxPieceBytes, pieces[id].size());
  return pieces;
}

std::string one_space(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i)
    if (text[i] != ' ' || i == 0 || text[i - 1] != ' ') out += text[i];
  return out;
}

}  // namespace

std::string piece_text(const TokenizerSpec& spec, std::string_view piece) {
  const int byte = spec.pieces.byte_fallback ? byte_of(piece) : -1;
  return byte >= 0 ? std::string(1, static_cast<char>(byte)) : with_spaces(piece);
}

PieceModel::PieceModel(const TokenizerSpec& spec)
    : rules_(spec.pieces), nfc_(spec.nfc), unknown_(spec.tasks.unknown.value_or(-1)) {
  const bool by_score = spec.model == TokenizerModel::unigram || rules_.merge_by_score;
  if (by_score && spec.scores.size() != spec.tokens.size())
    fail("expected a score for each of the {} pieces, found {}", spec.tokens.size(), spec.scores.size());
  for (const float score : spec.scores)
    if (!(score > -1e30f && score < 1e30f)) fail("expected scores of pieces that are finite, found {}", score);
  if (!rules_.charsmap.empty()) charsmap_.emplace(rules_.charsmap);

  const std::vector<std::string> pieces = encodable(spec);
  for (const std::string& piece : pieces)
    for_each_inner_character(piece, [&](size_t at) { together_.set(joint(piece, at)); });
  // A whole text that is one token must not be cut before it is looked up.
  if (spec.whole_chunk_first) together_.set();

  BpeCharacters characters;
  characters.bytes.fill(-1);
  if (rules_.byte_fallback)
    for (size_t id = 0; id < spec.tokens.size(); ++id)
      if (const int byte = byte_of(spec.tokens[id]); byte >= 0)
        characters.bytes[static_cast<size_t>(byte)] = static_cast<int32_t>(id);
  characters.unknown = unknown_;
  if (spec.model == TokenizerModel::unigram) {
    unigram_.emplace(pieces, spec.scores, characters.bytes, unknown_);
    return;
  }
  for (size_t id = 0; id < pieces.size(); ++id) {
    int length = 0;
    if (!pieces[id].empty() && utf8_valid(pieces[id]) &&
        (utf8_code(pieces[id].data(), length), static_cast<size_t>(length) == pieces[id].size()))
      characters.ids[pieces[id]] = static_cast<int32_t>(id);
  }
  const std::vector<Merge> merges =
      rules_.merge_by_score ? merges_of_scores(pieces, spec.scores, characters) : spec.merges;
  bpe_.emplace(pieces, merges, spec.whole_chunk_first, std::move(characters));
}

std::string PieceModel::normalize(std::string_view text, bool first, bool last) const {
  std::string mapped;
  if (charsmap_) text = mapped = charsmap_->apply(text);
  if (nfc_ && !is_nfc_quick(text)) text = mapped = to_nfc(text);
  if (rules_.strip_left && (first || rules_.strip_each))
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  if (rules_.strip_right && (last || rules_.strip_each))
    text.remove_suffix(text.size() - (text.find_last_not_of(' ') + 1));
  if (rules_.one_space) text = mapped = one_space(text);
  std::string out = with_spaces(text);
  using Prefix = PieceRules::Prefix;
  const bool wanted = rules_.prefix == Prefix::each || (rules_.prefix != Prefix::none && first);
  const bool something = !out.empty() || (rules_.prefix == Prefix::start && !last);
  if (wanted && something && !(rules_.prefix_unless_there && out[0] == ' ')) out.insert(0, 1, ' ');
  return out;
}

size_t PieceModel::safe_cut(std::string_view text, size_t from) const {
  for (size_t at = std::max<size_t>(from, 1); at < text.size(); ++at) {
    if (continues_character(text[at])) continue;
    if ((rules_.words_apart && text[at] == ' ') || !together_[joint(text, at)]) return at;
  }
  return text.size();
}

PieceModel::Encoder::Encoder(const PieceModel& model) : model_(model) {
  if (model.bpe_) bpe_.emplace(*model.bpe_);
  else unigram_.emplace(*model.unigram_);
}

void PieceModel::Encoder::encode(std::string_view text, std::vector<int32_t>& out) {
  const size_t first = out.size();
  for (size_t at = 0; at < text.size();) {
    const size_t end = model_.safe_cut(text, at + 1);
    const size_t before = out.size();
    if (bpe_) bpe_->encode(text.substr(at, end - at), out);
    else unigram_->encode(text.substr(at, end - at), out);
    // Unknown characters are one token together, and nothing holds their neighbours together.
    if (before > first && before < out.size() && out[before] == model_.unknown_ && out[before - 1] == model_.unknown_)
      out.erase(out.begin() + static_cast<std::ptrdiff_t>(before));
    at = end;
  }
}

}  // namespace propane
