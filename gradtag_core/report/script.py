"""What draws the figures of the report in the reader's browser.

The report holds every figure once, in the light theme's colours. A reader with a dark screen gets each of them in the
colour that has its place in the dark palette; paper is always light.

Before printing, every figure is drawn as wide as the paper and no taller, and the cells of a heatmap, which Plotly
draws as a picture, become shapes: a path per colour.
"""

import json
from dataclasses import astuple

from gradtag_core.figures.theme import PALETTES


def _in_dark() -> dict[str, str]:
    """The dark palette's colour for each one of the light palette."""
    light, dark = (astuple(PALETTES[theme]) for theme in ("light", "dark"))
    pairs: dict[str, str] = {}
    for one, other in zip(light, dark, strict=True):
        pairs |= {one: other} if isinstance(one, str) else dict(zip(one, other, strict=True))
    return pairs


IN_DARK = _in_dark()
SCRIPT = """
"use strict";
const PAPER_WIDTH = 680, PAPER_HEIGHT = 860, COLOURS = 96, IN_DARK = __IN_DARK__;
const WORDS = new Set([
  "x", "y", "z", "text", "hovertext", "ticktext", "tickvals", "customdata", "categoryarray", "name",
]);
const dark = matchMedia("(prefers-color-scheme: dark)");
const drawn = [];
function recoloured(value) {
  if (typeof value === "string") return IN_DARK[value] || value;
  if (Array.isArray(value)) return value.map(recoloured);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(
    ([key, inner]) => [key, WORDS.has(key) ? inner : recoloured(inner)]));
}
function draw({ place, text }, inDark) {
  const light = JSON.parse(text), figure = inDark ? recoloured(light) : light;
  Plotly.react(place, figure.data, figure.layout, {
    responsive: true, displaylogo: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "pan2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
    toImageButtonOptions: { format: "svg", filename: place.id },
  });
  return figure.layout.height || 450;
}
for (const data of document.querySelectorAll("script.figure")) {
  const one = { place: document.getElementById(data.dataset.place), text: data.textContent };
  drawn.push({ ...one, height: draw(one, dark.matches) });
}
dark.addEventListener("change", () => drawn.forEach((one) => draw(one, dark.matches)));
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
  for (const one of drawn) {
    const { place, height } = one;
    if (dark.matches) draw(one, !forPaper);
    const size = forPaper
      ? { width: PAPER_WIDTH, height: Math.min(height, PAPER_HEIGHT), autosize: false }
      : { width: null, height, autosize: true };
    Plotly.relayout(place, size);
    if (forPaper) vectorise(place);
  }
}
addEventListener("beforeprint", () => resize(true));
addEventListener("afterprint", () => resize(false));
""".replace("__IN_DARK__", json.dumps(IN_DARK))
