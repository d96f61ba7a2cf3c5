#include "cli/line_reader.h"

#include <editline/readline.h>
#include <unistd.h>

#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>

namespace propane {

namespace {

constexpr const char* kFence = "\"\"\"";

sigjmp_buf given_up;
void give_up(int) { siglongjmp(given_up, 1); }

std::optional<std::string> edited_line(const char* prompt) {
  struct sigaction action = {}, before;
  action.sa_handler = give_up;
  sigaction(SIGINT, &action, &before);
  if (sigsetjmp(given_up, 1) != 0) {
    sigaction(SIGINT, &before, nullptr);
    std::fputs("\n", stdout);
    return std::string();
  }
  char* text = ::readline(prompt);
  sigaction(SIGINT, &before, nullptr);
  if (!text) return std::nullopt;
  std::string line = text;
  std::free(text);
  if (!line.empty()) ::add_history(line.c_str());
  return line;
}

}  // namespace

LineReader::LineReader() : terminal_(::isatty(STDIN_FILENO) && ::isatty(STDOUT_FILENO)) {
  if (terminal_) ::using_history();
}

std::optional<std::string> LineReader::read(const char* prompt) {
  if (terminal_) return edited_line(prompt);
  std::string line;
  if (!std::getline(std::cin, line)) return std::nullopt;
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return line;
}

std::optional<std::string> read_message(LineReader& reader, const char* prompt, const char* more) {
  std::optional<std::string> line = reader.read(prompt);
  if (!line) return std::nullopt;
  std::string message;
  if (line->starts_with(kFence)) {
    for (line = line->substr(3); line; line = reader.read(more)) {
      if (const size_t end = line->find(kFence); end != std::string::npos) return message + line->substr(0, end);
      if (!message.empty() || !line->empty()) message += *line + '\n';
    }
    return message;
  }
  while (line && line->ends_with('\\')) {
    message += line->substr(0, line->size() - 1) + '\n';
    line = reader.read(more);
  }
  return message + line.value_or("");
}

}  // namespace propane
