#include "train/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <vector>

namespace propane::train {

namespace {

constexpr auto kRedraw = std::chrono::milliseconds(100);
constexpr int kBarCells = 20;
constexpr std::string_view kGap = "  ";

// A piece of the line. Of two that do not fit together, the one with the higher rank goes.
struct Field {
  std::string text;
  int rank;
};

// Columns on a terminal; everything we show is one column a code point.
int columns(std::string_view text) {
  return static_cast<int>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string bar(double progress, bool unicode) {
  const int full = static_cast<int>(std::lround(std::clamp(progress, 0.0, 1.0) * kBarCells));
  std::string out;
  for (int i = 0; i < kBarCells; ++i) out += unicode ? (i < full ? "━" : "╌") : (i < full ? "#" : "-");
  return out;
}

std::vector<Field> fields(const ProgressState& s, const DeviceLabel& device, const ProgressStyle& style) {
  std::vector<Field> all;
  all.push_back({device.str(), device.simulated ? 0 : 6});
  const std::string total = s.total_steps > 0 ? fmt::format("/{}", s.total_steps) : "";
  all.push_back({fmt::format("step {}{}", s.step, total), 1});
  if (style.width > 0) all.push_back({bar(s.progress, style.unicode_bar), 8});
  all.push_back({fmt::format("{:.0f} %", 100 * std::clamp(s.progress, 0.0, 1.0)), 7});
  all.push_back({fmt::format("loss {:.4f}", s.loss), 2});
  if (s.val_bpb) all.push_back({fmt::format("val_bpb {:.4f}", *s.val_bpb), 4});
  all.push_back({fmt::format("{}{} tok/s", device.simulated ? "host " : "", count_text(s.tok_per_s)), 5});
  if (s.mfu && !device.simulated) all.push_back({fmt::format("MFU {:.1f} %", 100 * *s.mfu), 6});
  if (std::isfinite(s.seconds_left)) all.push_back({duration_text(s.seconds_left) + " left", 3});
  return all;
}

int total_columns(const std::vector<Field>& all) {
  int sum = 0;
  for (const Field& field : all) sum += columns(field.text) + (sum > 0 ? static_cast<int>(kGap.size()) : 0);
  return sum;
}

bool locale_is_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (!value || !*value) continue;
    std::string lower(value);
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
    return lower.find("utf-8") != std::string::npos || lower.find("utf8") != std::string::npos;
  }
  return false;
}

int terminal_width(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

}  // namespace

std::string duration_text(double seconds) {
  const int64_t s = std::llround(std::max(0.0, seconds));
  if (s < 3600) return fmt::format("{}:{:02}", s / 60, s % 60);
  if (s < 86400) return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  return fmt::format("{} d {} h", s / 86400, s / 3600 % 24);
}

std::string count_text(double value) {
  if (!std::isfinite(value)) return "?";
  constexpr std::string_view units[] = {"", "k", "M", "G", "T"};
  size_t unit = 0;
  // What three digits would show as "1000" belongs to the next unit.
  while (unit + 1 < std::size(units) && std::abs(value) >= 999.5) value /= 1000, ++unit;
  const int decimals = unit == 0 || std::abs(value) >= 99.95 ? 0 : std::abs(value) >= 9.995 ? 1 : 2;
  return fmt::format("{:.{}f}{}", value, decimals, units[unit]);
}

std::string progress_line(const ProgressState& state, const DeviceLabel& device, const ProgressStyle& style) {
  std::vector<Field> all = fields(state, device, style);
  while (style.width > 0 && all.size() > 1 && total_columns(all) > style.width)
    all.erase(std::max_element(all.begin(), all.end(), [](const Field& a, const Field& b) { return a.rank < b.rank; }));
  std::string out;
  for (const Field& field : all) {
    if (!out.empty()) out += kGap;
    out += field.text;
  }
  // One field is left and it is pure ASCII unless it is the device's name, whose tail may go.
  if (style.width > 0 && columns(out) > style.width) out.resize(static_cast<size_t>(style.width));
  return out;
}

Progress::Progress(const ProgressOptions& options) : options_(options) {
  const char* term = std::getenv("TERM");
  live_ = ::isatty(options.fd) && term && *term && std::string_view(term) != "dumb";
  unicode_ = locale_is_utf8();
}

std::string Progress::line(const ProgressState& state) const {
  // A line that fills the last column would wrap on some terminals.
  const ProgressStyle style =
      live_ ? ProgressStyle{std::max(1, terminal_width(options_.fd) - 1), unicode_} : ProgressStyle{};
  return progress_line(state, options_.device, style);
}

void Progress::show(const ProgressState& state) {
  write(fmt::format(fmt::runtime(live_ ? "\r{}\x1b[K" : "{}\n"), line(state)));
  line_open_ = live_;
  latest_shown_ = true;
  shown_at_ = Clock::now();
  shown_step_ = state.step;
}

void Progress::update(const ProgressState& state) {
  latest_ = state;
  latest_shown_ = false;
  const bool first = !shown_at_;
  const auto passed = first ? Clock::duration::zero() : Clock::now() - *shown_at_;
  const bool due = live_ ? passed >= kRedraw
                         : passed >= std::chrono::duration<double>(options_.plain_seconds) ||
                               (options_.plain_steps > 0 && state.step - shown_step_ >= options_.plain_steps);
  if (first || due) show(state);
}

void Progress::note(std::string_view text) {
  std::string out = line_open_ ? "\r\x1b[K" : "";
  out += text;
  if (!out.ends_with('\n')) out += '\n';
  if (line_open_ && latest_) out += line(*latest_);
  write(out);
}

void Progress::finish() {
  if (latest_ && !latest_shown_) show(*latest_);
  if (line_open_) write("\n");
  line_open_ = false;
}

void Progress::write(std::string_view text) const {
  while (!text.empty()) {
    const ssize_t n = ::write(options_.fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    text.remove_prefix(static_cast<size_t>(n));
  }
}

}  // namespace propane::train
