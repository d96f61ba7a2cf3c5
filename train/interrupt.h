// Ctrl-C as a wish: the loop finishes its step, saves and says how to resume.
#pragma once

#include <csignal>

namespace propane::train {

// While one lives, the first SIGINT (Ctrl-C) or SIGTERM only sets a flag; a second one ends the program at once with
// exit code 128 + signal (130 for Ctrl-C), without destructors. The handlers from before are restored at scope exit.
// One at a time, made and destroyed on the main thread; asked from any.
class InterruptScope {
 public:
  InterruptScope();
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

  // The first signal that came, or 0.
  int signal() const;
  bool requested() const { return signal() != 0; }

  // What the program should exit with after a request: 128 + signal.
  int exit_code() const { return 128 + signal(); }

 private:
  struct sigaction previous_int_;
  struct sigaction previous_term_;
};

}  // namespace propane::train
