"""The one document behind form, YAML and diff while a person edits it.

Nothing is kept on the server between two requests: a page carries the document it was filled from, and every
request sends it back together with what was typed over it.
"""

import json
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import yaml

from tenants.run_templates.document.component_settings import settings_of
from tenants.run_templates.document.configuration import (
    DEEPEST_DOCUMENT,
    MAX_VALUES,
    RUN_SETTINGS,
    STEP_SETTINGS,
    Change,
    DocumentFault,
    YamlError,
    default_configuration,
    dump_yaml,
    load_yaml,
)
from tenants.run_templates.document.form_data import Raw, as_text
from tenants.run_templates.document.hidden import Seal, hidden_places, sealed, sealed_texts, without_sealed
from tenants.run_templates.document.nested import node_at, rearranged
from tenants.run_templates.document.nodes import KEPT_SHAPES, SHAPE, value_at
from tenants.run_templates.document.parsed import ONCE, Document
from tenants.run_templates.document.run_settings import setting_at
from tenants.run_templates.document.schema import AS_JSON, NONE, Description, Field, mapping, measure
from tenants.run_templates.document.submissions import parse_form
from tenants.run_templates.document.yaml_text import check_events
from tenants.run_templates.models import TemplateRun

TABS = ("form", "yaml", "diff")
NOTHING = Description(steps=(), parameters=(), is_dynamic=False)
LONGEST_FILE = 256 * 1024
ENDINGS = (NONE, AS_JSON, SHAPE, KEPT_SHAPES)


@dataclass
class Draft:
    """A document on its way to become a run. `text` is the YAML it was read from, as it was typed;
    `unread` that the text could not become a document, which is then the one before it."""

    parsed: Document
    raw: dict[str, Raw] = field(default_factory=dict)
    problems: list[DocumentFault] = field(default_factory=list)
    text: str | None = None
    unread: bool = False
    unknown: list[str] = field(default_factory=list)
    reshaped: list[str] = field(default_factory=list)  # what has other inputs now than were sent

    @property
    def document(self) -> dict[str, Any]:
        """The values alone."""
        return self.parsed.values


def fresh(unchanged: Document, configuration: Mapping[str, Any] | None = None) -> Draft:
    """A draft that begins as the template, or as what an earlier run was sent."""
    default = unchanged.default
    if not configuration:
        return Draft(unchanged)
    return Draft(unchanged.recalled({**default, **configuration, "run_name": default.get("run_name")}))


def draft_after(unchanged: Document, run: TemplateRun, person) -> Draft:
    """A draft with the values of an earlier run of the template; what the template hides is as it is by now.

    A secret that somebody else entered is theirs: to `person` it is not shown, and has to be entered again.
    """
    sent = {key: one for key, one in run.configuration.items() if key not in ONCE}
    if run.created_by_id != person.pk:
        sent = without_sealed(sent, but=sealed_texts(unchanged.whole_default))
    return fresh(unchanged, sent)


# -- from a run that no template made


def like(unchanged: Document, snapshot: Mapping[str, Any]) -> Draft:
    """A draft with what a run was set to, of which this is the snapshot; values the template has no place for are
    only remembered. What the run did not set is not set either."""
    default, components = unchanged.default, unchanged.recorded.components
    given = default_configuration(snapshot, components=components)
    steps, kept = mapping(given.get("steps")), mapping(default.get("steps"))
    values = {**default, **_settings_like(default, given, RUN_SETTINGS)}
    if "parameters" in default:
        values["parameters"] = _taken(default["parameters"], given)
    values["steps"] = {
        name: _step_like(kept[name], steps[name]) if name in steps else kept[name] for name in kept
    }
    return Draft(unchanged.recalled(values), unknown=_homeless(given, unchanged.whole_default))


def _step_like(kept: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    parameters = _taken(mapping(kept.get("parameters")), given)
    return {**kept, **_settings_like(kept, given, STEP_SETTINGS), "parameters": parameters}


def _settings_like(kept: Mapping[str, Any], given: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    return {key: given.get(key) for key in keys if key not in ONCE and (key in given or key in kept)}


def _taken(kept: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """These parameters with the values that were given."""
    values = mapping(given.get("parameters"))
    return {name: values.get(name, kept[name]) for name in kept}


def _homeless(given: Mapping[str, Any], default: Mapping[str, Any]) -> list[str]:
    """Paths of parameters that the template does not have."""
    kept, steps = mapping(default.get("steps")), mapping(given.get("steps"))
    found = [f"parameters.{name}" for name in _surplus(given, default)]
    for step, own in steps.items():
        found += [f"steps.{step}.parameters.{name}" for name in _surplus(own, mapping(kept.get(step)))]
    return found


def _surplus(given: Mapping[str, Any], kept: Mapping[str, Any]) -> list[str]:
    known = mapping(kept.get("parameters"))
    return [name for name in mapping(given.get("parameters")) if name not in known]


# -- from a link


def from_query(draft: Draft, query: Mapping[str, str]) -> Draft:
    """The draft with the values a shared link carries; names that mean nothing here are only remembered."""
    return with_paths(draft, {path: _json(text) for path, text in query.items()}) if query else draft


def with_paths(draft: Draft, given: Mapping[str, Any]) -> Draft:
    """The draft with other values at these paths; those that mean nothing here are only remembered."""
    values, schema = draft.parsed.copied(), draft.parsed.schema
    unknown = [path for path in given if not _set(values, schema, path, given[path])]
    return Draft(draft.parsed.with_values(values), unknown=[*draft.unknown, *unknown])


def link_of(document: Document) -> str:
    """The query of a link that opens the form with these values; "" when nothing differs. Secrets are left out."""
    secret = {change.path for change in secret_changes(document)}
    changes = [change for change in document.changes if change.path not in secret]
    pairs = [(change.path, json.dumps(change.after)) for change in changes]
    usual = document.default.get("run_name")
    name = document.values.get("run_name", usual)
    if name != usual:
        pairs.append(("run_name", json.dumps(name)))
    return urlencode(pairs)


def secret_changes(document: Document) -> list[Change]:
    """Changed values that hold a secret, also one that is sealed."""
    found = ((change, document.schema.by_path.get(change.path)) for change in document.changes)
    return [
        change
        for change, entry in found
        if entry and entry.hides and next(hidden_places(entry, change.after), None) is not None
    ]


def _json(text: str) -> Any:
    """Links carry JSON; what is not JSON was written by hand and means itself."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    size = measure(value, MAX_VALUES)
    too_much = size.values > MAX_VALUES or size.depth > DEEPEST_DOCUMENT
    return text if too_much or size.is_odd else value


def _set(document: dict[str, Any], description: Description, path: str, value: Any) -> bool:
    """Put a value where its path says. False when nothing of the template has that path."""
    if path == "run_name" or path in RUN_SETTINGS:
        document[path] = value
        return True
    entry = description.by_path.get(path)
    if entry:
        _parameters(document, entry.step)[entry.name] = value
        return True
    name, _, key = path.removeprefix("steps.").rpartition(".")
    known = path.startswith("steps.") and name in description.by_step and key in STEP_SETTINGS
    if known:
        _holder(document, "steps", name)[key] = value
    return known


def _holder(document: dict[str, Any], *keys: str) -> dict[str, Any]:
    """The object below these keys, made when there is none."""
    for key in keys:
        document[key] = mapping(document.get(key))
        document = document[key]
    return document


def _parameters(document: dict[str, Any], step: str) -> dict[str, Any]:
    return _holder(document, *(("steps", step) if step else ()), "parameters")


# -- from what a page sends


def from_post(unchanged: Document, data, files: Mapping[str, Any], seal: Seal | None = None) -> Draft:
    """What the person sees now, as a document. Never raises; problems are found by `examined`.

    `seal`: what is done with secrets in clear.
    """
    draft = _from_post(unchanged, data, files)
    return with_sealed(draft, seal) if seal else draft


def with_sealed(draft: Draft, seal: Seal) -> Draft:
    """The draft without secrets in clear, also in the text it was read from."""
    values = sealed(draft.document, draft.parsed.schema, seal)
    if values is not draft.document:
        draft.parsed, draft.text = draft.parsed.with_values(values), None
    return draft


def _from_post(unchanged: Document, data, files: Mapping[str, Any]) -> Draft:
    base = _sent_document(data.get("document", ""), unchanged)
    upload = files.get("file")
    if upload:
        return _from_yaml(base, _text_of(upload))
    if data.get("shown") == "yaml":
        return _from_yaml(base, data.get("yaml", "").replace("\r\n", "\n"))
    shown = unchanged.schema if data.get("shown") == "form" else NOTHING
    read = parse_form(shown, data, base.values, unchanged.recorded.components)
    draft = Draft(unchanged.with_values(read.document), read.raw, list(read.problems))
    draft.reshaped = read.reshaped
    return draft


def _sent_document(text: str, unchanged: Document) -> Document:
    values = _json(text)
    return unchanged.with_values(values) if isinstance(values, dict) else unchanged


def _text_of(upload) -> str:
    return upload.read(LONGEST_FILE + 1).decode("utf-8", errors="replace").removeprefix("\ufeff")


def _from_yaml(base: Document, text: str) -> Draft:
    """The document of a text; a text that no one touched means the document it was written from."""
    if text == dump_yaml(base.values):
        return Draft(base, text=text)
    try:
        values = load_yaml(text)
    except YamlError as error:
        return Draft(base, problems=[DocumentFault("", str(error))], text=text, unread=True)
    if not isinstance(values, dict):
        problem = DocumentFault("", "Enter keys and values, such as “steps:”.")
        return Draft(base, problems=[problem], text=text, unread=True)
    return Draft(base.with_values(values), text=text)


# -- further


def examined(draft: Draft) -> Draft:
    """The draft with everything that is wrong with it; what could not be read comes first."""
    if not draft.unread:
        seen = [*draft.problems]
        draft.problems += [fault for fault in draft.parsed.faults if not _is_said(fault, seen)]
    return draft


def _is_said(fault: DocumentFault, seen: list[DocumentFault]) -> bool:
    """What is wrong because a text inside it could not be read needs no second sentence."""
    inside = [one.within for one in seen if one.path == fault.path]
    return any(within[: len(fault.within)] == fault.within or not within for within in inside)


def as_it_was(draft: Draft, text: str) -> Draft:
    """The draft with a document that the page carried beside its own; without one that can be read, as it is."""
    return Draft(_sent_document(text, draft.parsed))


def reset(draft: Draft, path: str) -> Draft:
    """The draft with one value, or with "all" every value, as in the template again."""
    parsed = draft.parsed
    if path == "all":
        return Draft(parsed.with_values(dict(parsed.default)))
    original, document = deepcopy(dict(parsed.default)), parsed.copied()
    entry = parsed.schema.by_path.get(path)
    if entry:
        _parameters(document, entry.step)[entry.name] = _parameters(original, entry.step)[entry.name]
    elif parameter := _parameter_around(parsed, path):
        _put(document, parameter, _with_default_at(parsed, parameter, path))
    elif found := setting_at(path, parsed.schema.by_step, settings_of(parsed.recorded.components)):
        step, setting = found
        where = ("steps", step) if step else ()
        setting.assign(_holder(document, *where), setting.value(_holder(original, *where)))
    else:
        _forget(document, original, path)
    return _without(draft, document, path)


def _with_default_at(parsed: Document, entry: Field, path: str) -> Any:
    """The value of a parameter, one place inside as in the template, where the template has this place."""
    value, node = deepcopy(parsed.by_path[entry.path]), node_at(parsed.trees[entry.path], path)
    if node is None or not node.parts:
        return value
    recorded = value_at(entry.default, node.parts, value)
    holder = value_at(value, node.parts[:-1])
    if recorded is not value:
        holder[node.parts[-1]] = deepcopy(recorded)
    elif isinstance(holder, dict):
        holder.pop(node.parts[-1], None)
    return value


def arranged(draft: Draft, action: str, path: str) -> Draft:
    """The draft with a row more, a row less or a row elsewhere: `action` as in nested.ACTIONS. Other paths do nothing."""
    parsed, entry = draft.parsed, _parameter_around(draft.parsed, path)
    if entry is None:
        return draft
    document = parsed.copied()
    _put(document, entry, rearranged(parsed.trees[entry.path], action, path))
    return _without(draft, document, path if action == "add" else path.rpartition("/")[0])


def rewritten(draft: Draft, path: str) -> Draft:
    """The draft with one value shown as JSON instead of in its inputs, or the other way round when it can be read."""
    entry = _parameter_around(draft.parsed, path)
    node = node_at(draft.parsed.trees[entry.path], path) if entry else None
    if path + AS_JSON in draft.raw or path in draft.raw:
        return _without(draft, draft.document, path)
    if node and not any(one.is_secret for one in node.walk()):
        draft.raw[path + AS_JSON] = as_text(node.value)
    return draft


def _parameter_around(parsed: Document, path: str) -> Field | None:
    """The parameter with an inside that a path leads into."""
    found = [entry for entry in parsed.trees if path == entry or path.startswith(f"{entry}/")]
    return parsed.schema.by_path[found[0]] if found else None


def _put(document: dict[str, Any], entry: Field, value: Any) -> None:
    _parameters(document, entry.step)[entry.name] = value


def _without(draft: Draft, document: dict[str, Any], path: str) -> Draft:
    """Another document, and nothing of what was typed at a path or inside."""
    draft.parsed, draft.text = draft.parsed.with_values(document), None
    kept = {name: raw for name, raw in draft.raw.items() if not _is_inside(name, path)}
    entry = _parameter_around(draft.parsed, path)
    where = entry.path if entry else path
    draft.raw = kept
    draft.problems = [problem for problem in draft.problems if problem.path != where]
    return draft


def _is_inside(name: str, path: str) -> bool:
    return name == path or name.startswith((f"{path}/", *(path + ending for ending in ENDINGS)))


def _forget(document: dict[str, Any], original: dict[str, Any], path: str) -> None:
    """Give a setting of the run or of a step its value of the template back."""
    where, _, key = path.rpartition(".")
    keys = ("steps", where.removeprefix("steps.")) if where else ()
    holder, source = _holder(document, *keys), _holder(original, *keys)
    holder.pop(key, None)
    if key in source:
        holder[key] = source[key]


def tree_of(text: str) -> yaml.Node | None:
    """YAML text with its line numbers, or None where it is none."""
    try:
        check_events(text)
        return yaml.compose(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, YamlError):
        return None


def line_of(node: yaml.Node | None, path: str) -> int | None:
    """The line where a path is written, or that of the nearest one above it."""
    line, rest = None, path
    while rest and isinstance(node, yaml.MappingNode):
        found = [pair for pair in node.value if rest == pair[0].value or rest.startswith(f"{pair[0].value}.")]
        if not found:
            break
        key, node = max(found, key=lambda pair: len(pair[0].value))
        line, rest = key.start_mark.line + 1, rest[len(key.value) + 1 :]
    return line
