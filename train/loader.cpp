#include "train/loader.h"

#include <condition_variable>
#include <exception>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "base/error.h"

namespace propane::train {

namespace {

using nlohmann::json;

void check(const LoaderOptions& options) {
  if (options.rows < 1) fail_usage("expected a positive number of rows a batch, found {}", options.rows);
  if (options.world < 1 || options.rank < 0 || options.rank >= options.world) {
    fail_usage("expected a rank below the world's size, found rank {} of {}", options.rank, options.world);
  }
  if (options.prefetch < 1) fail_usage("expected at least one batch made ahead, found {}", options.prefetch);
}

// What a state must share with the loader that restores it.
json fingerprint(const TokenCorpus& corpus, const PackingOptions& options) {
  return {{"packing", options.packing == Packing::best_fit ? "best_fit" : "autoresearch"},
          {"seq", options.seq},
          {"buffer_documents", options.buffer_documents},
          {"shuffle", options.shuffle},
          {"seed", options.seed},
          {"documents", corpus.document_count()},
          {"tokens", corpus.token_count()}};
}

json to_json(const PackerState& state) {
  json buffer = json::array();  // three numbers a piece
  for (const Piece& piece : state.buffer) {
    buffer.push_back(piece.document);
    buffer.push_back(piece.begin);
    buffer.push_back(piece.size);
  }
  return {{"epoch", state.epoch}, {"position", state.position}, {"buffer", std::move(buffer)}};
}

PackerState from_json(const json& value, const TokenCorpus& corpus) {
  PackerState state{value.at("epoch").get<int64_t>(), value.at("position").get<uint64_t>(), {}};
  const auto numbers = value.at("buffer").get<std::vector<uint64_t>>();
  if (state.epoch < 1 || numbers.size() % 3 != 0) fail("the data loader's state is damaged");
  for (size_t i = 0; i < numbers.size(); i += 3) {
    const Piece piece{numbers[i], numbers[i + 1], numbers[i + 2]};
    const uint64_t size = piece.document < corpus.document_count() ? corpus.document(piece.document).size() : 0;
    if (piece.begin >= size || piece.size < 1 || piece.size > size - piece.begin) {
      fail("the data loader's state is damaged: it names tokens {} to {} of document {}", piece.begin,
           piece.begin + piece.size, piece.document);
    }
    state.buffer.push_back(piece);
  }
  return state;
}

}  // namespace

struct Loader::Impl {
  Impl(const TokenCorpus& data, const LoaderOptions& chosen)
      : corpus(data), options(chosen), packer(make_packer(data, chosen.packing)) {
    const auto size = static_cast<size_t>(options.rows * options.packing.seq);
    for (int i = 0; i < options.prefetch + 1; ++i) {  // one is the caller's
      Slot& slot = slots.emplace_back();
      for (auto* values : {&slot.batch.tokens, &slot.batch.targets, &slot.batch.doc_start, &slot.batch.positions}) {
        values->resize(size);
      }
      for (size_t k = 0; k < size; ++k) {
        slot.batch.positions[k] = static_cast<int32_t>(k % static_cast<size_t>(options.packing.seq));
      }
    }
    packer->save(&last);
  }

  ~Impl() { stop(); }

  struct Slot {
    Batch batch;
    PackerState after;
  };

  void start() {
    stopping = false;
    made = taken = 0;
    thread = std::thread([this] { produce(); });
  }

  void stop() {
    if (!thread.joinable()) return;
    {
      std::lock_guard lock(mutex);
      stopping = true;
    }
    changed.notify_all();
    thread.join();
  }

  void produce() {
    try {
      for (uint64_t number = 0;; ++number) {
        {
          std::unique_lock lock(mutex);
          // The batch taken last is still being read.
          changed.wait(lock, [&] { return stopping || number - (taken > 0 ? taken - 1 : 0) < slots.size(); });
          if (stopping) return;
        }
        make(slots[number % slots.size()]);
        {
          std::lock_guard lock(mutex);
          made = number + 1;
        }
        changed.notify_all();
      }
    } catch (...) {
      std::lock_guard lock(mutex);
      error = std::current_exception();
      changed.notify_all();
    }
  }

  void make(Slot& slot) {
    const auto seq = static_cast<size_t>(options.packing.seq);
    for (int rank = 0; rank < options.world; ++rank) {
      for (int64_t i = 0; i < options.rows; ++i) {
        packer->next_row(&row);
        if (rank != options.rank) continue;
        const auto of_row = [&](std::vector<int32_t>& values) {
          return std::span(values).subspan(static_cast<size_t>(i) * seq, seq);
        };
        fill_row(corpus, row, {of_row(slot.batch.tokens), of_row(slot.batch.targets), of_row(slot.batch.doc_start)});
      }
    }
    slot.batch.epoch = packer->epoch();
    packer->save(&slot.after);
  }

  const Batch& next() {
    if (!thread.joinable()) start();
    std::unique_lock lock(mutex);
    ++taken;  // lets the thread have the slot of the batch before
    changed.notify_all();
    changed.wait(lock, [&] { return made >= taken || error; });
    if (made < taken) {
      --taken;
      std::rethrow_exception(error);
    }
    return slots[(taken - 1) % slots.size()].batch;
  }

  const PackerState& state() const { return taken == 0 ? last : slots[(taken - 1) % slots.size()].after; }

  const TokenCorpus& corpus;
  const LoaderOptions options;
  std::unique_ptr<RowPacker> packer;  // the thread's while it runs
  std::vector<Piece> row;             // likewise
  std::vector<Slot> slots;
  PackerState last;  // before the first batch
  std::thread thread;
  std::mutex mutex;
  std::condition_variable changed;
  bool stopping = false;
  uint64_t made = 0, taken = 0;  // batches since the thread started
  std::exception_ptr error;
};

Loader::Loader(const TokenCorpus& corpus, const LoaderOptions& options) {
  check(options);
  impl_ = std::make_unique<Impl>(corpus, options);
}

Loader::~Loader() = default;

const Batch& Loader::next() { return impl_->next(); }

std::string Loader::state() const {
  json state = to_json(impl_->state());
  state["of"] = fingerprint(impl_->corpus, impl_->options.packing);
  return state.dump();
}

void Loader::restore(std::string_view text) {
  PackerState state;
  try {
    const json value = json::parse(text);
    const json expected = fingerprint(impl_->corpus, impl_->options.packing);
    for (const auto& [key, wanted] : expected.items()) {
      if (const json& found = value.at("of").at(key); found != wanted) {
        fail("cannot resume the data: expected {} = {}, as the run began with, found {}", key, found.dump(),
             wanted.dump());
      }
    }
    state = from_json(value, impl_->corpus);
  } catch (const json::exception& error) {
    fail("the data loader's state is damaged: {}", error.what());
  }
  impl_->stop();
  impl_->error = nullptr;
  impl_->taken = 0;
  impl_->packer->restore(state);
  impl_->last = std::move(state);
}

}  // namespace propane::train
