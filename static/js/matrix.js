// The menu of a cell and the arrow keys between cells. Without scripts each cell leads to a page with the same form.

const menu = document.getElementById("cell-menu");
const cells = () => [...document.querySelectorAll("button.cell")];
let opener = null;

document.addEventListener("click", (event) => {
  const cell = event.target.closest?.("button.cell");
  if (!cell || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const address = new URL(cell.formAction);
  address.search = new URLSearchParams({ on: "matrix", at: location.search.slice(1) });
  opener = cell;
  htmx.ajax("GET", address.pathname + address.search, { target: menu, swap: "innerHTML" });
});

const choices = () => [...menu.querySelectorAll("input[name=role]")];
function show() {
  if (!menu.matches(":popover-open")) menu.showPopover({ source: opener });
  opener.setAttribute("aria-expanded", "true");
  (choices().find((box) => box.checked) ?? choices()[0])?.focus();
}
function shut(id) {
  const cell = document.getElementById(id)?.querySelector("button.cell");
  menu.hidePopover();
  opener = null;
  walkFrom(cell);
  cell?.focus();
}
document.addEventListener("htmx:afterSettle", ({ detail }) => {
  const id = detail.elt?.id ?? "";
  if (detail.target?.id === "cell-menu" || id === "cell-menu") show();
  else if (id === "holder-roles") choices()[0]?.focus();
});
document.addEventListener("htmx:afterSwap", ({ detail }) => {
  const id = detail.target?.id ?? "";
  if (id.startsWith("cell-") && id !== "cell-menu") setTimeout(() => shut(id));
});
menu.addEventListener("toggle", (event) => {
  if (event.newState !== "closed") return;
  opener?.setAttribute("aria-expanded", "false");
  if (document.activeElement === document.body) opener?.focus();
  menu.replaceChildren();
});

// Boxes in the menu: arrows go up and down, as they do between radio buttons by themselves
menu.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const boxes = choices();
  const place = boxes.indexOf(event.target);
  if (!step || place < 0 || event.target.type !== "checkbox") return;
  event.preventDefault();
  boxes.at((place + step) % boxes.length).focus();
});

// One cell is in the order of the Tab key, the others are reached by arrows
function walkFrom(cell) {
  if (!cell) return;
  for (const one of cells()) {
    one.tabIndex = one === cell ? 0 : -1;
    one.setAttribute("aria-haspopup", "dialog");
    if (one !== opener) one.setAttribute("aria-expanded", "false");
  }
}
const STEPS = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
function next(cell, key, ctrl) {
  const row = cell.closest("tr");
  const inRow = [...row.querySelectorAll("button.cell")];
  if (key === "Home") return ctrl ? cells()[0] : inRow[0];
  if (key === "End") return ctrl ? cells().at(-1) : inRow.at(-1);
  const [down, right] = STEPS[key] ?? [0, 0];
  if (right) return inRow[inRow.indexOf(cell) + right];
  const column = cell.closest("td").cellIndex;
  let other = row;
  while (down && (other = down > 0 ? other.nextElementSibling : other.previousElementSibling)) {
    const found = other.cells[column].querySelector("button.cell");
    if (found) return found;
  }
  return null;
}
document.addEventListener("keydown", (event) => {
  const cell = event.target.closest?.("button.cell");
  if (!cell || !(event.key in STEPS || event.key === "Home" || event.key === "End")) return;
  event.preventDefault();
  const to = next(cell, event.key, event.ctrlKey);
  if (!to) return;
  walkFrom(to);
  to.focus();
});
walkFrom(cells()[0]);
document.addEventListener("htmx:load", () => { // other rows and columns after a search
  if (cells().filter((cell) => cell.tabIndex === 0).length !== 1) walkFrom(cells()[0]);
});
