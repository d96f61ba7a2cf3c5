#include "train/report_page.h"

namespace propane::train {

std::string_view report_style() {
  return R"css(
:root {
  color-scheme: light dark;
  --page: #fbfbfa; --card: #fff; --ink: #1c1e21; --soft: #5d636b; --rule: #e3e4e2; --grid: #ecedeb;
  --main: #1d5fd1; --faint: #1d5fd159; --reference: #b4530a; --alert: #b3261e; --alert-page: #fdf1e4;
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", sans-serif;
  --mono: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  --serif: Charter, "Iowan Old Style", Georgia, "Liberation Serif", serif;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14161a; --card: #1b1e23; --ink: #e4e6e9; --soft: #9aa2ac; --rule: #30343b; --grid: #282c32;
    --main: #78a9ff; --faint: #78a9ff59; --reference: #f0a35e; --alert: #ff8a80; --alert-page: #33261a;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 var(--sans);
  -webkit-text-size-adjust: 100%; }
main { max-width: 1120px; margin: 0 auto; padding: 40px 24px 64px; }
header { border-bottom: 2px solid var(--ink); padding-bottom: 18px; }
.kind { margin: 0; color: var(--soft); font-size: 12px; letter-spacing: .09em; text-transform: uppercase; }
h1 { margin: 2px 0 6px; font-size: 30px; line-height: 1.2; font-weight: 650; letter-spacing: -.015em;
  overflow-wrap: anywhere; }
.lede { margin: 0; max-width: 75ch; font-size: 16px; color: var(--soft); }
.lede b { color: var(--ink); font-weight: 600; }
.banner { margin: 20px 0 0; padding: 12px 16px; border-left: 4px solid var(--reference);
  background: var(--alert-page); }
h2 { margin: 40px 0 14px; font-size: 18px; font-weight: 650; letter-spacing: -.005em; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(120px, 1fr)); gap: 1px; margin: 24px 0 0;
  background: var(--card); border: 1px solid var(--rule); border-radius: 8px; overflow: hidden; }
.tiles div { outline: 1px solid var(--rule); padding: 13px 15px 12px; }
.tiles dt { color: var(--soft); font-size: 12.5px; }
.tiles dd { margin: 0; font-size: 22px; line-height: 1.35; font-weight: 600; font-variant-numeric: tabular-nums;
  letter-spacing: -.01em; white-space: nowrap; }
.tiles small { display: block; color: var(--soft); font-size: 12px; line-height: 1.4; font-weight: 400;
  letter-spacing: 0; white-space: normal; }
.charts { display: grid; grid-template-columns: repeat(6, minmax(0, 1fr)); gap: 16px; }
.chart { grid-column: span 2; display: flex; flex-direction: column; margin: 0; padding: 14px 16px 12px; background: var(--card);
  border: 1px solid var(--rule); border-radius: 8px; }
.chart.wide { grid-column: span 3; }
figcaption { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 9px;
  margin-bottom: 14px; }
h3 { margin: 0; font-size: 14.5px; font-weight: 650; }
.unit, .legend, .note { color: var(--soft); font-size: 12.5px; }
.legend { flex-basis: 100%; display: flex; gap: 14px; }
.wide .legend { flex-basis: auto; margin-left: auto; }
.legend i { display: inline-block; width: 16px; height: 0; margin-right: 6px; vertical-align: middle;
  border-top: 2px solid var(--main); }
.legend i.faint { border-top: 5px solid var(--faint); }
.note { margin: 4px 0 0; }
.plot { position: relative; margin: auto 8px 30px 46px; touch-action: pan-y; cursor: crosshair; }
.plot:focus-visible { outline: 2px solid var(--main); outline-offset: 6px; border-radius: 2px; }
.plot > svg { display: block; overflow: visible; }
.plot text { font-size: 12px; fill: var(--soft); font-variant-numeric: tabular-nums; }
.plot text.y { text-anchor: end; }
.plot text.x { text-anchor: middle; }
.plot text.reference { text-anchor: end; fill: var(--reference); stroke: var(--card); stroke-width: 4px;
  paint-order: stroke; stroke-linejoin: round; }
.plot text.lost { text-anchor: middle; fill: var(--alert); font-size: 16px; font-weight: 700; }
line.grid { stroke: var(--grid); }
line.axis { stroke: var(--soft); }
line.reference { stroke: var(--reference); stroke-dasharray: 5 4; }
polyline { fill: none; stroke: var(--main); stroke-width: 2px; stroke-linejoin: round; stroke-linecap: round;
  vector-effect: non-scaling-stroke; }
polyline.faint { stroke: var(--faint); stroke-width: 1px; }
circle { fill: var(--main); }
.cursor { visibility: hidden; pointer-events: none; }
.cursor.on { visibility: visible; }
.cursor line { stroke: var(--soft); stroke-dasharray: 2 3; }
.cursor circle { stroke: var(--card); stroke-width: 1.5px; }
.cursor circle.faint { r: 3px; }
output { position: absolute; top: 0; z-index: 1; display: none; padding: 6px 10px; border: 1px solid var(--rule);
  border-radius: 6px; background: var(--card); box-shadow: 0 3px 12px #0002; font-size: 12.5px; line-height: 1.5;
  font-variant-numeric: tabular-nums; white-space: pre; pointer-events: none; }
output.on { display: block; }
.samples { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 14px; }
.sample { margin: 0; padding: 14px 18px; background: var(--card); border: 1px solid var(--rule);
  border-radius: 8px; }
.sample h3 { color: var(--soft); font-size: 12.5px; font-weight: 600; }
.sample p { margin: 6px 0 0; max-width: 78ch; font: 16px/1.6 var(--serif); white-space: pre-wrap;
  overflow-wrap: anywhere; }
.sample b { font-weight: 700; }
summary { margin: 14px 0; cursor: pointer; color: var(--soft); }
.pair { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 0 28px; align-items: start; }
pre { margin: 0; padding: 14px 18px; overflow: auto; background: var(--card);
  border: 1px solid var(--rule); border-radius: 8px; font: 13px/1.55 var(--mono); tab-size: 4; }
pre b { font-weight: 650; }
pre i { color: var(--soft); font-style: normal; }
table { width: 100%; border-collapse: collapse; font-size: 14px; }
th, td { padding: 7px 0; border-bottom: 1px solid var(--rule); text-align: left; vertical-align: top; }
th { padding-right: 20px; color: var(--soft); font-weight: 400; white-space: nowrap; }
td { overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
@media (max-width: 860px) {
  .chart, .chart.wide { grid-column: span 6; }
  .pair { grid-template-columns: minmax(0, 1fr); }
}
@media (max-width: 520px) {
  main { padding: 24px 14px 40px; }
  h1 { font-size: 25px; }
  .tiles { grid-template-columns: 1fr 1fr; }
  .chart { padding: 12px 10px 8px; }
  .wide .legend { margin-left: 0; flex-basis: 100%; }
}
@media print {
  body { background: none; }
  .chart, .sample, .tiles { break-inside: avoid; }
  pre { white-space: pre-wrap; }
}
)css";
}

std::string_view report_script() {
  return R"js(
for (const figure of document.querySelectorAll(".chart")) {
  const data = JSON.parse(figure.querySelector("script").textContent);
  const plot = figure.querySelector(".plot"), svg = plot.querySelector("svg");
  const tip = plot.querySelector("output"), cursor = plot.querySelector(".cursor");
  const [x0, x1] = data.x, [y0, y1] = data.y, main = data.series[data.series.length - 1].points;
  const text = n => Number(n.toPrecision(5)).toLocaleString("en", {maximumSignificantDigits: 5});
  let at = main.length - 1;

  const nearest = (points, x) => {
    let low = 0, high = points.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (points[middle][0] < x) low = middle + 1; else high = middle;
    }
    return low > 0 && x - points[low - 1][0] < points[low][0] - x ? low - 1 : low;
  };
  const show = index => {
    if (!main.length) return;
    at = Math.max(0, Math.min(main.length - 1, index));
    const x = main[at][0], left = 100 * (x - x0) / (x1 - x0);
    const line = cursor.querySelector("line"), dots = cursor.querySelectorAll("circle");
    line.setAttribute("x1", left + "%");
    line.setAttribute("x2", left + "%");
    const rows = ["step " + x.toLocaleString("en")];
    data.series.forEach((series, i) => {
      const [px, py] = series.points[nearest(series.points, x)];
      dots[i].setAttribute("cx", 100 * (px - x0) / (x1 - x0) + "%");
      dots[i].setAttribute("cy", 100 * Math.max(0, (y1 - py) / (y1 - y0)) + "%");
      rows.push(series.name + "  " + text(py) + (px === x ? "" : "  (step " + px.toLocaleString("en") + ")"));
    });
    tip.textContent = rows.join("\n");
    tip.style.left = left < 50 ? `calc(${left}% + 12px)` : "auto";
    tip.style.right = left < 50 ? "auto" : `calc(${100 - left}% + 12px)`;
    tip.classList.add("on");
    cursor.classList.add("on");
  };
  const hide = () => { tip.classList.remove("on"); cursor.classList.remove("on"); };
  const follow = event => {
    const box = svg.getBoundingClientRect();
    show(nearest(main, x0 + (event.clientX - box.left) / box.width * (x1 - x0)));
  };
  plot.addEventListener("pointermove", follow);
  plot.addEventListener("pointerdown", follow);
  plot.addEventListener("pointerleave", hide);
  plot.addEventListener("blur", hide);
  plot.addEventListener("keydown", event => {
    const move = {ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity}[event.key];
    if (!move) return;
    event.preventDefault();
    show(Math.max(0, Math.min(main.length - 1, at + move)));
  });
}
)js";
}

}  // namespace propane::train
