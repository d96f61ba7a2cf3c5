#include "formats/byte_stream.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace propane {

namespace {

class PlainStream : public ByteStream {
 public:
  explicit PlainStream(MappedFile file) : file_(std::move(file)) {}

  size_t read(char* out, size_t capacity) override {
    const size_t size = std::min(capacity, file_.size() - at_);
    if (size > 0) std::memcpy(out, file_.text().data() + at_, size);
    at_ += size;
    return size;
  }

 private:
  MappedFile file_;
  size_t at_ = 0;
};

class GzipStream : public ByteStream {
 public:
  explicit GzipStream(MappedFile file) : file_(std::move(file)) {
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    if (inflateInit2(&state_, kGzipOnly) != Z_OK) fail("{}: zlib cannot start", name());
  }
  ~GzipStream() override { inflateEnd(&state_); }

  size_t read(char* out, size_t capacity) override {
    constexpr size_t kMost = size_t{1} << 30;  // zlib counts in 32 bits
    state_.next_out = reinterpret_cast<Bytef*>(out);
    state_.avail_out = static_cast<uInt>(std::min(capacity, kMost));
    const size_t wanted = state_.avail_out;
    while (state_.avail_out == wanted) {
      const size_t left = file_.size() - at_;
      if (left == 0) {
        if (inside_) fail("{}: the gzip data is truncated", name());
        return 0;
      }
      const size_t offered = std::min(left, kMost);
      state_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(file_.text().data() + at_));
      state_.avail_in = static_cast<uInt>(offered);
      inside_ = true;
      const int result = inflate(&state_, Z_NO_FLUSH);
      at_ += offered - state_.avail_in;
      if (result == Z_STREAM_END) {
        inside_ = false;
        inflateReset(&state_);
      } else if (result != Z_OK) {
        fail("{}: expected gzip data, found damage at offset {} ({})", name(), at_,
             state_.msg ? state_.msg : "zlib error");
      }
    }
    return wanted - state_.avail_out;
  }

 private:
  std::string name() const { return file_.path().string(); }

  MappedFile file_;
  size_t at_ = 0;
  bool inside_ = false;  // within a member
  z_stream state_{};
};

class ZstdStream : public ByteStream {
 public:
  explicit ZstdStream(MappedFile file) : file_(std::move(file)) {
    // zstd --long writes windows above the library's default limit.
    ZSTD_DCtx_setParameter(state_.get(), ZSTD_d_windowLogMax, 31);
  }

  size_t read(char* out, size_t capacity) override {
    ZSTD_outBuffer output{out, capacity, 0};
    ZSTD_inBuffer input{file_.text().data(), file_.size(), at_};
    while (output.pos == 0) {
      if (input.pos == input.size && !pending_) {
        if (inside_) fail("{}: the Zstandard data is truncated", file_.path().string());
        return 0;
      }
      const size_t before = input.pos;
      const size_t result = ZSTD_decompressStream(state_.get(), &output, &input);
      if (ZSTD_isError(result)) {
        fail("{}: expected Zstandard data, found damage at offset {} ({})", file_.path().string(), before,
             ZSTD_getErrorName(result));
      }
      inside_ = result != 0;
      // A full output may leave more inside the decoder although all input is taken.
      pending_ = inside_ && output.pos == output.size;
    }
    at_ = input.pos;
    return output.pos;
  }

 private:
  struct Free {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };
  MappedFile file_;
  size_t at_ = 0;
  bool inside_ = false;  // within a frame
  bool pending_ = false;
  std::unique_ptr<ZSTD_DCtx, Free> state_{ZSTD_createDCtx()};
};

}  // namespace

std::unique_ptr<ByteStream> open_byte_stream(const Path& path) {
  MappedFile file(path);
  if (path.extension() == ".gz") return std::make_unique<GzipStream>(std::move(file));
  if (path.extension() == ".zst") return std::make_unique<ZstdStream>(std::move(file));
  return std::make_unique<PlainStream>(std::move(file));
}

}  // namespace propane
