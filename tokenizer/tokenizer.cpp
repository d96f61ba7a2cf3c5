#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <mutex>

#include "base/error.h"
#include "base/threads.h"
#include "base/utf8.h"
#include "tokenizer/gguf_vocabulary.h"
#include "tokenizer/nfc.h"
#include "tokenizer/piece_types.h"
#include "tokenizer/pieces.h"
#include "tokenizer/rank_file.h"
#include "tokenizer/sentencepiece_model.h"
#include "tokenizer/tokenizer_json.h"

namespace propane {

namespace {

// A text longer than this is cut at safe places and encoded on all threads.
constexpr size_t kSliceBytes = 256 * 1024;

void check(const TokenizerSpec& spec) {
  const auto size = static_cast<int64_t>(spec.tokens.size());
  const auto mergeable = [&](int32_t id) {
    return id >= 0 && id < size && !spec.tokens[static_cast<size_t>(id)].empty();
  };
  for (const Merge& merge : spec.merges)
    if (!mergeable(merge.left) || !mergeable(merge.right) || !mergeable(merge.result))
      fail("merge of rank {}: expected three tokens of the vocabulary, found ids {} + {} = {}", merge.rank, merge.left,
           merge.right, merge.result);
  int64_t ids = size;
  for (const AddedToken& token : spec.added) ids = std::max<int64_t>(ids, int64_t{token.id} + 1);
  const TaskIds& tasks = spec.tasks;
  for (const auto& id : {tasks.bos, tasks.eos, tasks.eot, tasks.eom, tasks.unknown, tasks.pad})
    if (id && (*id < 0 || *id >= ids)) fail("expected bos, eos and the like among the {} ids, found {}", ids, *id);
  std::vector<const AddedToken*> added;
  for (const AddedToken& token : spec.added) {
    if (token.id < 0) fail("added token \"{}\": expected an id of 0 or more, found {}", token.text, token.id);
    if (!utf8_valid(token.text)) fail("added token of id {}: its text is not UTF-8", token.id);
    if (token.text.empty()) fail("added token of id {}: its text is empty", token.id);
    if (mergeable(token.id) && spec.tokens[static_cast<size_t>(token.id)] != token.text)
      fail("id {} is both the token \"{}\" and the added token \"{}\"", token.id,
           utf8_replace_invalid(spec.tokens[static_cast<size_t>(token.id)]), token.text);
    added.push_back(&token);
  }
  std::sort(added.begin(), added.end(), [](auto* a, auto* b) { return a->text < b->text; });
  for (size_t i = 1; i < added.size(); ++i)
    if (added[i - 1]->text == added[i]->text) fail("the added token \"{}\" is there twice", added[i]->text);
  std::sort(added.begin(), added.end(), [](auto* a, auto* b) { return a->id < b->id; });
  for (size_t i = 1; i < added.size(); ++i)
    if (added[i - 1]->id == added[i]->id)
      fail("id {} is both the added token \"{}\" and \"{}\"", added[i]->id, added[i - 1]->text, added[i]->text);
}

// Models of pieces seek all in the text as it is.
std::vector<AddedToken> added_where(const TokenizerSpec& spec, bool normalized) {
  const bool bytes = spec.model == TokenizerModel::byte_bpe;
  std::vector<AddedToken> tokens;
  for (const AddedToken& token : spec.added)
    if ((bytes && token.normalized) == normalized) tokens.push_back(token);
  return tokens;
}

std::vector<bool> end_ids(const TokenizerSpec& spec, size_t size) {
  std::vector<bool> ends(size);
  for (const auto& id : {spec.tasks.eos, spec.tasks.eot, spec.tasks.eom})
    if (id) ends[static_cast<size_t>(*id)] = true;
  for (const AddedToken& token : spec.added)
    if (token.special && is_end_name(token.text)) ends[static_cast<size_t>(token.id)] = true;
  return ends;
}

}  // namespace

struct Tokenizer::Impl {
  // What one thread encodes with: either words of bytes, or pieces.
  struct Worker {
    explicit Worker(const Impl& impl) {
      if (impl.pieces) {
        pieces.emplace(*impl.pieces);
      } else {
        walker.emplace(impl.splitter);
        bpe.emplace(*impl.bpe);
      }
    }
    void encode(std::string_view text, std::vector<int32_t>& out) {
      if (pieces) return pieces->encode(text, out);
      walker->walk(text, [&](std::span<const std::string_view> chunks) {
        for (const std::string_view chunk : chunks) bpe->encode(chunk, out);
      });
    }
    std::optional<Splitter::Walker> walker;
    std::optional<Bpe::Encoder> bpe;
    std::optional<PieceModel::Encoder> pieces;
  };

  // Lends a worker from the pool of idle ones for as long as it lives.
  class Lease {
   public:
    explicit Lease(Impl& impl) : impl_(impl) {
      {
        std::lock_guard lock(impl.mutex);
        if (!impl.idle.empty()) {
          worker_ = std::move(impl.idle.back());
          impl.idle.pop_back();
        }
      }
      if (!worker_) worker_ = std::make_unique<Worker>(impl);
    }
    ~Lease() {
      std::lock_guard lock(impl_.mutex);
      impl_.idle.push_back(std::move(worker_));
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Worker* operator->() { return worker_.get(); }

   private:
    Impl& impl_;
    std::unique_ptr<Worker> worker_;
  };

  explicit Impl(TokenizerSpec s)
      : spec((check(s), std::move(s))),
        splitter(spec.split),
        raw_added(added_where(spec, false)),
        normalized_added(added_where(spec, true)),
        texts(spec.tokens) {
    if (spec.model == TokenizerModel::byte_bpe) {
      bpe.emplace(spec.tokens, spec.merges, spec.whole_chunk_first);
    } else {
      pieces.emplace(spec);
      for (std::string& text : texts) text = piece_text(spec, text);
    }
    for (const AddedToken& token : spec.added) {
      const auto id = static_cast<size_t>(token.id);
      if (id >= texts.size()) texts.resize(id + 1);
      texts[id] = token.text;
      if (special.size() < texts.size()) special.resize(texts.size());
      special[id] = token.special;
    }
    special.resize(texts.size());
    ends = end_ids(spec, texts.size());
    idle.reserve(64);
  }

  // Encodes text in which no added token is to be found.
  void encode_plain(std::string_view text, bool first, bool last, std::vector<int32_t>& out) {
    std::string changed;
    if (pieces) text = changed = pieces->normalize(text, first, last);
    else if (spec.add_prefix_space && !text.empty() && text[0] != ' ') text = (changed = " ").append(text);
    if (text.size() < 4 * kSliceBytes) return Lease(*this)->encode(text, out);
    std::vector<std::string_view> slices;
    for (size_t at = 0; at < text.size();) {
      const size_t from = std::min(text.size(), at + kSliceBytes);
      const size_t cut = pieces ? pieces->safe_cut(text, from) : splitter.safe_cut(text, from);
      slices.push_back(text.substr(at, cut - at));
      at = cut;
    }
    std::vector<std::vector<int32_t>> parts(slices.size());
    threads().parallel_tasks(static_cast<int64_t>(slices.size()), [&](int64_t i, int) {
      Lease(*this)->encode(slices[static_cast<size_t>(i)], parts[static_cast<size_t>(i)]);
    });
    for (const auto& part : parts) out.insert(out.end(), part.begin(), part.end());
  }

  // Takes out the tokens that `finder` finds and passes the text between them on.
  template <typename Rest>
  static void take_out(const AddedTokenFinder& finder, std::string_view text, const AllowedSpecials& allowed,
                       std::vector<int32_t>& out, Rest&& rest) {
    size_t at = 0;
    if (finder.seeks(allowed))
      for (AddedTokenFinder::Match match; (match = finder.find(text, at, allowed)).id >= 0; at = match.end) {
        if (match.begin > at) rest(text.substr(at, match.begin - at));
        out.push_back(match.id);
      }
    if (at < text.size()) rest(text.substr(at));
  }

  void encode(std::string_view text, const AllowedSpecials& allowed, std::vector<int32_t>& out) {
    if (pieces) return encode_pieces(text, allowed, out);
    take_out(raw_added, text, allowed, out, [&](std::string_view piece) {
      std::string normal;
      if (spec.nfc && !is_nfc_quick(piece)) piece = normal = to_nfc(piece);
      take_out(normalized_added, piece, allowed, out,
               [&](std::string_view plain) { encode_plain(plain, false, false, out); });
    });
  }

  // Models of pieces normalize what stands between all added tokens, which they seek in the text as it is.
  void encode_pieces(std::string_view text, const AllowedSpecials& allowed, std::vector<int32_t>& out) {
    const bool from_start = spec.pieces.prefix == PieceRules::Prefix::start;
    bool first = true;
    size_t at = 0;
    AddedTokenFinder::Match match;
    while (raw_added.seeks(allowed) && (match = raw_added.find(text, at, allowed)).id >= 0) {
      const bool is_text = !special[static_cast<size_t>(match.id)];
      if (match.begin > at || (first && from_start && is_text)) {
        encode_plain(text.substr(at, match.begin - at), first, false, out);
        first = false;
      }
      if (is_text || !from_start) first = false;
      out.push_back(match.id);
      at = match.end;
    }
    if (at < text.size()) encode_plain(text.substr(at), first, true, out);
  }

  size_t checked(int32_t id) const {
    if (id < 0 || static_cast<size_t>(id) >= texts.size())
      fail("token id {}: expected one in [0, {})", id, texts.size());
    return static_cast<size_t>(id);
  }

  const TokenizerSpec spec;
  const Splitter splitter;
  std::optional<Bpe> bpe;            // one of these
  std::optional<PieceModel> pieces;  // two
  const AddedTokenFinder raw_added, normalized_added;
  std::vector<std::string> texts;  // by id: bytes of mergeable tokens, text of added ones
  std::vector<bool> special;
  std::vector<bool> ends;  // see ends_text()
  std::mutex mutex;
  std::vector<std::unique_ptr<Worker>> idle;
};

Tokenizer::Tokenizer(TokenizerSpec spec) : impl_(std::make_unique<Impl>(std::move(spec))) {}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

namespace {

TokenizerSpec read_spec(const Path& path, const RankFileOptions& options) {
  const MappedFile file(path);
  const std::string_view content = file.text();
  const std::string name = path.string();
  if (content.starts_with("GGUF")) return read_gguf_vocabulary(GgufFile(path));
  if (is_sentencepiece_model(content)) return read_sentencepiece_model(content, name);
  const size_t first = content.find_first_not_of(" \t\r\n");
  if (first == content.npos)
    fail("{}: expected a tokenizer.json, a GGUF file, a tokenizer.model or a tiktoken rank file, found an empty file",
         name);
  const bool json = content[first] == '{' || content.starts_with("\xEF\xBB\xBF");
  return json ? read_tokenizer_json(content, name) : read_rank_file(content, name, options);
}

}  // namespace

Tokenizer Tokenizer::load(const Path& path, const RankFileOptions& options) {
  TokenizerSpec spec = read_spec(path, options);
  try {
    return Tokenizer(std::move(spec));
  } catch (const Error& error) {
    fail("{}: {}", path.string(), error.what());
  }
}

void Tokenizer::save(const Path& path) const { write_file_atomically(path, write_tokenizer_json(impl_->spec)); }

void Tokenizer::save_ranks(const Path& path) const { write_file_atomically(path, write_rank_file(impl_->spec)); }

int Tokenizer::vocab_size() const { return static_cast<int>(impl_->texts.size()); }

std::vector<int32_t> Tokenizer::encode(std::string_view text, const AllowedSpecials& allowed) const {
  std::vector<int32_t> out;
  impl_->encode(text, allowed, out);
  return out;
}

void Tokenizer::encode_to(std::string_view text, const AllowedSpecials& allowed, std::vector<int32_t>& out) const {
  impl_->encode(text, allowed, out);
}

std::vector<int32_t> Tokenizer::encode_with_ends(std::string_view text, const AllowedSpecials& allowed) const {
  std::vector<int32_t> out = impl_->spec.prefix;
  impl_->encode(text, allowed, out);
  out.insert(out.end(), impl_->spec.suffix.begin(), impl_->spec.suffix.end());
  return out;
}

std::vector<std::vector<int32_t>> Tokenizer::encode_batch(std::span<const std::string_view> texts,
                                                          const AllowedSpecials& allowed) const {
  std::vector<std::vector<int32_t>> out(texts.size());
  // Long texts are spread over the threads one by one, the short ones then in parallel.
  const auto is_long = [&](size_t i) { return texts[i].size() >= 4 * kSliceBytes; };
  for (size_t i = 0; i < texts.size(); ++i)
    if (is_long(i)) impl_->encode(texts[i], allowed, out[i]);
  threads().parallel_tasks(static_cast<int64_t>(texts.size()), [&](int64_t task, int) {
    const auto i = static_cast<size_t>(task);
    if (is_long(i)) return;
    out[i].reserve(texts[i].size() / 4);
    impl_->encode(texts[i], allowed, out[i]);
  });
  return out;
}

std::string Tokenizer::decode(std::span<const int32_t> ids) const {
  std::string out;
  for (const int32_t id : ids) out += impl_->texts[impl_->checked(id)];
  if (impl_->spec.pieces.strip_first && out.starts_with(' ')) out.erase(0, 1);
  return out;
}

std::string_view Tokenizer::token(int32_t id) const { return impl_->texts[impl_->checked(id)]; }

int Tokenizer::token_bytes(int32_t id) const { return is_special(id) ? 0 : static_cast<int>(token(id).size()); }

int Tokenizer::token_bytes_replaced(int32_t id) const {
  return is_special(id) ? 0 : static_cast<int>(utf8_replace_invalid(token(id)).size());
}

bool Tokenizer::is_special(int32_t id) const { return impl_->special[impl_->checked(id)]; }

bool Tokenizer::ends_text(int32_t id) const { return impl_->ends[impl_->checked(id)]; }

std::optional<int32_t> Tokenizer::special_id(std::string_view text) const {
  for (const AddedToken& token : impl_->spec.added)
    if (token.text == text) return token.id;
  return std::nullopt;
}

std::optional<int32_t> Tokenizer::bos_id() const {
  if (impl_->spec.tasks.bos) return impl_->spec.tasks.bos;
  if (!impl_->spec.prefix.empty()) return impl_->spec.prefix.front();
  for (const char* name : {"<|reserved_0|>", "<|begin_of_text|>", "<|startoftext|>", "<|bos|>", "<s>", "<|endoftext|>"})
    if (const auto id = special_id(name)) return id;
  return std::nullopt;
}

const TokenizerSpec& Tokenizer::spec() const { return impl_->spec; }

TokenStream::TokenStream(const Tokenizer& tokenizer, bool continues)
    : tokenizer_(tokenizer), at_start_(!continues && tokenizer.spec().pieces.strip_first) {}

std::string TokenStream::push(int32_t id) {
  std::string_view text = tokenizer_.token(id);
  if (at_start_ && !text.empty()) {
    at_start_ = false;
    if (text[0] == ' ') text.remove_prefix(1);
  }
  return utf8_.push(text);
}

std::string TokenStream::finish() { return utf8_.finish(); }

}  // namespace propane
