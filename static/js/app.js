// Each page works without this file. Listeners sit on the document, so swapped-in markup needs no set-up.

const $ = (id) => document.getElementById(id);
const on = (type, selector, handle, capture = false) =>
  document.addEventListener(type, (event) => {
    const found = event.target.closest?.(selector);
    if (found) handle(found, event);
  }, capture);
const say = (text) => { const live = $("live"); if (live) live.textContent = text; };
const useOf = (element) => element.querySelector("use");
const swapIcon = (element, name) => {
  const use = useOf(element);
  if (use) use.setAttribute("href", use.getAttribute("href").replace(/#.*/, `#${name}`));
};

// Copy buttons
on("click", "[data-copy]", async (button, event) => {
  event.preventDefault(); // a link that is copied leads there only without scripts
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
  } catch {
    copyByHand(button.dataset.copy);
  }
  say("Copied");
  swapIcon(button, "check");
  setTimeout(() => { swapIcon(button, button.dataset.icon ?? "copy"); say(""); }, 1600);
});

// navigator.clipboard is missing on plain-http addresses, which self-hosted installations often have.
function copyByHand(text) {
  const area = Object.assign(document.createElement("textarea"), { value: text, className: "sr" });
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

// Theme: at once here, remembered by the same form the page posts without scripts
on("submit", "form[data-theme-form]", (form, event) => {
  event.preventDefault();
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const theme = dark ? "light" : "dark";
  root.dataset.theme = theme;
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `theme=${theme}; path=/; max-age=31536000; samesite=lax${secure}`;
  say(`${theme} theme`);
});

// Dialogs
const firstField = "[autofocus], [aria-invalid=true], input:not([type=hidden], [type=radio]), textarea, select";
function open(dialog) {
  if (!dialog || dialog.open) return;
  const heading = dialog.querySelector("h1, h2");
  if (heading && !dialog.hasAttribute("aria-labelledby")) dialog.setAttribute("aria-label", heading.textContent);
  dialog.showModal();
  dialog.querySelector(firstField)?.focus();
}
on("click", "a[data-dialog]", (link, event) => {
  const dialog = $(link.dataset.dialog);
  if (!dialog || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  open(dialog);
});
const hasCommands = "command" in HTMLButtonElement.prototype;
on("click", "button[commandfor]", (button) => {
  if (hasCommands) return;
  const dialog = $(button.getAttribute("commandfor"));
  if (button.getAttribute("command") === "show-modal") open(dialog);
  else dialog?.close();
});
on("click", "dialog[closedby=any]", (dialog, event) => {
  if (!("closedBy" in dialog) && event.target === dialog) dialog.close();
});
// Cancel in a form that came into the page leads to where it already is
on("click", "#modal a.btn", (link, event) => {
  if (link.pathname !== location.pathname) return;
  event.preventDefault();
  $("modal").close();
});
// Not before htmx has settled: only then do the fields inside ask for what they would change
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.target.id !== "modal") return;
  if (event.target.childElementCount) open(event.target);
  else event.target.close();
});

// Toasts
on("click", "[data-dismiss]", (button) => button.closest(".toast").remove());
function tendToast(toast) {
  if (toast.dataset.tended) return;
  toast.dataset.tended = "1";
  if (!toast.hasAttribute("data-stay")) leaveLater(toast, 6000);
  else if (toast.querySelector("form")) leaveLater(toast, 12000);
}
const refusals = { 403: "You may not do this. Nothing was changed.", 404: "This is gone. Reload the page.", 400: "This cannot be read. Nothing was changed.", 503: "This took too long. Try again.", 0: "The server cannot be reached. Nothing was changed." };
function complain({ detail }) {
  if (!detail.requestConfig?.triggeringEvent?.isTrusted) return; // polls try again
  const toast = Object.assign(document.createElement("div"), { className: "toast t-bad" });
  const text = document.createElement("span");
  text.textContent = refusals[detail.xhr?.status ?? 0] ?? "Something went wrong on our side. Try again in a moment.";
  toast.append(text);
  $("messages")?.append(toast);
  tendToast(toast);
}
for (const type of ["htmx:responseError", "htmx:sendError"]) document.addEventListener(type, complain);
function leaveLater(toast, wait) {
  setTimeout(() => (toast.matches(":hover, :focus-within") ? leaveLater(toast, 2000) : toast.remove()), wait);
}

// Boxes that are neither on nor off: HTML has no attribute for it
on("change", "input[data-mixed]", (box) => box.removeAttribute("data-mixed"));

// One box that ticks all of its list
on("change", "input[data-all]", (box) => document.getElementsByName(box.dataset.all).forEach((one) => { one.checked = box.checked; }));

// A list of texts, one per line in a textarea, shown as chips
function makeChips(area) {
  if (area.dataset.made) return;
  area.dataset.made = "1";
  const box = document.createElement("div");
  box.className = "chip-input";
  const field = document.createElement("input");
  field.placeholder = area.dataset.chips || "Add";
  field.setAttribute("aria-label", area.dataset.chips || "Add");
  box.append(field);
  area.after(box);
  area.hidden = true;
  const items = () => area.value.split("\n").map((text) => text.trim()).filter(Boolean);
  const store = (list) => {
    area.value = list.join("\n");
    area.dispatchEvent(new Event("input", { bubbles: true }));
    area.dispatchEvent(new Event("change", { bubbles: true }));
    draw();
  };
  const draw = () => {
    box.querySelectorAll(".chip").forEach((chip) => chip.remove());
    items().forEach((text, index) => field.before(chipOf(text, () => { store(items().filter((_, i) => i !== index)); field.focus(); })));
  };
  const add = () => {
    const fresh = field.value.split(/[\n,;]/).map((text) => text.trim()).filter(Boolean);
    field.value = "";
    if (fresh.length) store([...items(), ...fresh]);
  };
  field.addEventListener("keydown", (event) => {
    if ((event.key === "Enter" || event.key === ",") && field.value.trim()) { event.preventDefault(); add(); }
    if (event.key === "Backspace" && !field.value) store(items().slice(0, -1));
  });
  for (const type of ["input", "change"]) field.addEventListener(type, (event) => event.stopPropagation());
  field.addEventListener("blur", add);
  draw();
}
function chipOf(text, remove) {
  const chip = Object.assign(document.createElement("span"), { className: "chip", textContent: text });
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: "×" });
  button.setAttribute("aria-label", `Remove ${text}`);
  button.addEventListener("click", remove);
  chip.append(button);
  return chip;
}

// Leaving a form with changes asks first
let guarded = false;
on("input", "form[data-guard]", () => { guarded = true; });
on("submit", "form", () => { guarded = false; });
addEventListener("beforeunload", (event) => { if (guarded) event.preventDefault(); });

// "/" goes to the search field of the page
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const field = document.querySelector("main [data-search]") ?? document.querySelector("[data-search]");
  if (field) { event.preventDefault(); field.focus(); }
});

// Logs that stay at their end while lines come in
const following = () => document.querySelector('[data-follow-toggle][aria-pressed="true"]');
const toEnd = () => document.querySelectorAll("[data-follow]").forEach((log) => { log.scrollTop = log.scrollHeight; });
on("click", "[data-follow-toggle]", (button) => {
  button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
  if (following()) toEnd();
});
// Who scrolls up reads; who comes back to the end follows again
document.addEventListener("scroll", ({ target }) => {
  const button = document.querySelector("[data-follow-toggle]");
  if (!button || !target.matches?.("[data-follow]")) return;
  button.setAttribute("aria-pressed", String(target.scrollHeight - target.scrollTop - target.clientHeight < 30));
}, true);

// What is scrolled inside a polled fragment stays where it was
const places = new Map();
const kept = (root, each) => root.querySelectorAll?.("[data-keep-scroll][id]").forEach(each);
document.addEventListener("htmx:beforeSwap", ({ target }) => kept(target, (e) => places.set(e.id, [e.scrollLeft, e.scrollTop])));
document.addEventListener("htmx:afterSwap", () => {
  kept(document, (e) => { if (places.has(e.id)) [e.scrollLeft, e.scrollTop] = places.get(e.id); });
  places.clear();
});

// A link inside a drawing does what its twin in the list does (htmx does not know links in SVG)
on("click", "a[data-click]", (link, event) => {
  const twin = $(link.dataset.click);
  if (!twin || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  twin.click();
});

// Names: the slug follows the name until somebody writes a slug
const slugOf = (text) => text.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase()
  .replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 50);
let slugTimer;
document.addEventListener("input", ({ target, isTrusted }) => {
  if (target.dataset?.slugOf && isTrusted) target.dataset.touched = "1";
  const slug = target.id && document.querySelector(`[data-slug-of="${CSS.escape(target.id)}"]`);
  if (!slug || slug.dataset.touched || slug.defaultValue) return;
  clearTimeout(slugTimer);
  slugTimer = setTimeout(() => { slug.value = slugOf(target.value); slug.dispatchEvent(new Event("input", { bubbles: true })); }, 150);
});

// Typed names open the last button
const checkTyped = (field) => field.form?.querySelectorAll(".danger.solid").forEach((b) => { b.disabled = field.value !== field.dataset.equals; });
on("input", "input[data-equals]", checkTyped);

// A grid that the server redraws after each tick: nothing is redrawn below a finger or a key that is down
for (const type of ["pointerdown", "keydown"]) on(type, "form[data-redrawn].htmx-request", (form) => {
  form.dataset.waits = "1";
  htmx.trigger(form, "htmx:abort");
});
on("change", "form[data-waits]", (form) => { delete form.dataset.waits; });
for (const type of ["pointerup", "keyup"]) document.addEventListener(type, () => {
  const form = document.querySelector("form[data-waits]");
  if (form) setTimeout(() => { if (form.dataset.waits) form.dispatchEvent(new Event("change", { bubbles: true })); }, 30);
});

// "No value" empties its field, and writing in the field takes the tick away
on("change", "input[data-none]", (box) => {
  const field = $(box.dataset.none);
  if (!field || !box.checked) return;
  field.value = "";
  field.querySelectorAll("input[type=checkbox]").forEach((one) => { one.checked = false; });
  field.parentElement.querySelectorAll(".chip-input .chip").forEach((chip) => chip.remove());
});
on("input", "input, textarea", (field) => {
  const id = field.id || field.closest("[role=group]")?.id;
  const says = field.type === "checkbox" ? field.checked : field.value;
  const box = id && says && document.querySelector(`[data-none="${CSS.escape(id)}"]`);
  if (box) box.checked = false;
});

// Show a password
on("click", "[data-reveal]", (button) => {
  const field = $(button.dataset.reveal);
  const shown = field.type === "password";
  field.type = shown ? "text" : "password";
  button.setAttribute("aria-label", shown ? "Hide password" : "Show password");
  swapIcon(button, shown ? "eye-off" : "eye");
});

// After a redirect htmx exchanges the body alone: the styles and scripts that the new page names come along.
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.target !== document.body) return;
  const { head } = new DOMParser().parseFromString(detail.serverResponse, "text/html");
  for (const { outerHTML } of head.querySelectorAll("link[rel=stylesheet], script[src]")) {
    if (document.head.innerHTML.includes(outerHTML)) continue;
    document.head.append(document.createRange().createContextualFragment(outerHTML)); // its scripts run
  }
});

// What the server says below a field is also said by the field
const markField = (marks) => {
  const field = $(marks.dataset.marks);
  if (field?.matches("input, select, textarea")) field.ariaInvalid = marks.hasAttribute("data-wrong") ? "true" : null;
};

// Once for the page and again for every fragment htmx brings
function tend(root) {
  root.querySelectorAll("input[data-mixed]").forEach((box) => { box.indeterminate = true; });
  root.querySelectorAll("textarea[data-chips]").forEach(makeChips);
  root.querySelectorAll("input[data-equals]").forEach(checkTyped);
  root.querySelectorAll("dialog[data-open]").forEach(open);
  root.querySelectorAll("[data-marks]").forEach(markField);
  root.querySelectorAll(".toast").forEach(tendToast);
  root.querySelector("[data-focus]")?.focus();
  if (following()) toEnd();
}

// What was typed before htmx listened: it takes that for the text the page came with, and would wait for more.
const typed = [...document.querySelectorAll("input:is([type=search], [type=text], [type=email], :not([type]))")]
  .filter((field) => field.value !== field.defaultValue);
const tell = (field, text) => {
  field.value = text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
};
document.addEventListener("DOMContentLoaded", () => typed.forEach((field) => {
  const text = field.value;
  tell(field, field.defaultValue);
  tell(field, text);
}));

tend(document);
document.addEventListener("htmx:load", (event) => tend(event.target.parentElement ?? document));
