// The form of a re-run: search and folded steps. Without this file every step can be opened, and all is shown.

const form = () => document.getElementById("editor");
const steps = () => [...document.querySelectorAll("details[data-step]")];
const field = () => document.querySelector("#finder [data-search]");
let wasOpen = null; // which steps were open before the search
let drawn = null; // of a form that is drawn again: which steps are open, and what is searched for

// -- search: a parameter is shown whole, with all that is inside

const valueOf = (one) => {
  if (one.matches("[type=checkbox], [type=radio]")) return one.checked ? one.labels?.[0]?.textContent ?? "on" : "";
  if (one.matches("select")) return one.selectedOptions[0]?.textContent ?? "";
  return one.matches("[type=hidden], [type=password]") ? "" : one.value;
};
const textOf = (part) => {
  const names = [...part.querySelectorAll("label, .label, .node-head > b, .hint")].map((one) => one.textContent);
  const values = [...part.querySelectorAll("input, select, textarea")].map(valueOf);
  return [...names, ...values].join(" ").toLowerCase();
};
const partsOf = (step) => [...step.querySelectorAll(":scope > fieldset > .params > *, :scope > fieldset > .more")];

function find() {
  const words = field().value.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length && !wasOpen) wasOpen = openSteps();
  let shown = 0;
  for (const step of steps()) {
    const name = step.dataset.step.toLowerCase();
    const parts = partsOf(step).map((part) => {
      const text = words.length ? `${name} ${textOf(part)}` : "";
      part.hidden = !words.every((word) => text.includes(word));
      if (part.matches("details") && words.length) part.open ||= words.some((word) => textOf(part).includes(word));
      return !part.hidden;
    });
    const here = parts.filter(Boolean).length;
    step.hidden = words.length > 0 && !here;
    if (words.length) step.open = here > 0;
    shown += here;
  }
  if (!words.length && wasOpen) openAgain(wasOpen);
  if (!words.length) wasOpen = null;
  tell(words.length ? (shown ? `${shown} found` : "Nothing matches. Clear the search to see all.") : "");
  unfoldWords();
}
const tell = (text) => { document.querySelector("[data-found]").textContent = text; };
const openSteps = () => new Set(steps().filter((step) => step.open).map((step) => step.id));
const openAgain = (ids) => steps().forEach((step) => { step.open = ids.has(step.id); });

// What is typed into the search is no change of the form
for (const type of ["input", "change"]) document.addEventListener(type, (event) => {
  if (event.target !== field()) return;
  event.stopPropagation();
  if (type === "input") find();
}, true);
document.addEventListener("keydown", (event) => {
  if (event.target !== field()) return;
  if (event.key === "Enter") {
    event.preventDefault(); // it goes to the first that is found, and sends nothing
    const part = field().value && steps().filter((step) => !step.hidden).flatMap(partsOf).find((one) => !one.hidden);
    part?.querySelector("input:not([type=hidden]), select, textarea:not([hidden]), button")?.focus();
  }
  if (event.key === "Escape" && field().value) {
    event.preventDefault();
    field().value = "";
    find();
  }
});

// -- folded steps

const allOpen = () => steps().filter((step) => !step.hidden).every((step) => step.open);
function unfoldWords() {
  const button = document.querySelector("[data-unfold]");
  if (button) button.textContent = allOpen() ? "Collapse all" : "Expand all";
}
document.addEventListener("click", ({ target }) => {
  if (target.closest?.("[data-unfold]")) {
    const open = !allOpen();
    steps().forEach((step) => { step.open = open; });
    unfoldWords();
  }
  // A link to a step, or to a value inside one, opens it
  const there = document.getElementById(target.closest?.('a[href^="#"]')?.hash.slice(1) ?? "");
  if (there && form()?.contains(there)) reveal(there);
});
document.addEventListener("toggle", ({ target }) => { if (target.matches?.("details[data-step]")) unfoldWords(); }, true);
function reveal(there) {
  if (there.closest("[hidden]") && field()?.value) {
    field().value = "";
    find();
  }
  for (let one = there.closest("details"); one; one = one.parentElement.closest("details")) one.open = true;
}

// A click waits while values are checked. Should the answer draw its button anew, the click goes on with the new one
let waiting = null;
const isReset = (element) => element?.matches?.("#editor button[name=reset]");
document.addEventListener("click", ({ target }) => {
  const button = target.closest?.("button");
  waiting = isReset(button) ? button : null;
});
document.addEventListener("htmx:beforeRequest", ({ target }) => { if (target === waiting) waiting = null; });
document.addEventListener("htmx:afterSettle", () => {
  if (!waiting || waiting.isConnected) return;
  const lost = waiting;
  waiting = null;
  [...(form()?.querySelectorAll("button[name=reset]") ?? [])].find((one) => one.value === lost.value)?.click();
});

// A form that is drawn again looks as it did: what the server opens is open besides
document.addEventListener("htmx:beforeSwap", ({ target }) => {
  if (target.id === "editor" && steps().length) drawn = { open: wasOpen ?? openSteps(), text: field()?.value ?? "" };
});
document.addEventListener("htmx:afterSwap", () => {
  if (drawn && field() && !field().dataset.tended) {
    steps().forEach((step) => { step.open ||= drawn.open.has(step.id); });
    field().value = drawn.text;
    drawn = wasOpen = null;
  }
  tend();
});

function tend() {
  const script = document.querySelector("textarea[data-script]")?.dataset.script; // only the YAML view needs it
  if (script) import(script).catch(() => {});
  if (!field() || field().dataset.tended) return;
  field().dataset.tended = "1";
  document.getElementById("finder").hidden = false;
  find();
}
tend();
