// What a figure can do beyond st.plotly_chart: it tells the page which cell of a heatmap was picked, and saves itself.
// It finds its chart when something happens, since Streamlit may draw the chart later, again or anew.

const earlier = new WeakMap(); // this function runs again with every new data, theme or callback

export default function ({ data, parentElement }) {
  earlier.get(parentElement)?.abort();
  const life = new AbortController();
  earlier.set(parentElement, life);
  const find = (selector) => parentElement.querySelector(selector);
  const chart = () => document.querySelector(`.${data.chart} .js-plotly-plot`);
  const background = () => getComputedStyle(parentElement).getPropertyValue("--st-background-color").trim();

  for (const format of ["png", "svg"])
    find(`.figure-tools-${format}`).onclick = () => save(chart(), format, data.name, background());
  const keys = find(".figure-tools-keys");
  keys.hidden = !data.cells;
  if (data.cells) {
    const pick = (row, column) =>
      document.querySelector(`.${data.chart}`)?.dispatchEvent(new CustomEvent(PICKED, { bubbles: true, detail: [row, column] }));
    onCellClick(chart, pick, life.signal);
    onCellKeys(chart, pick, keys, find(".figure-tools-cell"), life.signal);
  }
  return () => life.abort();
}

// ---- clicks

function onCellClick(chart, pick, signal) {
  let attached;
  const clicked = ({ points }) => {
    const cell = points.find((point) => point.fullData.type === "heatmap");
    if (cell) pick(...cell.pointNumber);
  };
  const detach = () => attached?.removeListener?.("plotly_click", clicked);
  // Redrawing may replace the chart or drop its listeners, and every click begins with this event.
  const attach = ({ target }) => {
    const plot = chart();
    if (!plot?.on || !plot.contains(target)) return;
    detach();
    attached = plot;
    plot.on("plotly_click", clicked);
  };
  document.addEventListener("pointerdown", attach, { capture: true, signal });
  signal.addEventListener("abort", detach);
}

// ---- keys

const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

function onCellKeys(chart, pick, button, announcement, signal) {
  const at = [0, 0];
  const mark = square({ outline: "2px solid #fff", border: "2px solid #000" });
  const hide = () => {
    mark.remove();
    announcement.textContent = "";
  };
  const show = () => {
    const plot = chart();
    const map = plot && heatmap(plot);
    if (!map) return;
    at[0] = Math.min(Math.max(at[0], 0), map.rows - 1);
    at[1] = Math.min(Math.max(at[1], 0), map.columns - 1);
    place(mark, plot, at);
    plot.append(mark);
    announcement.textContent = words(map, at);
  };
  const act = (event) => {
    if (event.key === "Escape") return hide();
    if (event.key === "Enter" || event.key === " ") pick(...at);
    else if (STEPS[event.key]) at.forEach((_, axis) => (at[axis] += STEPS[event.key][axis]));
    else return;
    event.preventDefault();
    show();
  };
  button.addEventListener("focus", show, { signal });
  button.addEventListener("blur", hide, { signal });
  button.addEventListener("keydown", act, { signal });
  signal.addEventListener("abort", hide);
}

function words({ trace, z }, [row, column]) {
  const value = z[row][column];
  const name = (labels, position) => plain(labels?.[position] ?? position + 1);
  const number = Number.isFinite(value) ? Number(value).toPrecision(4) : "unknown";
  return `${name(trace.y, row)} with ${name(trace.x, column)}: ${number}`;
}

// Labels are escaped for Plotly; a document of its own runs nothing.
function plain(label) {
  return new DOMParser().parseFromString(String(label), "text/html").body.textContent;
}

// ---- pictures

// Plotly's own button is the only way to its exporter from outside its bundle. It copies the figure at once, so its
// options, the background, which the figure leaves to the page, and what is left out are there for that moment only. So
// is the font: the page's own is not in the file, and words measured in it would be cut in a wider one.
function save(plot, format, filename, background) {
  const button = plot?._fullLayout?._modeBar?.buttons.flat().find(({ name }) => name === "toImage");
  if (!button) return;
  const options = plot._context.toImageButtonOptions;
  const { data, layout } = plot;
  const changed = ["paper_bgcolor", "font", "annotations"];
  const had = changed.filter((name) => name in layout).map((name) => [name, layout[name]]);
  plot._context.toImageButtonOptions = { format, filename, scale: format === "png" ? 2 : 1 };
  layout.paper_bgcolor = background;
  plot.data = data.filter((_, index) => isSeen(plot, `.trace${plot._fullData[index].uid} text`));
  layout.font = { ...layout.font, family: "sans-serif" };
  layout.annotations = layout.annotations?.filter((_, index) => isSeen(plot, `.annotation[data-index="${index}"] text`));
  try {
    button.click(plot);
  } finally {
    plot._context.toImageButtonOptions = options;
    plot.data = data;
    for (const name of changed) delete layout[name];
    Object.assign(layout, Object.fromEntries(had));
  }
}

// Words that a style of the page hides, such as names placed for another width, are not in the picture either.
function isSeen(plot, selector) {
  const words = [...plot.querySelectorAll(selector)];
  return words.length === 0 || words.some((each) => each.getClientRects().length > 0);
}
