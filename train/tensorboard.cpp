#include "train/tensorboard.h"

#include <unistd.h>

#include <atomic>
#include <bit>
#include <chrono>

#include "base/error.h"
#include "base/utf8.h"
#include "train/crc32c.h"

namespace propane::train {

namespace {

// Builds a protobuf message field by field (protobuf.dev/programming-guides/encoding).
class Message {
 public:
  Message& integer(int field, uint64_t value) { return tag(field, 0), varint(value), *this; }
  Message& float64(int field, double value) { return tag(field, 1), little(std::bit_cast<uint64_t>(value), 8), *this; }
  Message& float32(int field, float value) { return tag(field, 5), little(std::bit_cast<uint32_t>(value), 4), *this; }
  Message& bytes(int field, std::string_view value) {
    tag(field, 2);
    varint(value.size());
    out_ += value;
    return *this;
  }
  Message& message(int field, const Message& value) { return bytes(field, value.out_); }

  const std::string& str() const { return out_; }

 private:
  void tag(int field, int wire_type) { varint(static_cast<uint64_t>(field) << 3 | static_cast<uint64_t>(wire_type)); }
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_ += static_cast<char>(value | 0x80);
    out_ += static_cast<char>(value);
  }
  void little(uint64_t value, int size) {
    for (int i = 0; i < size; ++i) out_ += static_cast<char>(value >> (8 * i));
  }

  std::string out_;
};

// Field numbers of event.proto, summary.proto and tensor.proto.
namespace event {
constexpr int wall_time = 1, step = 2, file_version = 3, summary = 5, session_log = 7;
}
namespace session_log {
constexpr int status = 1, start = 1;
}
namespace summary {
constexpr int value = 1;
}
namespace value {
constexpr int tag = 1, simple_value = 2, tensor = 8, metadata = 9;
}
namespace metadata {
constexpr int plugin_data = 1;
}
namespace plugin_data {
constexpr int plugin_name = 1;
}
namespace tensor {
constexpr int dtype = 1, shape = 2, string_val = 8, dt_string = 7;
}
namespace shape {
constexpr int dim = 2;
}
namespace dim {
constexpr int size = 1;
}

Message event_now() {
  const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
  return Message().float64(event::wall_time, now.count());
}

// TFRecord masks its checksums so that a checksum of a checksum is no fixed point.
uint32_t masked_crc(std::string_view bytes) {
  const uint32_t crc = crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;
}

std::string little_endian(uint64_t value, int size) {
  std::string out;
  for (int i = 0; i < size; ++i) out += static_cast<char>(value >> (8 * i));
  return out;
}

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 && name[0] ? name : "localhost";
}

Path new_event_file(const Path& folder) {
  // Two writers of one process within a second must not share a file.
  static std::atomic<int> count{0};
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) fail("{}: cannot create the folder: {}", folder.string(), error.message());
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now).count();
  return folder / fmt::format("events.out.tfevents.{:010}.{}.{}.{}", seconds, host_name(), ::getpid(), count++);
}

}  // namespace

TensorBoardWriter::TensorBoardWriter(const Path& folder, int64_t resumed_step)
    : path_(new_event_file(folder)), file_(std::make_unique<OutputFile>(path_)) {
  record(event_now().bytes(event::file_version, "brain.Event:2").str());
  if (resumed_step <= 0) return;
  // TensorBoard purges what earlier files hold of the START's step and later ones: the first step of this file.
  record(event_now()
             .integer(event::step, static_cast<uint64_t>(resumed_step + 1))
             .message(event::session_log, Message().integer(session_log::status, session_log::start))
             .str());
}

TensorBoardWriter::~TensorBoardWriter() = default;

void TensorBoardWriter::scalar(std::string_view tag, int64_t step, double value) {
  const Message point =
      Message().bytes(value::tag, utf8_replace_invalid(tag)).float32(value::simple_value, static_cast<float>(value));
  record(event_now()
             .integer(event::step, static_cast<uint64_t>(step))
             .message(event::summary, Message().message(summary::value, point))
             .str());
}

void TensorBoardWriter::text(std::string_view tag, int64_t step, std::string_view markdown) {
  const Message shape = Message().message(shape::dim, Message().integer(dim::size, 1));
  const Message tensor = Message()
                             .integer(tensor::dtype, tensor::dt_string)
                             .message(tensor::shape, shape)
                             .bytes(tensor::string_val, utf8_replace_invalid(markdown));
  const Message plugin = Message().message(metadata::plugin_data, Message().bytes(plugin_data::plugin_name, "text"));
  const Message point = Message()
                            .bytes(value::tag, utf8_replace_invalid(tag))
                            .message(value::tensor, tensor)
                            .message(value::metadata, plugin);
  record(event_now()
             .integer(event::step, static_cast<uint64_t>(step))
             .message(event::summary, Message().message(summary::value, point))
             .str());
}

void TensorBoardWriter::record(std::string_view event) {
  const std::string length = little_endian(event.size(), 8);
  std::string framed = length + little_endian(masked_crc(length), 4);
  framed += event;
  framed += little_endian(masked_crc(event), 4);
  file_->write(framed.data(), framed.size());
}

}  // namespace propane::train
