#include "train/progress.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmath>
#include <thread>

namespace propane::train {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

ProgressState state_at(int64_t step) {
  return {.step = step,
          .total_steps = 500,
          .progress = static_cast<double>(step) / 500,
          .loss = 3.21449,
          .val_bpb = 1.23401,
          .tok_per_s = 12345,
          .mfu = 0.382,
          .seconds_left = 65};
}

int columns(std::string_view text) {
  int n = 0;
  for (const char c : text) n += (c & 0xC0) != 0x80;
  return n;
}

// A descriptor whose other end a test reads.
struct Pipe {
  int ends[2];
  Pipe() { EXPECT_EQ(::pipe2(ends, O_NONBLOCK), 0); }
  ~Pipe() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
};

std::string drain(int fd) {
  std::string out;
  char buffer[4096];
  for (ssize_t n; (n = ::read(fd, buffer, sizeof buffer)) > 0;) out.append(buffer, static_cast<size_t>(n));
  return out;
}

// A terminal of a given width; the program side is `inner`.
struct Terminal {
  int outer, inner;
  explicit Terminal(unsigned short width) {
    outer = ::posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
    EXPECT_EQ(::grantpt(outer) + ::unlockpt(outer), 0);
    inner = ::open(::ptsname(outer), O_RDWR | O_NOCTTY);
    const winsize size{24, width, 0, 0};
    EXPECT_EQ(::ioctl(inner, TIOCSWINSZ, &size), 0);
    ::setenv("TERM", "xterm-256color", 1);
  }
  ~Terminal() {
    ::close(inner);
    ::close(outer);
  }
};

TEST(ProgressLine, SaysEverythingWhereThereIsRoom) {
  EXPECT_EQ(progress_line(state_at(120), {}),
            "cpu  step 120/500  24 %  loss 3.2145  val_bpb 1.2340  12.3k tok/s  MFU 38.2 %  1:05 left");
}

TEST(ProgressLine, LeavesOutWhatIsUnknown) {
  EXPECT_EQ(progress_line({.step = 3, .loss = 9, .tok_per_s = 800}, {"cuda", false, ""}),
            "cuda  step 3  0 %  loss 9.0000  800 tok/s");
}

TEST(ProgressLine, NamesASimulatedDeviceAndItsHostsSpeedAtAnyWidth) {
  const DeviceLabel device{"ane:sim", true, "M4"};
  const std::string whole = progress_line(state_at(120), device);
  EXPECT_THAT(whole, StartsWith("ane:sim=M4 (simulated)  step 120/500"));
  EXPECT_THAT(whole, HasSubstr("host 12.3k tok/s"));
  EXPECT_THAT(whole, Not(HasSubstr("MFU")));
  for (int width = 22; width < 120; ++width)
    EXPECT_THAT(progress_line(state_at(120), device, {width, true}), StartsWith("ane:sim=M4 (simulated)")) << width;
}

TEST(ProgressLine, FitsAnyWidthAndKeepsWhatMattersMost) {
  for (const bool unicode : {false, true}) {
    for (int width = 1; width < 200; ++width)
      EXPECT_LE(columns(progress_line(state_at(120), {}, {width, unicode})), width);
  }
  EXPECT_EQ(progress_line(state_at(120), {}, {45, false}), "step 120/500  loss 3.2145  1:05 left");
  EXPECT_EQ(progress_line(state_at(120), {}, {13, false}), "step 120/500");
  EXPECT_THAT(progress_line(state_at(250), {}, {150, false}), HasSubstr("##########----------"));
}

TEST(Texts, DurationsAndCountsAreShort) {
  EXPECT_EQ(duration_text(6.6), "0:07");
  EXPECT_EQ(duration_text(754), "12:34");
  EXPECT_EQ(duration_text(3723), "1:02:03");
  EXPECT_EQ(duration_text(273600), "3 d 4 h");
  EXPECT_EQ(duration_text(-1), "0:00");
  EXPECT_EQ(count_text(0), "0");
  EXPECT_EQ(count_text(812.4), "812");
  EXPECT_EQ(count_text(999.7), "1.00k");
  EXPECT_EQ(count_text(99960), "100k");
  EXPECT_EQ(count_text(245.76e6), "246M");
  EXPECT_EQ(count_text(-12345), "-12.3k");
  EXPECT_EQ(count_text(999960), "1.00M");
  EXPECT_EQ(count_text(1664000), "1.66M");
  EXPECT_EQ(count_text(2.1e9), "2.10G");
  EXPECT_EQ(count_text(std::nan("")), "?");
}

TEST(Progress, InAPipeWritesPlainLinesEverySoManySteps) {
  const Pipe pipe;
  {
    Progress progress({.fd = pipe.ends[1], .plain_seconds = 1e9, .plain_steps = 10});
    EXPECT_FALSE(progress.live());
    for (int64_t step = 1; step <= 25; ++step) progress.update(state_at(step));
  }
  const std::string out = drain(pipe.ends[0]);
  EXPECT_THAT(out, Not(HasSubstr("\r")));
  EXPECT_THAT(out, Not(HasSubstr("\x1b")));
  std::string expected;
  for (const int64_t step : {1, 11, 21, 25}) expected += progress_line(state_at(step), {}) + "\n";
  EXPECT_EQ(out, expected);
}

TEST(Progress, InAPipeWritesPlainLinesEverySoManySeconds) {
  const Pipe pipe;
  Progress progress({.fd = pipe.ends[1], .plain_seconds = 0.02});
  progress.update(state_at(1));
  progress.update(state_at(2));
  EXPECT_EQ(drain(pipe.ends[0]), progress_line(state_at(1), {}) + "\n");
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  progress.update(state_at(3));
  EXPECT_EQ(drain(pipe.ends[0]), progress_line(state_at(3), {}) + "\n");
}

TEST(Progress, OnATerminalRewritesOneLineThatFits) {
  const Terminal terminal(60);
  Progress progress({.fd = terminal.inner});
  EXPECT_TRUE(progress.live());
  progress.update(state_at(1));
  progress.update(state_at(2));  // too soon to redraw
  const std::string first = drain(terminal.outer);
  EXPECT_THAT(first, StartsWith("\r"));
  EXPECT_THAT(first, ::testing::EndsWith("\x1b[K"));
  EXPECT_THAT(first, HasSubstr("step 1/500"));
  EXPECT_THAT(first, Not(HasSubstr("step 2/500")));
  EXPECT_THAT(first, Not(HasSubstr("\n")));
  EXPECT_LT(columns(first), 60 + 4);
  progress.finish();
  const std::string last = drain(terminal.outer);
  EXPECT_THAT(last, HasSubstr("step 2/500"));
  EXPECT_THAT(last, ::testing::EndsWith("\r\n"));
  progress.finish();
  EXPECT_EQ(drain(terminal.outer), "");
}

TEST(Progress, ANoteStandsAboveTheLiveLine) {
  const Terminal terminal(200);
  Progress progress({.fd = terminal.inner});
  progress.note("before");
  EXPECT_EQ(drain(terminal.outer), "before\r\n");
  progress.update(state_at(7));
  drain(terminal.outer);
  progress.note("saved step 7");
  const std::string out = drain(terminal.outer);
  EXPECT_THAT(out, StartsWith("\r\x1b[Ksaved step 7\r\n"));
  EXPECT_THAT(out, HasSubstr("step 7/500"));
}

TEST(Progress, ADumbTerminalGetsPlainLines) {
  const Terminal terminal(80);
  ::setenv("TERM", "dumb", 1);
  EXPECT_FALSE(Progress({.fd = terminal.inner}).live());
}

TEST(Progress, SurvivesAClosedDescriptor) {
  Progress progress({.fd = 9999});
  progress.update(state_at(1));
  progress.note("still here");
  EXPECT_FALSE(progress.live());
}

}  // namespace
}  // namespace propane::train
