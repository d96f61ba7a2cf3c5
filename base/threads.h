// One pool of threads for the whole process. The partition of work is fixed by the count and the number of threads,
// never by timing, so results repeat.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace propane {

class ThreadPool {
 public:
  // `threads` counts the caller too: a pool of 1 runs everything on the caller.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(thread_index) once on every thread, the caller being thread 0, and returns when all are done. Does not
  // allocate. A call from inside a body does every index's share in turn on the calling thread. An exception in a body
  // is passed on.
  template <typename Body>
  void run(Body&& body) {
    using Plain = std::remove_reference_t<Body>;
    dispatch([](void* f, int thread) { (*static_cast<Plain*>(f))(thread); },
             const_cast<void*>(static_cast<const void*>(&body)));
  }

  // Calls body(begin, end) on contiguous parts of [0, count), at most one a thread; part sizes are multiples of
  // `grain`, but for the last.
  template <typename Body>
  void parallel_for(int64_t count, int64_t grain, Body&& body) {
    if (count <= 0) return;
    const int64_t chunks = (count + grain - 1) / grain;
    if (chunks == 1 || size() == 1) return body(int64_t{0}, count);
    const int64_t parts = chunks < size() ? chunks : size();
    run([&](int thread) {
      if (thread >= parts) return;
      const int64_t begin = chunks * thread / parts * grain;
      const int64_t end = chunks * (thread + 1) / parts * grain;
      body(begin, end < count ? end : count);
    });
  }

  // Hands out tasks 0..count-1 one by one to whichever thread is free: for uneven tasks whose results do not depend
  // on who ran them. body(task, thread).
  template <typename Body>
  void parallel_tasks(int64_t count, Body&& body) {
    if (count <= 0) return;
    std::atomic<int64_t> next{0};
    run([&](int thread) {
      for (int64_t task; (task = next.fetch_add(1, std::memory_order_relaxed)) < count;) body(task, thread);
    });
  }

 private:
  using Trampoline = void (*)(void*, int);
  void dispatch(Trampoline call, void* body);
  void work(int index);

  std::vector<std::thread> workers_;
  std::atomic<uint64_t> generation_{0};  // a job starts when it grows
  std::atomic<int> remaining_{0};
  std::atomic<bool> stop_{false};
  std::atomic<bool> busy_{false};
  std::atomic<int> sleepers_{0};
  int caller_core_ = -1;
  Trampoline call_ = nullptr;
  void* body_ = nullptr;
  std::exception_ptr error_;
  std::mutex mutex_;
  std::condition_variable wake_;
};

// The process's pool; made on first use with set_thread_count's number, else one thread a core this process may use.
ThreadPool& threads();

// Sets the size of threads(); only before its first use or while nothing runs. 0 means one a core.
void set_thread_count(int count);

// The cores that this process may use (its affinity mask).
int available_cores();

// Where the calling thread is, −1 where the system does not say.
int current_core();

// Moves the calling thread to another core than `core`, if it may use another; where it may run is as before.
void leave_core(int core);

}  // namespace propane
