"""What draws the figures of the report in the reader's browser.

Before printing, every figure is drawn as wide as the paper and no taller, and the cells of a heatmap, which Plotly
draws as a picture, become shapes: a path per colour.
"""

SCRIPT = """
"use strict";
const PAPER_WIDTH = 680, PAPER_HEIGHT = 860, COLOURS = 96;
const drawn = [];
for (const data of document.querySelectorAll("script.figure")) {
  const figure = JSON.parse(data.textContent);
  const place = document.getElementById(data.dataset.place);
  Plotly.newPlot(place, figure.data, figure.layout, {
    responsive: true, displaylogo: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "pan2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
    toImageButtonOptions: { format: "svg", filename: data.dataset.place },
  });
  drawn.push({ place, height: figure.layout.height || 450 });
}
function blended(scale, share) {
  const parts = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  let above = scale.findIndex(([stop]) => stop >= share);
  if (above < 0) above = scale.length - 1;
  if (above === 0) return scale[0][1];
  const [low, first] = scale[above - 1], [high, second] = scale[above];
  const weight = high > low ? (share - low) / (high - low) : 0;
  const [from, to] = [parts(first), parts(second)];
  return "rgb(" + from.map((value, at) => Math.round(value + weight * (to[at] - value))).join(",") + ")";
}
function vectorise(place) {
  for (const image of place.querySelectorAll(".heatmaplayer image")) {
    const cells = place.calcdata.find((each) => each[0].trace.type === "heatmap");
    if (!cells) continue;
    const z = cells[0].z, trace = cells[0].trace, gap = trace.xgap || 0;
    const [x, y] = ["x", "y"].map((name) => parseFloat(image.getAttribute(name)));
    const width = parseFloat(image.getAttribute("width")) / z[0].length;
    const height = parseFloat(image.getAttribute("height")) / z.length;
    const upwards = place._fullLayout.yaxis.range[0] < place._fullLayout.yaxis.range[1];
    const paths = new Map();
    z.forEach((row, i) => row.forEach((value, j) => {
      if (!Number.isFinite(value)) return;
      const share = Math.min(1, Math.max(0, (value - trace.zmin) / (trace.zmax - trace.zmin || 1)));
      const step = Math.round(share * COLOURS);
      const line = upwards ? z.length - 1 - i : i;
      const path = "M" + (x + j * width + gap / 2).toFixed(2) + " " + (y + line * height + gap / 2).toFixed(2)
        + "h" + (width - gap).toFixed(2) + "v" + (height - gap).toFixed(2) + "h" + (gap - width).toFixed(2) + "z";
      paths.set(step, (paths.get(step) || "") + path);
    }));
    const group = document.createElementNS("http://www.w3.org/2000/svg", "g");
    for (const [step, path] of paths) {
      const shape = document.createElementNS("http://www.w3.org/2000/svg", "path");
      shape.setAttribute("d", path);
      shape.setAttribute("fill", blended(trace.colorscale, step / COLOURS));
      group.append(shape);
    }
    image.replaceWith(group);
  }
}
function resize(forPaper) {
  for (const { place, height } of drawn) {
    const size = forPaper
      ? { width: PAPER_WIDTH, height: Math.min(height, PAPER_HEIGHT), autosize: false }
      : { width: null, height, autosize: true };
    Plotly.relayout(place, size);
    if (forPaper) vectorise(place);
  }
}
addEventListener("beforeprint", () => resize(true));
addEventListener("afterprint", () => resize(false));
"""
