// CodeMirror in place of the text area of a YAML view, which stays in the form and carries the text.

const ready = new Map(); // address -> the editor, loaded once

async function edit(area) {
  if (area.dataset.made) return;
  area.dataset.made = "1";
  const address = area.dataset.editor;
  if (!ready.has(address)) ready.set(address, import(address));
  const kit = await ready.get(address).catch(() => null);
  if (kit && area.isConnected) put(kit, area);
}

// Inside a shadow root the editor's styles are constructed sheets: the content security policy allows no others.
function put(kit, area) {
  const host = document.createElement("div");
  host.className = "yaml-editor";
  area.before(host);
  const root = host.attachShadow({ mode: "open" });
  const view = new kit.EditorView({ parent: root, root, state: stateOf(kit, area) });
  view.contentDOM.addEventListener("focus", () => host.classList.add("on"));
  view.contentDOM.addEventListener("blur", () => host.classList.remove("on"));
  area.hidden = true;
  area.mark = () => mark(kit, view);
  area.mark();
}

function stateOf(kit, area) {
  const { EditorState, EditorView, keymap } = kit;
  return EditorState.create({
    doc: area.value,
    extensions: [
      kit.lineNumbers(), kit.lintGutter(), kit.highlightActiveLine(), kit.highlightSpecialChars(),
      kit.history(), kit.indentOnInput(), kit.indentUnit.of("  "), kit.search({ top: true }), kit.yaml(),
      keymap.of([...kit.defaultKeymap, ...kit.historyKeymap, ...kit.searchKeymap]), // Tab leaves the editor
      kit.syntaxHighlighting(colors(kit)), EditorView.theme(LOOK), EditorView.lineWrapping,
      EditorView.contentAttributes.of({
        "aria-label": area.getAttribute("aria-label"), spellcheck: "false", tabindex: "0",
      }),
      EditorView.domEventHandlers({ beforeinput: typedOver }),
      EditorView.updateListener.of((update) => { if (update.docChanged) told(area, update.state.doc.toString()); }),
    ],
  });
}

// A browser that types over a selection gives what it types the style of before, which the policy refuses with an error.
function typedOver(event, view) {
  if (event.inputType !== "insertText" || view.composing || view.state.selection.main.empty) return false;
  view.dispatch(view.state.replaceSelection(event.data ?? ""), { userEvent: "input.type", scrollIntoView: true });
  return true;
}

function told(area, text) {
  area.value = text;
  area.dispatchEvent(new Event("input", { bubbles: true }));
}

// What the server found stands at its line
function mark(kit, view) {
  const { doc } = view.state;
  const found = [...document.querySelectorAll("#yaml-faults [data-line]")].flatMap((one) => {
    const number = Number(one.dataset.line);
    if (!(number >= 1)) return [];
    const line = doc.line(Math.min(number, doc.lines)); // what is missing at the end is said of the line after it
    const indent = line.text.length - line.text.trimStart().length;
    return [{ from: line.from + indent, to: line.to, severity: "error", message: one.textContent.trim() }];
  });
  view.dispatch(kit.setDiagnostics(view.state, found));
}

const colors = ({ HighlightStyle, tags }) => HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "var(--accent)" },
  { tag: [tags.comment, tags.meta, tags.punctuation, tags.separator], color: "var(--muted)" },
  { tag: [tags.string, tags.content, tags.keyword, tags.number, tags.bool, tags.null], color: "var(--text)" },
]);

const LOOK = {
  "&": { minHeight: "420px", maxHeight: "70vh", color: "var(--text)", backgroundColor: "var(--surface)" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { font: "400 13px/1.6 var(--mono)", overflow: "auto" },
  ".cm-content": { caretColor: "var(--text)", padding: "8px 0" },
  ".cm-gutters": { backgroundColor: "var(--sunken)", color: "var(--muted)", borderRight: "1px solid var(--line)" },
  ".cm-activeLine": { backgroundColor: "color-mix(in oklab, var(--accent-soft) 40%, transparent)" },
  ".cm-activeLineGutter": { backgroundColor: "var(--hover)" },
  ".cm-lint-marker": { width: ".9em", height: ".9em" },
  ".cm-tooltip, .cm-panels": {
    backgroundColor: "var(--raised)", color: "var(--text)", border: "1px solid var(--line-strong)",
    font: "400 13px/1.5 var(--font)",
  },
  ".cm-panels input, .cm-panels button": {
    backgroundColor: "var(--surface)", backgroundImage: "none", color: "var(--text)",
    border: "1px solid var(--field-line)", borderRadius: "6px",
  },
  ".cm-lintRange-error": { backgroundImage: "none", textDecoration: "underline wavy var(--bad)" },
};

function tend() {
  const area = document.querySelector("textarea[data-editor]");
  if (area) edit(area);
  area?.mark?.();
}
tend();
document.addEventListener("htmx:afterSwap", tend);
