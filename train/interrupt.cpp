#include "train/interrupt.h"

#include <unistd.h>

#include <atomic>

#include "base/error.h"

namespace propane::train {

namespace {

std::atomic<int> first_signal{0};
std::atomic<bool> in_scope{false};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may use only lock-free atomics");

void on_signal(int signal) {
  int none = 0;
  if (first_signal.compare_exchange_strong(none, signal)) return;
  // The cursor leaves the live progress line, so that the shell's prompt does not start inside it.
  if (::isatty(STDERR_FILENO)) [[maybe_unused]]
    const ssize_t n = ::write(STDERR_FILENO, "\n", 1);
  ::_exit(128 + signal);
}

}  // namespace

InterruptScope::InterruptScope() {
  if (in_scope.exchange(true)) fail("an InterruptScope is alive already; expected one at a time");
  first_signal = 0;
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, &previous_int_);
  ::sigaction(SIGTERM, &action, &previous_term_);
}

InterruptScope::~InterruptScope() {
  ::sigaction(SIGINT, &previous_int_, nullptr);
  ::sigaction(SIGTERM, &previous_term_, nullptr);
  in_scope = false;
}

int InterruptScope::signal() const { return first_signal; }

}  // namespace propane::train
