#include "train/report_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/utf8.h"
#include "train/text.h"

namespace propane::train {

namespace {

constexpr double kUnits = 1000;      // the stretched coordinate system of the curves, both ways
constexpr size_t kMaxPoints = 600;   // a series; beyond that no screen shows a difference
constexpr double kLabelGap = 0.085;  // of the height, which two reference labels need between them

struct Range {
  double low = 0, high = 1;
  double share(double value) const { return (value - low) / (high - low); }
};

struct Axes {
  Range x, y;
  size_t above = 0;  // points left out above the top
  double highest = 0;
};

// Makes room around a range, and makes one of a single value.
Range padded(double low, double high, bool from_zero) {
  if (from_zero) low = std::min(low, 0.0);
  double margin = 0.05 * (high - low);
  if (margin == 0) margin = high == 0 ? 1 : 0.1 * std::abs(high);
  return {low - (from_zero && low == 0 ? 0 : margin), high + margin};
}

Axes axes_of(const Chart& chart) {
  std::vector<double> ys;
  Axes axes;
  axes.x = {0, chart.last_x};
  for (const Series& series : chart.series) {
    for (const Point& p : series.points) {
      axes.x.high = std::max(axes.x.high, p.x);
      if (std::isfinite(p.y)) ys.push_back(p.y);
    }
  }
  axes.x.high = std::max(axes.x.high, 1.0);
  if (ys.empty()) ys.push_back(0);
  std::sort(ys.begin(), ys.end());
  const double low = chart.from_zero ? std::min(ys.front(), 0.0) : ys.front();
  double high = ys.back();
  // A few wild points must not press all others flat: they leave the picture, and the note says so.
  const double most = ys[static_cast<size_t>(0.99 * static_cast<double>(ys.size() - 1))];
  if (high - low > 3 * (most - low) && most > low) {
    high = low + 1.6 * (most - low);
    axes.above = static_cast<size_t>(ys.end() - std::upper_bound(ys.begin(), ys.end(), high));
    axes.highest = ys.back();
  }
  double bottom = low;
  for (const ReferenceLine& line : chart.references) {
    bottom = std::min(bottom, line.y);
    high = std::max(high, line.y);
  }
  axes.y = padded(bottom, high, chart.from_zero);
  return axes;
}

// Labels of one axis, all in the unit that its largest value asks for: "0.5", "1500", "20k", "1.5M".
std::vector<std::string> tick_texts(const std::vector<double>& ticks) {
  double largest = 0;
  for (const double tick : ticks) largest = std::max(largest, std::abs(tick));
  const auto [unit, letter] = largest >= 1e7   ? std::pair(1e6, "M")
                              : largest >= 1e4 ? std::pair(1e3, "k")
                                               : std::pair(1.0, "");
  const double step = ticks.size() > 1 ? (ticks[1] - ticks[0]) / unit : 0.01;
  const int decimals = std::max(0, static_cast<int>(-std::floor(std::log10(step) + 1e-9)));
  std::vector<std::string> texts;
  for (const double tick : ticks) {
    if (tick == 0) texts.push_back("0");
    else if (decimals > 4) texts.push_back(fmt::format("{:.1e}", tick));
    else texts.push_back(fmt::format("{:.{}f}{}", tick / unit, decimals, letter));
  }
  return texts;
}

double percent_x(const Axes& axes, double x) { return 100 * axes.x.share(x); }
double percent_y(const Axes& axes, double y) { return 100 * (1 - axes.y.share(y)); }

std::string grid(const Chart& chart, const Axes& axes) {
  std::string out;
  const std::vector<double> ys = nice_ticks(axes.y.low, axes.y.high, chart.wide ? 6 : 5);
  const std::vector<std::string> y_texts = tick_texts(ys);
  for (size_t i = 0; i < ys.size(); ++i)
    out += fmt::format(R"(<line class="grid" x1="0" x2="100%" y1="{0:.2f}%" y2="{0:.2f}%"/>)"
                       R"(<text class="y" x="0" dx="-8" y="{0:.2f}%" dy="4">{1}</text>)",
                       percent_y(axes, ys[i]), y_texts[i]);
  // The x axis has its origin at the bottom, so that ticks and labels keep their distance in pixels.
  out += R"(<svg y="100%" overflow="visible"><line class="axis" x2="100%"/>)";
  std::vector<double> xs = nice_ticks(axes.x.low, axes.x.high, chart.wide ? 5 : 4);
  std::erase_if(xs, [](double x) { return x != std::floor(x); });
  const std::vector<std::string> x_texts = tick_texts(xs);
  for (size_t i = 0; i < xs.size(); ++i)
    out += fmt::format(R"(<line class="axis" x1="{0:.2f}%" x2="{0:.2f}%" y2="5"/>)"
                       R"(<text class="x" x="{0:.2f}%" y="19">{1}</text>)",
                       percent_x(axes, xs[i]), x_texts[i]);
  return out + "</svg>";
}

// The series as polylines, one for each stretch without a gap.
std::string curves(const Chart& chart, const Axes& axes) {
  std::string out = fmt::format(R"(<svg class="curves" viewBox="0 0 {0} {0}" preserveAspectRatio="none">)", kUnits);
  for (const Series& series : chart.series) {
    std::string points;
    const auto flush = [&] {
      if (!points.empty()) out += fmt::format(R"(<polyline class="{}" points="{}"/>)", series.style, points);
      points.clear();
    };
    for (const Point& p : series.points) {
      if (!std::isfinite(p.y)) flush();
      else
        points += fmt::format("{}{:.1f},{:.1f}", points.empty() ? "" : " ", kUnits * axes.x.share(p.x),
                              kUnits * (1 - axes.y.share(p.y)));
    }
    flush();
  }
  return out + "</svg>";
}

std::string markers(const Chart& chart, const Axes& axes) {
  std::string out;
  for (const Series& series : chart.series) {
    for (const Point& p : series.points) {
      if (!std::isfinite(p.y))
        out += fmt::format(R"(<text class="lost" x="{:.2f}%" y="0" dy="12">×</text>)", percent_x(axes, p.x));
      else if (series.markers)
        out += fmt::format(R"(<circle class="{}" cx="{:.2f}%" cy="{:.2f}%" r="3"/>)", series.style,
                           percent_x(axes, p.x), percent_y(axes, p.y));
    }
  }
  return out;
}

// Dashed lines with their names at the right end: above the line, or below it where another's name stands.
std::string references(const Chart& chart, const Axes& axes) {
  std::string out;
  std::vector<ReferenceLine> lines = chart.references;
  std::sort(lines.begin(), lines.end(), [](const auto& a, const auto& b) { return a.y > b.y; });
  for (size_t i = 0; i < lines.size(); ++i) {
    const bool crowded = i > 0 && axes.y.share(lines[i - 1].y) - axes.y.share(lines[i].y) < kLabelGap;
    out += fmt::format(R"(<line class="reference" x1="0" x2="100%" y1="{0:.2f}%" y2="{0:.2f}%"/>)"
                       R"(<text class="reference" x="100%" dx="-4" y="{0:.2f}%" dy="{1}">{2} {3:.3f}</text>)",
                       percent_y(axes, lines[i].y), crowded ? 14 : -5, escape_html(lines[i].name), lines[i].y);
  }
  return out;
}

// Hidden until the pointer comes.
std::string cursor(const Chart& chart) {
  std::string out = R"(<g class="cursor"><line y1="0" y2="100%"/>)";
  for (const Series& series : chart.series) out += fmt::format(R"(<circle class="{}" r="4"/>)", series.style);
  return out + "</g>";
}

std::string legend(const Chart& chart) {
  if (chart.series.size() < 2) return "";
  std::string out = R"(<span class="legend">)";
  for (const Series& series : chart.series)
    out += fmt::format(R"(<span><i class="{}"></i>{}</span>)", series.style, escape_html(series.name));
  return out + "</span>";
}

std::string hover_data(const Chart& chart, const Axes& axes) {
  nlohmann::ordered_json data;
  data["x"] = {axes.x.low, axes.x.high};
  data["y"] = {axes.y.low, axes.y.high};
  for (const Series& series : chart.series) {
    nlohmann::ordered_json points = nlohmann::ordered_json::array();
    for (const Point& p : series.points)
      if (std::isfinite(p.y)) points.push_back({p.x, nlohmann::ordered_json::parse(fmt::format("{:.6g}", p.y))});
    data["series"].push_back(
        {{"name", utf8_replace_invalid(series.name)}, {"style", series.style}, {"points", points}});
  }
  // "<" is written as an escape, so that no name can end the script element.
  std::string out;
  for (const char c : data.dump()) out += c == '<' ? std::string("\\u003c") : std::string(1, c);
  return out;
}

std::string notes(const Chart& chart, const Axes& axes) {
  std::string text = chart.note;
  if (axes.above > 0) {
    if (!text.empty()) text += " ";
    text += fmt::format("Above the picture: {} drawn point{}, the highest {:.4g}.", axes.above,
                        axes.above == 1 ? "" : "s", axes.highest);
  }
  return text.empty() ? "" : fmt::format(R"(<p class="note">{}</p>)", escape_html(text));
}

}  // namespace

std::vector<double> nice_ticks(double low, double high, int target) {
  const double raw = (high - low) / target;
  if (!(raw > 0) || !std::isfinite(raw)) return {low};
  const double magnitude = std::pow(10, std::floor(std::log10(raw)));
  const double lead = raw / magnitude;
  const double step = magnitude * (lead < 1.5 ? 1 : lead < 3 ? 2 : lead < 7 ? 5 : 10);
  std::vector<double> ticks;
  for (double i = std::ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; ++i) ticks.push_back(i * step);
  return ticks;
}

std::vector<Point> downsample(const std::vector<Point>& points, size_t limit) {
  if (points.size() <= limit) return points;
  const size_t buckets = std::max<size_t>(1, (limit - 2) / 2);
  std::vector<Point> kept = {points.front()};
  const auto lower = [](const Point& a, const Point& b) { return a.y < b.y; };
  const size_t inner = points.size() - 2;
  for (size_t b = 0; b < buckets; ++b) {
    const auto begin = points.begin() + 1 + static_cast<ptrdiff_t>(inner * b / buckets);
    const auto end = points.begin() + 1 + static_cast<ptrdiff_t>(inner * (b + 1) / buckets);
    if (begin == end) continue;
    // A value that is not finite must be seen: it stands for its stretch, with nothing beside it.
    const auto lost = std::find_if(begin, end, [](const Point& p) { return !std::isfinite(p.y); });
    if (lost != end) {
      kept.push_back(*lost);
      continue;
    }
    auto [low, high] = std::minmax_element(begin, end, lower);
    if (high < low) std::swap(low, high);
    kept.push_back(*low);
    if (high != low) kept.push_back(*high);
  }
  kept.push_back(points.back());
  return kept;
}

std::vector<Point> smooth(const std::vector<Point>& points, size_t span) {
  const size_t reach = span / 4;
  std::vector<Point> out = points;
  std::vector<double> sums(points.size() + 1), counts(points.size() + 1);
  for (int pass = 0; pass < 2; ++pass) {
    for (size_t i = 0; i < out.size(); ++i) {
      const bool finite = std::isfinite(out[i].y);
      sums[i + 1] = sums[i] + (finite ? out[i].y : 0);
      counts[i + 1] = counts[i] + finite;
    }
    for (size_t i = 0; i < out.size(); ++i) {
      const size_t left = std::min(reach, i), right = std::min(left, out.size() - 1 - i);
      const size_t begin = i - left, end = i + right + 1;
      if (std::isfinite(out[i].y)) out[i].y = (sums[end] - sums[begin]) / (counts[end] - counts[begin]);
    }
  }
  return out;
}

std::string render_chart(const Chart& whole) {
  Chart chart = whole;
  for (Series& series : chart.series) series.points = downsample(series.points, kMaxPoints);
  const Axes axes = axes_of(chart);
  return fmt::format(
      R"(<figure class="chart{}"><figcaption><h3>{}</h3><span class="unit">{}</span>{}</figcaption>)"
      "\n"
      R"(<div class="plot" tabindex="0"><svg width="100%" height="{}" role="img" aria-label="{} by step">)"
      "{}{}{}{}{}</svg><output></output></div>{}"
      R"(<script type="application/json">{}</script></figure>)"
      "\n",
      chart.wide ? " wide" : "", escape_html(chart.title), escape_html(chart.unit), legend(chart),
      chart.wide ? 250 : 170, escape_html(chart.title), grid(chart, axes), curves(chart, axes), references(chart, axes),
      markers(chart, axes), cursor(chart), notes(chart, axes), hover_data(chart, axes));
}

}  // namespace propane::train
