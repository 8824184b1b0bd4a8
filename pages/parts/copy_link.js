// Copies the address of the page; the script does not run again.

const SHOWN = 2000; // milliseconds
const timers = new WeakMap();

export default function ({ parentElement }) {
  const button = parentElement.querySelector("button");
  button.onclick = async () => {
    button.textContent = (await copied(location.href)) ? "Copied" : "Not copied";
    clearTimeout(timers.get(button));
    timers.set(button, setTimeout(() => (button.textContent = "Copy link"), SHOWN));
  };
  return () => clearTimeout(timers.get(button));
}

// Browsers give a clipboard to https and localhost alone: elsewhere a selected text is copied.
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = Object.assign(document.createElement("textarea"), { value: text, readOnly: true });
    Object.assign(area.style, { position: "fixed", top: 0, opacity: 0 });
    const focused = document.activeElement;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    focused?.focus?.();
    return done;
  }
}
