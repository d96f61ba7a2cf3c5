// Ends a command with a code other than 0 that is no error: 130 after Ctrl-C.
#pragma once

namespace propane {

struct ExitCode {
  int code;
};

}  // namespace propane
