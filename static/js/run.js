// One run. Without this file the graph scrolls, and links and forms do what the buttons do.

const graph = () => document.getElementById("graph");
const drawing = () => graph()?.querySelector("svg.dag");
const LEAST = 0.25, MOST = 2;
let scale = 1;
let shown = ""; // the step that was chosen when the graph was last moved to one

// -- zoom: the drawing gets another size, what is below `at` stays there
function apply() {
  const svg = drawing();
  if (!svg) return;
  const { width, height } = svg.viewBox.baseVal;
  svg.setAttribute("width", Math.round(width * scale));
  svg.setAttribute("height", Math.round(height * scale));
  graph().classList.add("pans");
  const level = document.getElementById("zoom-level");
  if (level) level.textContent = `${Math.round(scale * 100)} %`;
}
function zoom(wanted, at) {
  const place = graph();
  if (!drawing()) return;
  const before = scale;
  scale = Math.min(MOST, Math.max(LEAST, wanted));
  const x = at?.x ?? place.clientWidth / 2, y = at?.y ?? place.clientHeight / 2;
  const left = (place.scrollLeft + x) * scale / before - x, top = (place.scrollTop + y) * scale / before - y;
  apply();
  place.scrollTo({ left, top, behavior: "instant" });
}
function fit() {
  const { width, height } = drawing().viewBox.baseVal;
  zoom(Math.min(1, graph().clientWidth / width, graph().clientHeight / height));
}
const acts = { in: () => zoom(scale * 1.25), out: () => zoom(scale / 1.25), fit };
const keys = { "+": "in", "=": "in", "-": "out", 0: "fit" };
document.addEventListener("click", ({ target }) => {
  const button = target.closest?.("[data-zoom]");
  if (button && drawing()) acts[button.dataset.zoom]();
});
document.addEventListener("keydown", (event) => {
  const act = acts[keys[event.key]];
  if (!act || event.ctrlKey || event.metaKey || event.altKey || !event.target.closest?.("#graph")) return;
  event.preventDefault();
  act();
});
document.addEventListener("wheel", (event) => {
  const place = event.target.closest?.("#graph");
  if (!place || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  const box = place.getBoundingClientRect();
  zoom(scale * Math.exp(-event.deltaY / 300), { x: event.clientX - box.left, y: event.clientY - box.top });
}, { passive: false });

// -- pan: with a mouse, by the ground between the steps
document.addEventListener("pointerdown", (event) => {
  const place = event.target.closest?.("#graph");
  if (!place || event.pointerType !== "mouse" || event.button || event.target.closest("a")) return;
  const from = [place.scrollLeft + event.clientX, place.scrollTop + event.clientY];
  // The next look at the run may have put another in its place meanwhile.
  const move = ({ clientX, clientY }) => graph()?.scrollTo({ left: from[0] - clientX, top: from[1] - clientY, behavior: "instant" });
  const end = () => {
    graph()?.classList.remove("drags");
    removeEventListener("pointermove", move);
    for (const type of ["pointerup", "pointercancel"]) removeEventListener(type, end);
  };
  place.classList.add("drags");
  addEventListener("pointermove", move);
  for (const type of ["pointerup", "pointercancel"]) addEventListener(type, end);
});

// -- arrow keys go from cell to cell of a group
const moves = { ArrowLeft: () => -1, ArrowRight: () => 1, ArrowUp: (columns) => -columns, ArrowDown: (columns) => columns };
document.addEventListener("keydown", (event) => {
  const cell = event.target.closest?.(".cell");
  if (!cell || !moves[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
  const group = cell.closest("[data-cells]"), cells = [...group.querySelectorAll(".cell")];
  event.preventDefault();
  cells[cells.indexOf(cell) + moves[event.key](Number(group.dataset.cells))]?.focus();
});

// -- the chosen step comes into sight, in the graph and in the list, without moving the page
function reveal(place, element, middle) {
  if (!place || !element) return;
  const outer = place.getBoundingClientRect(), inner = element.getBoundingClientRect();
  const hidden = inner.top < outer.top || inner.bottom > outer.bottom || inner.left < outer.left || inner.right > outer.right;
  if (!hidden && !middle) return;
  place.scrollLeft += inner.left - outer.left - (outer.width - inner.width) / 2;
  place.scrollTop += inner.top - outer.top - (outer.height - inner.height) / 2;
}
function goToChosen() {
  const chosen = document.getElementById("chosen-step");
  const name = chosen?.dataset.click ?? "";
  if (!name || name === shown) return;
  reveal(graph(), chosen, !shown);
  reveal(document.getElementById("steps-list"), document.querySelector("#steps-list [aria-current]"));
  shown = name;
}

// -- the line that the address names: found in the window, or asked for
function goToLine() {
  const number = /^#L(\d{1,10})$/.exec(location.hash)?.[1], lines = document.getElementById("log-lines");
  if (!number || !lines) return;
  const line = document.getElementById(`L${number}`), query = new URLSearchParams(location.search);
  lines.querySelectorAll(".current").forEach((one) => one.classList.remove("current"));
  line?.classList.add("current");
  if (line || query.get("line") === number) return;
  query.set("line", number);
  location.replace(`?${query}${location.hash}`);
}
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("#log-lines li > a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  history.replaceState(history.state, "", link.href);
  goToLine();
});
addEventListener("hashchange", goToLine);

// -- what was folded or unfolded stays so; the output of a process stays at its end
const unfolded = new Map(), ends = new Set();
document.addEventListener("htmx:beforeSwap", ({ target }) => {
  target.querySelectorAll?.("details[id]").forEach((one) => unfolded.set(one.id, one.open));
  target.querySelectorAll?.("[data-keeps-end]").forEach((one) => {
    ends[one.scrollHeight - one.scrollTop - one.clientHeight < 30 ? "add" : "delete"](one.id);
  });
});
function restore() {
  unfolded.forEach((open, id) => { const one = document.getElementById(id); if (one) one.open = open; });
  unfolded.clear();
  ends.forEach((id) => { const one = document.getElementById(id); if (one) one.scrollTop = one.scrollHeight; });
}
document.querySelectorAll("[data-keeps-end]").forEach((one) => { one.scrollTop = one.scrollHeight; });

const tend = () => { if (scale !== 1) apply(); else graph()?.classList.add("pans"); goToChosen(); restore(); };
document.addEventListener("htmx:afterSwap", () => queueMicrotask(tend)); // after what is scrolled is where it was
tend();
goToLine();
