// Lines from a person: editing and history on a terminal, plain reading elsewhere.
#pragma once

#include <optional>
#include <string>

namespace propane {

class LineReader {
 public:
  LineReader();

  // One line without its end; empty optional at the end of input. On a terminal `prompt` is shown and the line can be
  // edited and called back; Ctrl-C gives up the line and returns an empty one.
  std::optional<std::string> read(const char* prompt);

  // Whether a person is typing.
  bool terminal() const { return terminal_; }

 private:
  bool terminal_;
};

// A message that may span lines: a line that ends in a backslash goes on in the next one, and all lines between two
// that begin with """ belong together.
std::optional<std::string> read_message(LineReader& reader, const char* prompt, const char* more);

}  // namespace propane
