#include "train/jsonl.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/utf8.h"
#include "train/text.h"

namespace propane::train {

namespace {

using nlohmann::json;

[[noreturn]] void fail_errno(const Path& path, const char* what, int error) {
  fail("{}: cannot {}: {}", path.string(), what, std::strerror(error));
}

// Calls visit(text with its newline, object, number) for each whole line; what read_jsonl promises about the last one.
template <typename Visit>
void visit_lines(const Path& path, std::string_view content, Visit&& visit) {
  int number = 0;
  while (!content.empty()) {
    ++number;
    const size_t newline = content.find('\n');
    const bool whole = newline != std::string_view::npos;
    const std::string_view line = content.substr(0, whole ? newline + 1 : content.size());
    content.remove_prefix(line.size());
    const json object = json::parse(utf8_replace_invalid(line), nullptr, /*allow_exceptions=*/false);
    if (!object.is_object()) {
      if (!whole) return;
      fail("{}:{}: expected a JSON object, found '{}'", path.string(), number, excerpt(line, 40));
    }
    visit(line, object, number);
  }
}

const json& value_of(const json& object, const char* key, const Path& path, int line) {
  const auto found = object.find(key);
  if (found == object.end()) fail("{}:{}: expected the key '{}', found none", path.string(), line, key);
  return *found;
}

}  // namespace

JsonlAppender::JsonlAppender(const Path& path) : path_(path) {
  fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd_ < 0) fail_errno(path, "open for appending", errno);
}

JsonlAppender::~JsonlAppender() {
  if (fd_ >= 0) ::close(fd_);
}

JsonlAppender::JsonlAppender(JsonlAppender&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}

JsonlAppender& JsonlAppender::operator=(JsonlAppender&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  return *this;
}

void JsonlAppender::append(std::string_view line) {
  const std::string text = std::string(line) + '\n';
  const off_t before = ::lseek(fd_, 0, SEEK_END);
  for (size_t done = 0; done < text.size();) {
    const ssize_t n = ::write(fd_, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int error = errno;
      if (before >= 0 && ::ftruncate(fd_, before) != 0) fail_errno(path_, "append a line or take its part back", error);
      fail_errno(path_, "append a line", error);
    }
    done += static_cast<size_t>(n);
  }
}

void JsonlAppender::sync() {
  if (::fsync(fd_) != 0) fail_errno(path_, "flush to the disk", errno);
}

void read_jsonl(const Path& path, const std::function<void(const json&, int)>& visit) {
  const std::string content = read_file(path);
  visit_lines(path, content, [&](std::string_view, const json& object, int line) { visit(object, line); });
}

void keep_jsonl_to_step(const Path& path, int64_t last_step) {
  if (!std::filesystem::exists(path)) return;
  const std::string content = read_file(path);
  std::string kept;
  visit_lines(path, content, [&](std::string_view text, const json& object, int line) {
    if (jsonl_integer(object, "step", path, line) > last_step) return;
    kept += text;
    if (kept.back() != '\n') kept += '\n';
  });
  if (kept != content) write_file_atomically(path, kept);
}

double jsonl_number(const json& object, const char* key, const Path& path, int line) {
  const json& value = value_of(object, key, path, line);
  if (value.is_null()) return std::numeric_limits<double>::quiet_NaN();
  if (!value.is_number())
    fail("{}:{}: expected a number for '{}', found {}", path.string(), line, key, excerpt(value.dump(), 40));
  return value.get<double>();
}

int64_t jsonl_integer(const json& object, const char* key, const Path& path, int line) {
  const json& value = value_of(object, key, path, line);
  if (!value.is_number_integer())
    fail("{}:{}: expected a whole number for '{}', found {}", path.string(), line, key, excerpt(value.dump(), 40));
  return value.get<int64_t>();
}

std::string jsonl_text(const json& object, const char* key, const Path& path, int line) {
  const json& value = value_of(object, key, path, line);
  if (!value.is_string())
    fail("{}:{}: expected text for '{}', found {}", path.string(), line, key, excerpt(value.dump(), 40));
  return value.get<std::string>();
}

nlohmann::ordered_json device_object(const DeviceLabel& device) {
  return {{"name", device.name}, {"simulated", device.simulated}, {"profile", device.profile}};
}

DeviceLabel jsonl_device(const json& object, const Path& path, int line) {
  DeviceLabel device;
  const auto found = object.find("device");
  if (found == object.end()) return device;
  if (!found->is_object() || !found->value("simulated", json(false)).is_boolean())
    fail("{}:{}: expected an object {{name, simulated, profile}} for 'device', found {}", path.string(), line,
         found->dump());
  device.name = jsonl_text(*found, "name", path, line);
  device.simulated = found->value("simulated", false);
  if (found->contains("profile") && !found->at("profile").is_null())
    device.profile = jsonl_text(*found, "profile", path, line);
  return device;
}

}  // namespace propane::train
