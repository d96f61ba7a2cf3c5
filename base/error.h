// Errors that a person reads: one sentence that names the thing, what was expected and what was found.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>

namespace propane {

// Something failed at run time (a damaged file, a full disk, an impossible shape). The program exits with 1.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The person asked for something that cannot be (a wrong flag, key or value). The program exits with 2.
class UsageError : public Error {
 public:
  using Error::Error;
};

// Throws Error with a formatted sentence.
template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> text, Args&&... args) {
  throw Error(fmt::format(text, std::forward<Args>(args)...));
}

// Throws UsageError with a formatted sentence.
template <typename... Args>
[[noreturn]] void fail_usage(fmt::format_string<Args...> text, Args&&... args) {
  throw UsageError(fmt::format(text, std::forward<Args>(args)...));
}

}  // namespace propane
