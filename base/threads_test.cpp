#include "base/threads.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>

namespace propane {
namespace {

using Parts = std::vector<std::pair<int64_t, int64_t>>;

// The parts that parallel_for made, in order.
Parts partition(ThreadPool& pool, int64_t count, int64_t grain) {
  std::mutex mutex;
  Parts parts;
  pool.parallel_for(count, grain, [&](int64_t begin, int64_t end) {
    std::lock_guard lock(mutex);
    parts.emplace_back(begin, end);
  });
  std::sort(parts.begin(), parts.end());
  return parts;
}

TEST(ThreadPool, RunCallsEveryThreadOnce) {
  for (int size : {1, 2, 3, 8}) {
    ThreadPool pool(size);
    ASSERT_EQ(pool.size(), size);
    std::vector<std::atomic<int>> calls(size);
    for (int round = 0; round < 200; ++round) pool.run([&](int thread) { calls[thread].fetch_add(1); });
    for (auto& count : calls) EXPECT_EQ(count.load(), 200);
  }
}

TEST(ThreadPool, ThreadZeroIsTheCaller) {
  ThreadPool pool(3);
  std::vector<std::thread::id> ids(3);
  pool.run([&](int thread) { ids[thread] = std::this_thread::get_id(); });
  EXPECT_EQ(ids[0], std::this_thread::get_id());
  EXPECT_NE(ids[1], ids[0]);
  EXPECT_NE(ids[1], ids[2]);
}

TEST(ThreadPool, ParallelForCoversTheRangeOnceInWholeGrains) {
  for (int size : {1, 2, 3, 7}) {
    ThreadPool pool(size);
    for (int64_t count : {0, 1, 5, 63, 64, 65, 1000})
      for (int64_t grain : {1, 8, 64, 2000}) {
        const Parts parts = partition(pool, count, grain);
        EXPECT_LE(parts.size(), static_cast<size_t>(size));
        int64_t at = 0;
        for (const auto& [begin, end] : parts) {
          EXPECT_EQ(begin, at);
          EXPECT_LT(begin, end);
          EXPECT_EQ(begin % grain, 0);
          at = end;
        }
        EXPECT_EQ(at, count);
      }
  }
}

TEST(ThreadPool, PartitionIsFixedByCountGrainAndSize) {
  ThreadPool pool(3), other(3);
  const Parts first = partition(pool, 1000, 16);
  for (int round = 0; round < 100; ++round) ASSERT_EQ(partition(round % 2 ? pool : other, 1000, 16), first);
}

TEST(ThreadPool, PartsDifferByAtMostOneGrain) {
  ThreadPool pool(7);
  int64_t smallest = 1000, largest = 0;
  for (const auto& [begin, end] : partition(pool, 1000, 1)) {
    smallest = std::min(smallest, end - begin);
    largest = std::max(largest, end - begin);
  }
  EXPECT_LE(largest - smallest, 1);
}

TEST(ThreadPool, ParallelTasksHandsOutEveryTaskOnce) {
  ThreadPool pool(4);
  std::vector<std::atomic<int>> done(1001);
  std::atomic<bool> thread_in_range{true};
  pool.parallel_tasks(1001, [&](int64_t task, int thread) {
    done[task].fetch_add(1);
    if (thread < 0 || thread >= 4) thread_in_range = false;
  });
  for (auto& count : done) ASSERT_EQ(count.load(), 1);
  EXPECT_TRUE(thread_in_range.load());
}

TEST(ThreadPool, AnExceptionReachesTheCallerAndThePoolGoesOn) {
  ThreadPool pool(3);
  for (int thrower = 0; thrower < 3; ++thrower) {
    std::atomic<int> others{0};
    try {
      pool.run([&](int thread) {
        if (thread == thrower) throw std::runtime_error("share " + std::to_string(thread));
        others.fetch_add(1);
      });
      FAIL() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
      EXPECT_EQ(error.what(), "share " + std::to_string(thrower));
    }
    EXPECT_EQ(others.load(), 2);
  }
  std::atomic<int> calls{0};
  pool.run([&](int) { calls.fetch_add(1); });
  EXPECT_EQ(calls.load(), 3);
}

TEST(ThreadPool, ANestedCallDoesEveryShareOnTheCallingThread) {
  ThreadPool pool(3);
  std::atomic<int> inner{0}, foreign{0};
  pool.run([&](int) {
    const auto self = std::this_thread::get_id();
    pool.run([&](int) {
      inner.fetch_add(1);
      if (std::this_thread::get_id() != self) foreign.fetch_add(1);
    });
  });
  EXPECT_EQ(inner.load(), 9);
  EXPECT_EQ(foreign.load(), 0);
}

TEST(ThreadPool, TwoHostThreadsMayUseOnePoolAtOnce) {
  ThreadPool pool(3);
  const auto sum_to = [&](int64_t count) {
    std::atomic<int64_t> sum{0};
    pool.parallel_for(count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) sum.fetch_add(i, std::memory_order_relaxed);
    });
    return sum.load();
  };
  int64_t wrong_there = 0, wrong_here = 0;
  std::thread other([&] {
    for (int round = 0; round < 300; ++round) wrong_there += sum_to(100) != 4950;
  });
  for (int round = 0; round < 300; ++round) wrong_here += sum_to(200) != 19900;
  other.join();
  EXPECT_EQ(wrong_there, 0);
  EXPECT_EQ(wrong_here, 0);
}

// Each call reads what another thread wrote in the call before (which ThreadSanitizer checks when this runs under it).
TEST(ThreadPool, WritesOfOneCallAreSeenByTheNext) {
  ThreadPool pool(4);
  constexpr int64_t kCount = 4096;
  std::vector<int64_t> from(kCount, 0), to(kCount, 0);
  for (int round = 0; round < 50; ++round) {
    pool.parallel_for(kCount, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) to[i] = from[kCount - 1 - i] + 1;
    });
    pool.parallel_tasks(kCount / 64, [&](int64_t task, int) {
      for (int64_t i = task * 64; i < task * 64 + 64; ++i) from[i] = to[kCount - 1 - i] + 1;
    });
  }
  for (int64_t value : from) ASSERT_EQ(value, 100);
}

TEST(ThreadPool, WorkersThatFellAsleepWakeForTheNextCall) {
  ThreadPool pool(2);
  for (int round = 0; round < 20; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // far beyond the time that a worker spins
    std::atomic<int> calls{0};
    pool.run([&](int) { calls.fetch_add(1); });
    ASSERT_EQ(calls.load(), 2);
  }
}

TEST(Threads, AThreadLeavesACoreAndMayComeBack) {
  if (available_cores() < 2 || current_core() < 0) GTEST_SKIP() << "one core, or a system that does not say which";
  int left = 0;
  for (int round = 0; round < 20; ++round) {
    const int core = current_core(), cores = available_cores();
    leave_core(core);
    left += current_core() != core;  // a busy system may have taken it back already
    EXPECT_EQ(available_cores(), cores);
  }
  EXPECT_GE(left, 10);
  leave_core(-1);
  leave_core(1 << 20);
}

TEST(Threads, TheProcessPoolTakesTheSizeThatWasSet) {
  set_thread_count(3);
  EXPECT_EQ(threads().size(), 3);
  set_thread_count(0);
  EXPECT_EQ(threads().size(), available_cores());
  EXPECT_GE(available_cores(), 1);
}

}  // namespace
}  // namespace propane
