// The list of runs: its boxes. Without this file the server says how many runs it can compare.

// A bar for what is ticked says how much that is, and offers what can be done with so much
function tally(form) {
  const count = [...form.elements].filter((one) => one.matches(".pick:checked")).length;
  form.querySelectorAll("[data-count]").forEach((place) => { place.textContent = count; });
  form.querySelectorAll("[data-least]").forEach((one) => { one.disabled = count < one.dataset.least || count > one.dataset.most; });
}
const tallyAll = () => document.querySelectorAll("form[data-tally]").forEach(tally);
document.addEventListener("change", () => setTimeout(tallyAll)); // after the box that ticks all has done so
document.addEventListener("reset", () => setTimeout(tallyAll));
addEventListener("pageshow", tallyAll);

// What is ticked stays so when the list is fetched again
const ticked = new Set();
const picks = () => document.querySelectorAll("[data-keep-ticks] .pick");
document.addEventListener("htmx:beforeSwap", ({ target }) => {
  if (target.matches("[data-keep-ticks]")) picks().forEach((box) => { ticked[box.checked ? "add" : "delete"](box.value); });
});
document.addEventListener("htmx:afterSwap", () => {
  picks().forEach((box) => { box.checked ||= ticked.has(box.value); });
  tallyAll();
});
