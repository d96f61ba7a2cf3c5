// Times the tokenizer on documents in memory; bench/tokenizer.py sets it against rustbpe and tiktoken.
//
//   bench_tokenizer train DOCUMENTS VOCAB_SIZE OUT.tiktoken
//   bench_tokenizer encode DOCUMENTS RANKS.tiktoken
//
// DOCUMENTS is a file of texts with zero bytes between them. Prints one JSON object: the seconds of one run in a fresh
// process, files not counted, on `threads` threads (PROPANE_BENCH_THREADS, by default 2), and a check sum of the ids.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/threads.h"
#include "tokenizer/train.h"

namespace propane {
namespace {

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

int run(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (!(mode == "train" && argc == 5) && !(mode == "encode" && argc == 4))
    fail_usage("expected `train DOCUMENTS VOCAB_SIZE OUT.tiktoken` or `encode DOCUMENTS RANKS.tiktoken`");
  const char* count = std::getenv("PROPANE_BENCH_THREADS");
  set_thread_count(count ? std::atoi(count) : 2);
  threads();

  const std::string content = read_file(argv[2]);
  std::vector<std::string_view> documents;
  for (size_t at = 0; at <= content.size();) {
    const size_t end = std::min(content.find('\0', at), content.size());
    documents.push_back(std::string_view(content).substr(at, end - at));
    at = end + 1;
  }

  double seconds = 0;
  uint64_t tokens = 0, sum = 0;
  if (mode == "train") {
    std::optional<Tokenizer> tokenizer;
    seconds = seconds_of([&] { tokenizer = train_bpe({.vocab_size = std::atoi(argv[3])}, documents); });
    tokenizer->save_ranks(argv[4]);
  } else {
    const Tokenizer tokenizer = Tokenizer::load(argv[3]);
    std::vector<std::vector<int32_t>> ids;
    seconds = seconds_of([&] { ids = tokenizer.encode_batch(documents); });
    for (const auto& document : ids)
      for (const int32_t id : document) sum += ++tokens * static_cast<uint64_t>(id) % 1000003;
  }
  fmt::print("{{\"seconds\": {}, \"threads\": {}, \"tokens\": {}, \"checksum\": {}}}\n", seconds, threads().size(),
             tokens, sum);
  return 0;
}

}  // namespace
}  // namespace propane

int main(int argc, char** argv) {
  try {
    return propane::run(argc, argv);
  } catch (const propane::Error& error) {
    std::fprintf(stderr, "bench_tokenizer: %s\n", error.what());
    return 1;
  }
}
