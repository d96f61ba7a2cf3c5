#include "base/threads.h"

#if defined(__linux__)
#include <sched.h>
#endif

#include <memory>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace propane {

namespace {

inline void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// How long a thread spins before it sleeps: about 50 µs, longer than the gaps between two kernels of a step.
constexpr int kSpins = 2000;

thread_local bool inside_pool = false;

std::unique_ptr<ThreadPool> global_pool;
std::mutex global_mutex;

}  // namespace

ThreadPool::ThreadPool(int threads) {
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { work(i); });
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
    generation_.fetch_add(1);
  }
  wake_.notify_all();
  for (auto& worker : workers_) worker.join();
}

void ThreadPool::dispatch(Trampoline call, void* body) {
  // A nested call, or one from a second host thread while a job runs, does every thread's share itself.
  if (workers_.empty() || inside_pool || busy_.exchange(true, std::memory_order_acquire)) {
    for (int thread = 0; thread < size(); ++thread) call(body, thread);
    return;
  }
  call_ = call;
  body_ = body;
  caller_core_ = current_core();
  error_ = nullptr;
  remaining_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_seq_cst);
  if (sleepers_.load(std::memory_order_seq_cst) > 0) {
    std::lock_guard lock(mutex_);
    wake_.notify_all();
  }
  inside_pool = true;
  std::exception_ptr mine;
  try {
    call(body, 0);
  } catch (...) {
    mine = std::current_exception();
  }
  inside_pool = false;
  for (int spin = 0; remaining_.load(std::memory_order_acquire) > 0; ++spin) {
    if (spin < kSpins * 10) relax();
    else std::this_thread::yield();
  }
  std::exception_ptr theirs = error_;
  busy_.store(false, std::memory_order_release);
  if (mine) std::rethrow_exception(mine);
  if (theirs) std::rethrow_exception(theirs);
}

void ThreadPool::work(int index) {
  inside_pool = true;
  uint64_t seen = 0;
  for (;;) {
    int spin = 0;
    while (generation_.load(std::memory_order_acquire) == seen && spin < kSpins) {
      relax();
      ++spin;
    }
    if (generation_.load(std::memory_order_acquire) == seen) {
      std::unique_lock lock(mutex_);
      sleepers_.fetch_add(1, std::memory_order_seq_cst);
      wake_.wait(lock, [&] { return generation_.load(std::memory_order_seq_cst) != seen; });
      sleepers_.fetch_sub(1, std::memory_order_relaxed);
    }
    seen = generation_.load(std::memory_order_acquire);
    if (stop_.load()) return;
    // Beside another busy program the system may leave caller and worker on one core for seconds, at half the speed.
    if (caller_core_ >= 0 && current_core() == caller_core_) leave_core(caller_core_);
    try {
      call_(body_, index);
    } catch (...) {
      std::lock_guard lock(mutex_);
      error_ = std::current_exception();
    }
    remaining_.fetch_sub(1, std::memory_order_release);
  }
}

int available_cores() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return CPU_COUNT(&set);
#endif
  const unsigned n = std::thread::hardware_concurrency();
  return n ? static_cast<int>(n) : 1;
}

int current_core() {
#if defined(__linux__)
  return sched_getcpu();
#else
  return -1;
#endif
}

void leave_core([[maybe_unused]] int core) {
#if defined(__linux__)
  cpu_set_t allowed, others;
  if (core < 0 || core >= CPU_SETSIZE || sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return;
  others = allowed;
  CPU_CLR(core, &others);
  if (CPU_COUNT(&others) == 0) return;
  if (sched_setaffinity(0, sizeof(others), &others) == 0) sched_setaffinity(0, sizeof(allowed), &allowed);
#endif
}

ThreadPool& threads() {
  std::lock_guard lock(global_mutex);
  if (!global_pool) global_pool = std::make_unique<ThreadPool>(available_cores());
  return *global_pool;
}

void set_thread_count(int count) {
  std::lock_guard lock(global_mutex);
  if (count <= 0) count = available_cores();
  if (global_pool && global_pool->size() == count) return;
  global_pool = std::make_unique<ThreadPool>(count);
}

}  // namespace propane
