#include "infer/generator.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "base/utf8.h"
#include "graph/ops.h"
#include "graph/passes/passes.h"
#include "models/model.h"
#include "tokenizer/tokenizer.h"

namespace propane {

namespace {

// A prompt is cut into chunks of these lengths, the longest first, so that no chunk needs padding.
constexpr int64_t kChunks[] = {256, 64, 8, 1};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

Generator::Generator(const ModelConfig& config, State& state, Device& device, int64_t context)
    : config_(config), state_(state), device_(device), context_(context) {
  if (context < 1) fail("a context of {} tokens holds nothing", context);
  if (config.family == Family::gpt2 && context > config.seq)
    fail("the model has learned positions for {} tokens; a context of {} was asked for", config.seq, context);
  logits_.resize(static_cast<size_t>(config.vocab));
  tokens_.reserve(static_cast<size_t>(context));
}

Plan& Generator::plan(int64_t len) {
  auto& known = plans_[len];
  if (known) return *known;
  Graph g;
  const Trunk trunk = build_trunk(g, config_, {.batch = 1, .len = len, .kv_max = context_, .stored = &state_});
  const Val x = gather_rows(g, trunk.x, g.input("last", {DType::i32, {1}}));
  g.output("logits", build_logits(g, config_, x, trunk.head));
  fuse(g, [&](const Graph& graph, const Node& node) { return device_.takes(graph, node); });
  known = std::make_unique<Plan>(std::move(g), state_, PlanOptions{{&device_}, true});
  return *known;
}

std::span<const float> Generator::feed(std::span<const int32_t> tokens) {
  const auto n = static_cast<int64_t>(tokens.size());
  if (n == 0) fail("there is no token to continue from");
  if (length() + n > context_)
    fail("the context of {} tokens is full: {} are in it and {} were to follow", context_, length(), n);
  for (int32_t token : tokens)
    if (token < 0 || token >= config_.vocab)
      fail("token {} is outside the model's vocabulary of {}", token, config_.vocab);
  for (int64_t at = 0; at < n;) {
    const int64_t len = *std::find_if(std::begin(kChunks), std::end(kChunks), [&](int64_t c) { return c <= n - at; });
    Plan& p = plan(len);
    int32_t positions[256];
    for (int64_t i = 0; i < len; ++i) positions[i] = static_cast<int32_t>(length() + i);
    const auto fed = tokens.subspan(static_cast<size_t>(at), static_cast<size_t>(len));
    p.set("tokens", fed);
    p.set("positions", std::span<const int32_t>(positions, static_cast<size_t>(len)));
    const int32_t kv_len = static_cast<int32_t>(length() + len), last = static_cast<int32_t>(len - 1);
    p.set("kv_len", std::span(&kv_len, 1));
    p.set("last", std::span(&last, 1));
    p.run();
    tokens_.insert(tokens_.end(), fed.begin(), fed.end());
    at += len;
    if (at < n) continue;
    if (config_.dtype == DType::f64) {
      std::vector<double> wide(logits_.size());
      p.read("logits", std::span<double>(wide));
      std::copy(wide.begin(), wide.end(), logits_.begin());
    } else {
      p.read("logits", std::span<float>(logits_));
    }
  }
  return logits_;
}

int64_t Generator::common_prefix(std::span<const int32_t> tokens) const {
  const size_t most = std::min(tokens.empty() ? 0 : tokens.size() - 1, tokens_.size());
  const auto [ours, theirs] = std::mismatch(tokens_.begin(), tokens_.begin() + static_cast<ptrdiff_t>(most), tokens.begin());
  return ours - tokens_.begin();
}

std::span<const float> Generator::resume(std::span<const int32_t> tokens) {
  reset(common_prefix(tokens));
  return feed(tokens.subspan(tokens_.size()));
}

size_t Generator::bytes_per_token() const {
  size_t bytes = 0;
  for (const Param& p : parameters(config_)) {
    const bool looked_up = p.kind == ParamKind::embedding || p.kind == ParamKind::value_embedding;
    const Type& type = state_.at(p.name).type;
    bytes += looked_up ? row_bytes(type.dtype, p.shape[1]) : type.bytes();
    if (looked_up && p.kind == ParamKind::embedding && config_.tied) bytes += type.bytes();  // the head
  }
  for (int64_t i = 0; i < config_.n_layer; ++i) {
    const int64_t window = config_.window(i);
    const int64_t keys = window > 0 ? std::min(window, length()) : length();
    bytes += 2 * dtype_size(config_.dtype) * static_cast<size_t>(keys * config_.kv_dim());
  }
  return bytes;
}

Generated generate(Generator& generator, const Tokenizer& tokenizer, std::span<const int32_t> prompt,
                   const GenerateOptions& options, const std::function<void(std::string_view)>& emit) {
  Generated result;
  result.prompt_tokens = static_cast<int64_t>(prompt.size());
  result.finish = "length";
  const auto start = std::chrono::steady_clock::now();
  result.cached_tokens = generator.common_prefix(prompt);
  std::span<const float> logits = generator.resume(prompt);
  result.prefill_seconds = seconds_since(start);

  Sampler sampler(options.sampling, static_cast<int64_t>(logits.size()));
  std::vector<int32_t> all(prompt.begin(), prompt.end());
  Utf8Stream stream;
  size_t emitted = 0;
  size_t longest_stop = 0;
  for (const std::string& stop : options.stop) longest_stop = std::max(longest_stop, stop.size());
  const auto decode_start = std::chrono::steady_clock::now();

  for (int64_t i = 0; i < options.max_tokens; ++i) {
    const int32_t token = sampler.sample(logits, all, static_cast<uint64_t>(generator.length()));
    if (std::count(options.stop_tokens.begin(), options.stop_tokens.end(), token)) {
      result.finish = "stop";
      break;
    }
    all.push_back(token);
    result.tokens.push_back(token);
    const size_t searched = result.text.size();
    result.text += stream.push(tokenizer.decode(std::span(&token, 1)));
    size_t cut = std::string::npos;
    for (const std::string& stop : options.stop)
      if (!stop.empty())
        cut = std::min(cut, result.text.find(stop, searched < longest_stop ? 0 : searched - longest_stop));
    if (cut != std::string::npos) {
      result.text.resize(cut);
      result.finish = "stop";
      break;
    }
    // Hold back what may still become a stop string.
    const size_t safe = result.text.size() - std::min(result.text.size(), longest_stop > 0 ? longest_stop - 1 : 0);
    size_t end = safe;
    while (end > emitted && end < result.text.size() && (static_cast<unsigned char>(result.text[end]) & 0xC0) == 0x80)
      --end;
    if (end > emitted) {
      if (emit) emit(std::string_view(result.text).substr(emitted, end - emitted));
      emitted = end;
    }
    if (options.interrupted && options.interrupted()) {
      result.finish = "interrupted";
      break;
    }
    if (i + 1 == options.max_tokens) break;
    if (generator.length() == generator.context()) break;
    logits = generator.feed(std::span(&token, 1));
  }
  result.decode_seconds = seconds_since(decode_start);
  if (result.finish != "stop") result.text += stream.finish();
  if (emit && result.text.size() > emitted) emit(std::string_view(result.text).substr(emitted));
  return result;
}

}  // namespace propane
