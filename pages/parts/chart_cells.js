// The cells of a Plotly heatmap, and where they lie on the page. Shared by the components that come after it.

const PICKED = "gradtag-cell"; // the event on a chart's element: which [row, column] was picked

function heatmap(plot) {
  const [drawn] = plot.calcdata.find(([first]) => first.trace.type === "heatmap") ?? [];
  return drawn && { ...drawn, rows: drawn.z.length, columns: drawn.z[0].length };
}

function span(axis, edges, position) {
  const ends = [edges[position], edges[position + 1]].map((edge) => axis._offset + axis.l2p(edge));
  return [Math.min(...ends), Math.abs(ends[1] - ends[0])];
}

function place(mark, plot, [row, column]) {
  const { x, y } = heatmap(plot);
  const [left, width] = span(plot._fullLayout.xaxis, x, column);
  const [top, height] = span(plot._fullLayout.yaxis, y, row);
  Object.assign(mark.style, pixels({ left, top, width: Math.max(width, 6), height: Math.max(height, 6) }));
  const { l, t, w, h } = plot._fullLayout._size;
  mark.hidden = left < l - 1 || top < t - 1 || left > l + w || top > t + h; // outside of what is zoomed into
}

function pixels(box) {
  return Object.fromEntries(Object.entries(box).map(([side, size]) => [side, `${size}px`]));
}

function square(style) {
  const mark = document.createElement("div");
  Object.assign(mark.style, { position: "absolute", pointerEvents: "none", boxSizing: "border-box", ...style });
  return mark;
}

