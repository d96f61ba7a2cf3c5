#include "train/report_chart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace propane::train {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const double kNan = std::nan("");

std::vector<double> ys(const std::vector<Point>& points) {
  std::vector<double> out;
  for (const Point& p : points) out.push_back(p.y);
  return out;
}

size_t occurrences(std::string_view text, std::string_view part) {
  size_t n = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string_view::npos; at += part.size()) ++n;
  return n;
}

TEST(NiceTicks, AreMultiplesOfOneTwoOrFiveInsideTheRange) {
  const auto near = [](double x) { return DoubleNear(x, 1e-9); };
  EXPECT_THAT(nice_ticks(0, 10, 5), ElementsAre(near(0), near(2), near(4), near(6), near(8), near(10)));
  EXPECT_THAT(nice_ticks(1.52, 2.55, 5), ElementsAre(near(1.6), near(1.8), near(2), near(2.2), near(2.4)));
  EXPECT_THAT(nice_ticks(-0.3, 0.3, 3), ElementsAre(near(-0.2), near(0), near(0.2)));
  EXPECT_THAT(nice_ticks(0, 0.0004, 4), ElementsAre(near(0), near(1e-4), near(2e-4), near(3e-4), near(4e-4)));
  EXPECT_THAT(nice_ticks(7, 7, 5), ElementsAre(7));
}

TEST(Smooth, FollowsALineAndFlattensNoise) {
  std::vector<Point> line, noise;
  for (int i = 0; i < 100; ++i) {
    line.push_back({i / 1.0, 5.0 - 0.01 * i});
    noise.push_back({i / 1.0, 3 + (i % 2 ? 1.0 : -1.0)});
  }
  const auto followed = smooth(line, 16), flat = smooth(noise, 16);
  for (size_t i = 0; i + 8 < 100; ++i) EXPECT_NEAR(followed[i].y, line[i].y, 1e-12) << i;
  for (size_t i = 10; i < 90; ++i) EXPECT_NEAR(flat[i].y, 3, 0.15) << i;
  EXPECT_EQ(followed[40].x, 40);
  EXPECT_EQ(smooth({{1, 2}}, 16)[0].y, 2);
  EXPECT_TRUE(smooth({}, 16).empty());
}

TEST(Smooth, ALostPointStaysLostAndHarmsNoOther) {
  const auto out = ys(smooth({{1, 2}, {2, 2}, {3, kNan}, {4, 2}, {5, INFINITY}, {6, 2}}, 8));
  for (const size_t i : {0, 1, 3, 5}) EXPECT_EQ(out[i], 2) << i;
  EXPECT_TRUE(std::isnan(out[2]));
  EXPECT_TRUE(std::isinf(out[4]));
}

TEST(Downsample, KeepsEndsSpikesAndLostPointsWithinTheLimit) {
  std::vector<Point> points;
  for (int i = 0; i < 100000; ++i) points.push_back({i / 1.0, std::sin(i * 0.001)});
  points[31415].y = 50;
  points[27182].y = -50;
  points[77777].y = kNan;
  const auto kept = downsample(points, 600);
  EXPECT_LE(kept.size(), 600u);
  EXPECT_GT(kept.size(), 500u);
  EXPECT_EQ(kept.front().x, 0);
  EXPECT_EQ(kept.back().x, 99999);
  size_t high = 0, low = 0, lost = 0;
  for (size_t i = 0; i < kept.size(); ++i) {
    high += kept[i].x == 31415 && kept[i].y == 50;
    low += kept[i].x == 27182 && kept[i].y == -50;
    lost += kept[i].x == 77777 && std::isnan(kept[i].y);
    EXPECT_TRUE(i == 0 || kept[i - 1].x < kept[i].x) << i;
  }
  EXPECT_EQ(high + low + lost, 3u);
}

TEST(Downsample, LeavesAShortRunAlone) {
  EXPECT_THAT(ys(downsample({{1, 5}, {2, 6}, {3, 4}}, 600)), ElementsAre(5, 6, 4));
}

TEST(Chart, PlacesPointsByTheirAxes) {
  // From zero with 5 % room at the top: 10 lies at 1 - 10/10.5 of the height.
  const std::string html = render_chart({.title = "T",
                                         .unit = "u",
                                         .series = {{"s", "main", {{0, 0}, {50, 5}, {100, 10}}}},
                                         .last_x = 200,
                                         .from_zero = true});
  EXPECT_THAT(html, HasSubstr("points=\"0.0,1000.0 250.0,523.8 500.0,47.6\""));
  EXPECT_THAT(html, HasSubstr("<text class=\"x\" x=\"50.00%\" y=\"19\">100</text>"));
  EXPECT_THAT(html, HasSubstr("<text class=\"y\" x=\"0\" dx=\"-8\" y=\"4.76%\" dy=\"4\">10</text>"));
  EXPECT_THAT(html, HasSubstr("\"points\":[[0.0,0],[50.0,5],[100.0,10]]"));
}

TEST(Chart, LabelsOfOneAxisShareAUnit) {
  const std::string html =
      render_chart({.title = "T", .unit = "u", .series = {{"s", "main", {{0, 0}, {60000, 12000}}}}, .from_zero = true});
  EXPECT_THAT(html, HasSubstr(">2k</text>"));
  EXPECT_THAT(html, HasSubstr(">12k</text>"));
  EXPECT_THAT(html, HasSubstr(">20k</text>"));
  EXPECT_THAT(html, Not(HasSubstr("000</text>")));
}

TEST(Chart, ALostPointBreaksTheCurveAndIsMarked) {
  const std::string html =
      render_chart({.title = "T", .unit = "u", .series = {{"s", "main", {{1, 1}, {2, 2}, {3, kNan}, {4, 1}, {5, 2}}}}});
  EXPECT_EQ(occurrences(html, "<polyline"), 2u);
  EXPECT_EQ(occurrences(html, "class=\"lost\""), 1u);
  EXPECT_THAT(html, Not(HasSubstr("nan")));
}

TEST(Chart, NothingButLostPointsStillDraws) {
  const std::string html = render_chart({.title = "T", .unit = "u", .series = {{"s", "main", {{1, kNan}}}}});
  EXPECT_THAT(html, HasSubstr("class=\"lost\""));
  EXPECT_THAT(html, Not(HasSubstr("nan")));
  EXPECT_THAT(html, Not(HasSubstr("inf")));
}

TEST(Chart, FewWildPointsLeaveThePictureAndTheNoteSaysSo) {
  Chart chart{.title = "T", .unit = "u", .series = {{"s", "main"}}};
  for (int i = 0; i < 500; ++i) chart.series[0].points.push_back({i / 1.0, i == 250 ? 1e6 : 1 + 0.01 * (i % 10)});
  EXPECT_THAT(render_chart(chart), HasSubstr("Above the picture: 1 drawn point, the highest 1e+06."));
  chart.series[0].points[250].y = 1;
  EXPECT_THAT(render_chart(chart), Not(HasSubstr("Above the picture")));
}

TEST(Chart, ReferenceLinesAreInsideAndTheirNamesApart) {
  const auto chart = [](double second) {
    return render_chart({.title = "T",
                         .unit = "u",
                         .series = {{"s", "main", {{1, 1.5}, {2, 1.6}}}},
                         .references = {{"xz", 2.5}, {"PPMd", second}}});
  };
  EXPECT_THAT(chart(1.6), HasSubstr("dy=\"-5\">xz 2.500<"));
  EXPECT_THAT(chart(1.6), HasSubstr("dy=\"-5\">PPMd 1.600<"));
  EXPECT_THAT(chart(2.48), HasSubstr("dy=\"14\">PPMd 2.480<"));
}

TEST(Chart, NamesCannotEndTheirElements) {
  const std::string html = render_chart({.title = "<T>",
                                         .unit = "\"u\"",
                                         .series = {{"</script><b>", "main", {{1, 1}}}, {"b", "main", {{1, 1}}}},
                                         .note = "a<b"});
  EXPECT_EQ(occurrences(html, "</script>"), 1u);
  EXPECT_THAT(html, Not(HasSubstr("<b>")));
  EXPECT_THAT(html, HasSubstr("&lt;T&gt;"));
  EXPECT_THAT(html, HasSubstr("a&lt;b"));
}

}  // namespace
}  // namespace propane::train
