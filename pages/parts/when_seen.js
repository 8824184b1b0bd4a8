// Tells the server that a part of the page is in view and not drawn yet, or drawn before something that it shows
// was changed elsewhere.

const NEAR = "200px 0px"; // of the window: it is drawn a little before it is reached
const newest = (window.gradtagNewest ??= new Map()); // version by topic, of all parts that have been drawn
const CHANGED = "gradtag-newest";
const RUNNING = "[data-testid=stApp][data-test-script-state=running]";
const lives = new WeakMap(); // this function runs again with every new data

// A part keeps the room that it waited in until what is drawn there has loaded: what is below must not jump up and down.
function keepRoom(part, { drawn, height }, signal) {
  if (!drawn) part.style.minHeight = `${height}px`;
  if (!drawn || !part.style.minHeight) return;
  const release = () => {
    if (signal.aborted) return; // the next call of this function goes on
    if (document.querySelector(RUNNING) || part.querySelector("[data-testid=stSkeleton]")) setTimeout(release, 50);
    else part.style.minHeight = "";
  };
  setTimeout(release, 50);
}

export default function ({ data, parentElement, setStateValue }) {
  lives.get(parentElement)?.abort();
  const life = new AbortController();
  lives.set(parentElement, life);
  parentElement.toggleAttribute("data-waiting", !data.drawn); // for whoever must know when a page is whole
  const part = parentElement.closest(`.${data.part}`);
  if (part) keepRoom(part, data, life.signal);
  const follows = data.version !== null; // changes elsewhere
  let inView = data.always;
  let asked = -1;

  const look = () => {
    const latest = newest.get(data.topic) ?? 0;
    const wanted = !data.drawn || (follows && data.version < latest);
    if (life.signal.aborted || !inView || !wanted || asked === latest) return;
    const busy = document.querySelector(RUNNING) || Date.now() < (window.gradtagTurn ?? 0);
    if (busy) return void setTimeout(look, 30); // it would interfere
    window.gradtagTurn = Date.now() + 200; // of several parts in one batch of messages, Streamlit runs one alone
    asked = latest;
    setStateValue("seen", latest);
  };
  // What is in view already is drawn first.
  const soon = () => ("requestIdleCallback" in window ? requestIdleCallback(look, { timeout: 1000 }) : setTimeout(look, 50));

  if (follows && data.version > (newest.get(data.topic) ?? -1)) {
    newest.set(data.topic, data.version);
    window.dispatchEvent(new CustomEvent(CHANGED));
  }
  window.addEventListener(CHANGED, soon, { signal: life.signal });
  const seen = new IntersectionObserver(
    ([entry]) => {
      inView = data.always || entry.isIntersecting;
      if (inView) soon();
    },
    { rootMargin: NEAR },
  );
  seen.observe(part ?? parentElement);
  life.signal.addEventListener("abort", () => seen.disconnect());
  return () => life.abort();
}
