// JSON Lines files of a run (metrics.jsonl, samples.jsonl): one object a line, each with its "step", appended while the
// run lives, cut back when it resumes.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "base/file.h"
#include "train/device_label.h"

namespace propane::train {

// Appends whole lines. A line is in the file when append() returns: a program that dies a moment later loses nothing,
// and a write that fails half-way (a full disk) is taken back, so the file always ends with a whole line.
class JsonlAppender {
 public:
  explicit JsonlAppender(const Path& path);  // made if missing; Throws Error naming the file and the reason.
  ~JsonlAppender();
  JsonlAppender(JsonlAppender&& other) noexcept;
  JsonlAppender& operator=(JsonlAppender&& other) noexcept;

  // `line` without its newline. Throws Error naming the file and the reason.
  void append(std::string_view line);

  // Flushes to the disk: what was appended survives a power cut too.
  void sync();

 private:
  Path path_;
  int fd_ = -1;
};

// Calls visit(object, line number from 1) for each line. A last line without its newline that does not parse was cut
// off by a crash and is left out; bytes that are not UTF-8 are read as U+FFFD. Throws Error naming file:line when any
// other line is not a JSON object.
void read_jsonl(const Path& path, const std::function<void(const nlohmann::json& object, int line)>& visit);

// Keeps the lines whose "step" is at most last_step, byte for byte, and drops the rest and a torn last line. The file
// is replaced atomically, and only if something goes. A missing file stays missing.
void keep_jsonl_to_step(const Path& path, int64_t last_step);

// The value of a key, whose type a reader checks: numbers (null reads as NaN) and text. Throw Error naming file:line
// and the key when it is missing or of another type.
double jsonl_number(const nlohmann::json& object, const char* key, const Path& path, int line);
int64_t jsonl_integer(const nlohmann::json& object, const char* key, const Path& path, int line);
std::string jsonl_text(const nlohmann::json& object, const char* key, const Path& path, int line);

// {name, simulated, profile}: what every record says of its device.
nlohmann::ordered_json device_object(const DeviceLabel& device);

// The label in an object's "device", the default one where there is none. Throws Error naming file:line if it is of
// another type.
DeviceLabel jsonl_device(const nlohmann::json& object, const Path& path, int line);

}  // namespace propane::train
