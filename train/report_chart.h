// One curve figure of the report: inline SVG with axes and ticks, and the points again as JSON for the page's hover
// read-out. Texts keep their size at any width: the curves are stretched, everything else is placed by percentages.
#pragma once

#include <string>
#include <vector>

namespace propane::train {

struct Point {
  double x = 0;
  double y = 0;  // not finite: a gap in the curve, marked at the top
};

struct Series {
  std::string name;   // in the legend and the read-out
  std::string style;  // CSS class: "faint", "main"
  std::vector<Point> points = {};
  bool markers = false;  // a dot at each point
};

struct ReferenceLine {
  std::string name;
  double y = 0;
};

struct Chart {
  std::string title;
  std::string unit;
  std::vector<Series> series = {};  // x ascending within each
  std::vector<ReferenceLine> references = {};
  double last_x = 0;       // the x axis goes from 0 to here, or to the last point
  bool from_zero = false;  // the y axis starts at 0
  bool wide = false;       // half the page instead of a third
  std::string note = {};   // plain text below the axes
};

// The <figure>. Names and notes are escaped here.
std::string render_chart(const Chart& chart);

// At most `limit` points (at least 4) that look the same: a long run keeps each stretch's lowest and highest point.
std::vector<Point> downsample(const std::vector<Point>& points, size_t limit);

// Two passes of a centred moving average, together over about `span` points. At the start the window shrinks on both
// sides, so that a steep fall is followed and not lagged behind; at the end only on the right, so that the last value
// is still an average. A point that is not finite stays so and enters no average.
std::vector<Point> smooth(const std::vector<Point>& points, size_t span);

// Multiples of 1, 2 or 5 times a power of ten inside [low, high], about `target` of them.
std::vector<double> nice_ticks(double low, double high, int target);

}  // namespace propane::train
