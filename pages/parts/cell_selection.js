// Marks the selected cells of a heatmap without drawing it anew, and tells the server which cell was picked.

const EASILY_FOUND = 40; // tasks: in a larger map, where a square is a dot, lines through it lead the eye
const STYLES = [
  { border: "2px solid #000", outline: "1px solid #fff" },
  { border: "2px dotted #000", outline: "1px solid rgba(255, 255, 255, 0.6)" }, // the other direction of a pair
];
const LINE = { background: "currentColor", opacity: 0.45 };
const selections = new WeakMap(); // this function runs again with every new data, theme or callback

export default function ({ data, parentElement, setTriggerValue }) {
  selections.get(parentElement)?.abort();
  const life = new AbortController();
  selections.set(parentElement, life);
  const picked = ({ target, detail }) => {
    if (target.matches?.(`.${data.chart}`)) setTriggerValue("cell", detail);
  };
  document.addEventListener(PICKED, picked, { signal: life.signal });
  if (data.selected.length) markCells(data, life.signal);
  return () => life.abort();
}

// The chart may be drawn later, again, or be zoomed: each changes what is inside its element.
function markCells({ chart, selected }, signal) {
  const marks = selected.map((_, index) => square(STYLES[index]));
  const lines = [square(LINE), square(LINE)];
  let waiting = false;
  const show = () => {
    waiting = false;
    const plot = document.querySelector(`.${chart} .js-plotly-plot`);
    if (signal.aborted || !plot?.calcdata || !heatmap(plot)) return;
    selected.forEach((cell, index) => place(marks[index], plot, cell));
    cross(lines, plot, selected[0]);
    for (const mark of [...lines, ...marks]) if (mark.parentElement !== plot) plot.append(mark);
  };
  const soon = () => {
    if (!waiting) requestAnimationFrame(show);
    waiting = true;
  };
  const ours = [...marks, ...lines];
  const isOurs = ({ target, addedNodes, removedNodes }) =>
    ours.includes(target) || [...addedNodes, ...removedNodes].some((node) => ours.includes(node));
  const drawn = new MutationObserver((changes) => {
    if (!changes.every(isOurs)) soon();
  });
  const watch = () => {
    const element = document.querySelector(`.${chart}`);
    if (signal.aborted) return;
    if (!element) return void setTimeout(watch, 100);
    const kinds = ["width", "height", "href", "xlink:href"]; // of the picture of the cells
    drawn.observe(element, { subtree: true, childList: true, attributes: true, attributeFilter: kinds });
    soon();
  };
  watch();
  signal.addEventListener("abort", () => {
    drawn.disconnect();
    ours.forEach((mark) => mark.remove());
  });
}

function cross([across, down], plot, [row, column]) {
  const { x, y, rows } = heatmap(plot);
  const { l, t, w, h } = plot._fullLayout._size;
  const [left, width] = span(plot._fullLayout.xaxis, x, column);
  const [top, height] = span(plot._fullLayout.yaxis, y, row);
  across.hidden = down.hidden = rows <= EASILY_FOUND;
  Object.assign(across.style, pixels({ left: l, width: w, top: top + height / 2, height: 1 }));
  Object.assign(down.style, pixels({ left: left + width / 2, width: 1, top: t, height: h }));
}
