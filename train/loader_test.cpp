#include "train/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <string>

#include "base/error.h"

namespace propane::train {
namespace {

using ::testing::HasSubstr;

// Document d is `sizes[d]` tokens: d · 1000, d · 1000 + 1, ... so that a token says where it comes from.
TokenCorpus corpus_of(const std::vector<int>& sizes) {
  static int files = 0;
  const Path path =
      Path(::testing::TempDir()) / ("loader_test_" + std::to_string(::getpid()) + "_" + std::to_string(files++));
  TokenShardWriter writer(path, {.vocab_size = 1000 * sizes.size()});
  for (size_t d = 0; d < sizes.size(); ++d) {
    std::vector<int32_t> tokens(static_cast<size_t>(sizes[d]));
    std::iota(tokens.begin(), tokens.end(), static_cast<int32_t>(1000 * d));
    writer.add_document(tokens, 0);
  }
  writer.close();
  std::vector<TokenShard> shards;
  shards.emplace_back(path);
  return TokenCorpus(std::move(shards));
}

std::vector<int> mixed_sizes() {
  std::vector<int> sizes;
  for (int i = 0; i < 60; ++i) sizes.push_back(1 + i * 37 % 50);  // 1 to 50, most shorter than a row of 33
  for (int size : {100, 300, 33, 34, 65}) sizes.push_back(size);
  return sizes;
}

LoaderOptions options_of(int64_t seq, int64_t rows) {
  LoaderOptions options;
  options.packing.seq = seq;
  options.rows = rows;
  return options;
}

bool starts_document(int32_t token) { return token % 1000 == 0; }

TEST(Loader, RowsAreFullAndTargetsFollowTheirTokens) {
  const TokenCorpus corpus = corpus_of(mixed_sizes());
  for (bool shuffle : {false, true}) {
    LoaderOptions options = options_of(32, 4);
    options.packing.shuffle = shuffle;
    Loader loader(corpus, options);
    for (int step = 0; step < 50; ++step) {
      const Batch& batch = loader.next();
      for (size_t i = 0; i < batch.tokens.size(); ++i) {
        const bool last = i % 32 == 31;
        if (batch.targets[i] < 0) continue;
        if (!last) {
          EXPECT_EQ(batch.targets[i], batch.tokens[i + 1]);
        }
        EXPECT_TRUE(batch.targets[i] == batch.tokens[i] + 1 || starts_document(batch.targets[i]));
      }
    }
  }
}

TEST(Loader, ATargetThatBeginsADocumentFollowsTheEndOfOne) {
  const std::vector<int> sizes = mixed_sizes();
  const TokenCorpus corpus = corpus_of(sizes);
  LoaderOptions options = options_of(32, 4);
  options.packing.shuffle = true;
  Loader loader(corpus, options);
  int joins = 0;
  for (int step = 0; step < 100; ++step) {
    const Batch& batch = loader.next();
    for (size_t i = 0; i < batch.tokens.size(); ++i) {
      if (batch.targets[i] < 0 || !starts_document(batch.targets[i])) continue;
      const int32_t token = batch.tokens[i];
      EXPECT_EQ(token % 1000 + 1, sizes[static_cast<size_t>(token / 1000)]);
      ++joins;
    }
  }
  EXPECT_GT(joins, 50);
}

TEST(Loader, DocStartIsTheFirstTokenOfTheSameDocumentInTheRow) {
  const TokenCorpus corpus = corpus_of(mixed_sizes());
  Loader loader(corpus, options_of(32, 4));
  for (int step = 0; step < 30; ++step) {
    const Batch& batch = loader.next();
    for (size_t i = 0; i < batch.tokens.size(); ++i) {
      const auto column = static_cast<int32_t>(i % 32);
      EXPECT_EQ(batch.positions[i], column);
      const int32_t start = batch.doc_start[i];
      ASSERT_GE(start, 0);
      ASSERT_LE(start, column);
      const int32_t first = batch.tokens[i - static_cast<size_t>(column - start)];
      EXPECT_EQ(batch.tokens[i] - first, column - start);
      if (start > 0 && batch.targets[i - static_cast<size_t>(column - start) - 1] >= 0) {
        EXPECT_TRUE(starts_document(first));
      }
    }
  }
}

// Every token but a document's first is a target; how often each came within the first epoch's worth of pieces.
TEST(Loader, EveryTargetComesOnceAnEpoch) {
  const std::vector<int> sizes = mixed_sizes();
  const TokenCorpus corpus = corpus_of(sizes);
  for (bool shuffle : {false, true}) {
    PackingOptions options{.seq = 32, .buffer_documents = 10, .shuffle = shuffle, .seed = 7};
    const auto packer = make_packer(corpus, options);
    std::map<std::pair<uint64_t, uint64_t>, int> seen;
    std::vector<Piece> row;
    constexpr int kEpochs = 20;
    PackerState state;
    do {
      packer->next_row(&row);
      for (const Piece& piece : row) {
        for (uint64_t i = 1; i < piece.size; ++i) ++seen[{piece.document, piece.begin + i}];
      }
      packer->save(&state);
    } while (state.epoch <= kEpochs);
    // What still waits in the buffer is owed, what the last epoch gave already is extra.
    for (const Piece& piece : state.buffer) {
      for (uint64_t i = 1; i < piece.size; ++i) ++seen[{piece.document, piece.begin + i}];
    }
    for (uint64_t d = 0; d < sizes.size(); ++d) {
      for (uint64_t i = 1; i < static_cast<uint64_t>(sizes[d]); ++i) {
        const int times = seen[{d, i}];
        EXPECT_TRUE(times == kEpochs || times == kEpochs + 1) << "token " << i << " of document " << d << ": " << times;
      }
    }
  }
}

TEST(Loader, RemaindersOpenRowsWhileBeginningsWait) {
  const TokenCorpus corpus = corpus_of(std::vector<int>(200, 50));
  const auto packer = make_packer(corpus, {.seq = 32});
  std::vector<Piece> row;
  for (int i = 0; i < 100; ++i) {
    packer->next_row(&row);
    for (size_t k = 1; k < row.size(); ++k) EXPECT_EQ(row[k].begin, 0u) << "row " << i;
  }
}

TEST(Loader, ShufflesDifferentlyEveryEpochAndSeed) {
  const TokenCorpus corpus = corpus_of(mixed_sizes());
  const auto epoch = [&](uint64_t seed, bool shuffle, int number) {
    PieceOrder order(corpus, {.max_targets = 32, .shuffle = shuffle, .seed = seed});
    order.seek(number, 0);
    std::vector<Piece> pieces;
    for (uint64_t i = 0; i < order.epoch_size(); ++i) pieces.push_back(order.next());
    return pieces;
  };
  EXPECT_EQ(epoch(1, false, 1), epoch(2, false, 2));
  EXPECT_EQ(epoch(1, true, 1), epoch(1, true, 1));
  EXPECT_NE(epoch(1, true, 1), epoch(2, true, 1));
  EXPECT_NE(epoch(1, true, 1), epoch(1, true, 2));
}

TEST(Permutation, IsABijection) {
  for (uint64_t count : {1, 2, 3, 4, 5, 16, 17, 1000}) {
    const Permutation permutation(count, 3, 9);
    std::set<uint64_t> seen;
    for (uint64_t i = 0; i < count; ++i) seen.insert(permutation(i));
    EXPECT_EQ(seen.size(), count);
    EXPECT_EQ(*seen.rbegin(), count - 1);
  }
}

// A scan as prepare.py does it, on its own list of documents.
class ReferencePacker {
 public:
  ReferencePacker(const std::vector<int>& sizes, size_t buffer) : sizes_(sizes), buffer_size_(buffer) {}

  std::vector<Piece> next_row(int room) {
    std::vector<Piece> row;
    while (room > 0) {
      while (buffer_.size() < buffer_size_) {
        for (int i = 0; i < 128; ++i) {
          buffer_.push_back(next_++);
          if (next_ == static_cast<int>(sizes_.size())) {
            next_ = 0;
            break;
          }
        }
      }
      int best = -1, best_size = 0, shortest = 0;
      for (int i = 0; i < static_cast<int>(buffer_.size()); ++i) {
        if (size_at(i) <= room && size_at(i) > best_size) best = i, best_size = size_at(i);
        if (size_at(i) < size_at(shortest)) shortest = i;
      }
      const int chosen = best >= 0 ? best : shortest;
      const int taken = std::min(size_at(chosen), room);
      row.push_back({static_cast<uint64_t>(buffer_[static_cast<size_t>(chosen)]), 0, static_cast<uint64_t>(taken)});
      buffer_.erase(buffer_.begin() + chosen);
      room -= taken;
    }
    return row;
  }

 private:
  int size_at(int i) const { return sizes_[static_cast<size_t>(buffer_[static_cast<size_t>(i)])]; }

  std::vector<int> sizes_;
  size_t buffer_size_;
  std::vector<int> buffer_;
  int next_ = 0;
};

TEST(Packing, AutoresearchTakesTheLongestThatFitsElseCropsTheShortest) {
  const std::vector<int> sizes = mixed_sizes();
  const TokenCorpus corpus = corpus_of(sizes);
  for (int buffer : {5, 64, 200, 1000}) {
    const auto packer = make_packer(corpus, {.packing = Packing::autoresearch, .seq = 48, .buffer_documents = buffer});
    ReferencePacker reference(sizes, static_cast<size_t>(buffer));
    std::vector<Piece> row;
    for (int i = 0; i < 200; ++i) {
      packer->next_row(&row);
      EXPECT_EQ(row, reference.next_row(49)) << "row " << i;
    }
  }
}

TEST(Loader, ResumesExactly) {
  const TokenCorpus corpus = corpus_of(mixed_sizes());
  for (Packing packing : {Packing::best_fit, Packing::autoresearch}) {
    LoaderOptions options = options_of(32, 3);
    options.packing.packing = packing;
    options.packing.shuffle = true;
    options.packing.seed = 11;
    Loader whole(corpus, options);
    std::vector<Batch> batches;
    std::vector<std::string> states = {whole.state()};
    for (int i = 0; i < 40; ++i) {
      batches.push_back(whole.next());
      states.push_back(whole.state());
    }
    for (size_t from : {size_t{0}, size_t{1}, size_t{17}, size_t{39}}) {
      Loader resumed(corpus, options);
      for (int i = 0; i < 5; ++i) resumed.next();  // wherever it was before
      resumed.restore(states[from]);
      EXPECT_EQ(resumed.state(), states[from]);
      for (size_t i = from; i < batches.size(); ++i) {
        const Batch& batch = resumed.next();
        EXPECT_EQ(batch.tokens, batches[i].tokens);
        EXPECT_EQ(batch.targets, batches[i].targets);
        EXPECT_EQ(batch.doc_start, batches[i].doc_start);
        EXPECT_EQ(batch.epoch, batches[i].epoch);
        EXPECT_EQ(resumed.state(), states[i + 1]);
      }
    }
  }
}

TEST(Loader, RefusesAStateOfOtherDataOrOptions) {
  const TokenCorpus corpus = corpus_of(mixed_sizes()), other = corpus_of({10, 20, 30});
  Loader loader(corpus, options_of(32, 1));
  loader.next();
  const auto error_of = [](const TokenCorpus& data, const LoaderOptions& options, const std::string& state) {
    Loader resumed(data, options);
    try {
      resumed.restore(state);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  const std::string state = loader.state();
  EXPECT_EQ(error_of(corpus, options_of(32, 2), state), "no error");
  EXPECT_THAT(error_of(corpus, options_of(16, 1), state),
              HasSubstr("expected seq = 32, as the run began with, found 16"));
  EXPECT_THAT(error_of(other, options_of(32, 1), state), HasSubstr("expected documents = 65"));
  EXPECT_THAT(error_of(corpus, options_of(32, 1), "{"), HasSubstr("state is damaged"));
  EXPECT_THAT(error_of(corpus, options_of(32, 1), "{}"), HasSubstr("state is damaged"));
  std::string damaged = state;
  damaged.replace(damaged.find("\"buffer\":[") + 10, 1, "9999");
  EXPECT_THAT(error_of(corpus, options_of(32, 1), damaged), HasSubstr("state is damaged: it names tokens"));
}

TEST(Loader, RanksShareTheBatchOfOne) {
  const TokenCorpus corpus = corpus_of(mixed_sizes());
  LoaderOptions options = options_of(32, 6);
  options.packing.shuffle = true;
  Loader one(corpus, options);
  options.rows = 2;
  options.world = 3;
  std::vector<std::unique_ptr<Loader>> ranks;
  for (options.rank = 0; options.rank < 3; ++options.rank) ranks.push_back(std::make_unique<Loader>(corpus, options));
  for (int step = 0; step < 20; ++step) {
    const Batch& whole = one.next();
    std::vector<int32_t> tokens;
    for (const auto& rank : ranks) {
      const Batch& part = rank->next();
      tokens.insert(tokens.end(), part.tokens.begin(), part.tokens.end());
    }
    EXPECT_EQ(tokens, whole.tokens);
  }
}

TEST(Loader, CountsEpochsFromOne) {
  const TokenCorpus corpus = corpus_of(std::vector<int>(10, 33));
  LoaderOptions options = options_of(32, 1);
  options.packing.buffer_documents = 1;
  Loader loader(corpus, options);
  for (int64_t i = 0; i < 35; ++i) EXPECT_EQ(loader.next().epoch, 1 + i / 10);
}

TEST(Loader, WorksOnOneLongDocument) {
  const TokenCorpus corpus = corpus_of({999});
  for (bool shuffle : {false, true}) {
    LoaderOptions options = options_of(64, 2);
    options.packing.shuffle = shuffle;
    Loader loader(corpus, options);
    std::set<int32_t> targets;
    for (int i = 0; i < 30; ++i) {
      const Batch& batch = loader.next();
      targets.insert(batch.targets.begin(), batch.targets.end());
    }
    EXPECT_GE(targets.size(), 998u);  // and the −1 of joins, and the document's first token after its end
  }
}

TEST(Loader, PassesOnWhatGoesWrongOnItsThread) {
  const Path path = Path(::testing::TempDir()) / ("loader_test_damaged_" + std::to_string(::getpid()));
  {
    TokenShardWriter writer(path, {.vocab_size = 10});
    for (int i = 0; i < 4; ++i) writer.add_document(std::vector<int32_t>(40, i), 0);
    writer.close();
  }
  // In memory, so that the last document's start can be moved behind the tokens while the loader has it open.
  std::string bytes = read_file(path);
  std::vector<TokenShard> shards;
  shards.emplace_back(std::as_bytes(std::span(bytes.data(), bytes.size())), "damaged.bin");
  const TokenCorpus corpus(std::move(shards));
  Loader loader(corpus, options_of(32, 1));
  bytes[bytes.size() - 1] = '\x7F';  // before the thread starts, with the first batch
  EXPECT_THROW(for (int i = 0; i < 100; ++i) loader.next(), Error);
}

TEST(Loader, RefusesImpossibleOptions) {
  const TokenCorpus corpus = corpus_of({10});
  const auto refused = [&](auto change) {
    LoaderOptions options = options_of(32, 1);
    change(options);
    EXPECT_THROW(Loader(corpus, options), UsageError);
  };
  refused([](auto& o) { o.rows = 0; });
  refused([](auto& o) { o.packing.seq = 0; });
  refused([](auto& o) { o.packing.buffer_documents = 0; });
  refused([](auto& o) { o.prefetch = 0; });
  refused([](auto& o) { o.rank = 1; });
  refused([](auto& o) { o.rank = -1; });
  EXPECT_THROW(Loader(TokenCorpus(), options_of(32, 1)), Error);
}

}  // namespace
}  // namespace propane::train
