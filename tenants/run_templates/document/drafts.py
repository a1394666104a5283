"""The one document behind form, YAML and diff while a person edits it.

Nothing is kept on the server between two requests: a page carries the document it was filled from, and every
request sends it back together with what was typed over it.
"""

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import yaml

from tenants.run_templates.document.configuration import (
    DEEPEST_DOCUMENT,
    MAX_VALUES,
    RUN_SETTINGS,
    STEP_SETTINGS,
    Problem,
    YamlError,
    changes,
    default_configuration,
    dump_yaml,
    load_yaml,
    validate,
    value_of,
)
from tenants.run_templates.document.form_data import AS_JSON, NONE, Raw, parse_form
from tenants.run_templates.document.schema import Description, Field, Kind, describe, mapping, measure
from tenants.run_templates.document.yaml_text import check_events
from tenants.run_templates.models import RunTemplate

TABS = ("form", "yaml", "diff")
NOTHING = Description(steps=(), parameters=(), is_dynamic=False)
LONGEST_FILE = 256 * 1024


@dataclass
class Draft:
    """A document on its way to become a run. `text` is the YAML it was read from, as it was typed;
    `unread` that the text could not become a document, which is then the one before it."""

    document: dict[str, Any]
    raw: dict[str, Raw] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    text: str | None = None
    unread: bool = False
    unknown: list[str] = field(default_factory=list)


def default_of(template: RunTemplate) -> dict[str, Any]:
    """The document that changes nothing."""
    kept = template.default_configuration
    size = measure(kept, MAX_VALUES)
    fits = size.values <= MAX_VALUES and size.depth <= DEEPEST_DOCUMENT and not size.is_odd
    return deepcopy(kept) if kept and fits else default_configuration(template.snapshot)


def fresh(template: RunTemplate, configuration: Mapping[str, Any] | None = None) -> Draft:
    """A draft that begins as the template, or as what an earlier run was sent."""
    default = default_of(template)
    return Draft(
        {**default, **configuration, "run_name": default.get("run_name")} if configuration else default
    )


# -- from a link


def from_query(draft: Draft, description: Description, query: Mapping[str, str]) -> Draft:
    """The draft with the values a shared link carries; names that mean nothing here are only remembered."""
    document = deepcopy(draft.document)
    unknown = [path for path in query if not _set(document, description, path, _json(query[path]))]
    return Draft(document, unknown=unknown)


def link_of(default: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """The query of a link that opens the form with these values; "" when nothing differs."""
    pairs = [(change.path, json.dumps(change.after)) for change in changes(default, document)]
    name = document.get("run_name")
    if name != default.get("run_name"):
        pairs.append(("run_name", json.dumps(name)))
    return urlencode(pairs)


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


def from_post(template: RunTemplate, description: Description, data, files: Mapping[str, Any]) -> Draft:
    """What the person sees now, as a document. Never raises; problems are found by `examined`."""
    base = _sent_document(data.get("document", ""), default_of(template))
    upload = files.get("file")
    if upload:
        return _from_yaml(base, _text_of(upload))
    if data.get("shown") == "yaml":
        return _from_yaml(base, data.get("yaml", "").replace("\r\n", "\n"))
    shown = description if data.get("shown") == "form" else NOTHING
    read = parse_form(shown, _typed(shown, data, base), base)
    return Draft(read.document, read.raw, list(read.problems))


def _sent_document(text: str, default: dict[str, Any]) -> dict[str, Any]:
    document = _json(text)
    return document if isinstance(document, dict) else default


def _typed(description: Description, data, base: Mapping[str, Any]):
    """The data without those ticks of "No value" that were there before someone wrote a value beside them."""
    data = data.copy()
    for entry in description.fields:
        was_none = entry.nullable and value_of(base, entry) is None
        if was_none and any(_says_something(entry, text) for text in data.getlist(entry.path)):
            data.pop(entry.path + NONE, None)
    return data


def _says_something(entry: Field, text: str) -> bool:
    """A blank is a text, but no number and no date."""
    return bool(text if entry.kind == Kind.STRING else text.strip())


def _text_of(upload) -> str:
    return upload.read(LONGEST_FILE + 1).decode("utf-8", errors="replace").removeprefix("\ufeff")


def _from_yaml(base: dict[str, Any], text: str) -> Draft:
    """The document of a text; a text that no one touched means the document it was written from."""
    if text == dump_yaml(base):
        return Draft(base, text=text)
    try:
        document = load_yaml(text)
    except YamlError as error:
        return Draft(base, problems=[Problem("", str(error))], text=text, unread=True)
    if not isinstance(document, dict):
        problem = Problem("", "Enter keys and values, such as “steps:”.")
        return Draft(base, problems=[problem], text=text, unread=True)
    return Draft(document, text=text)


# -- further


def examined(draft: Draft, template: RunTemplate) -> Draft:
    """The draft with everything that is wrong with it; what could not be read comes first."""
    if not draft.unread:
        seen = {problem.path for problem in draft.problems}
        found = validate(draft.document, template.snapshot)
        draft.problems += [problem for problem in found if problem.path not in seen]
    return draft


def reset(draft: Draft, description: Description, default: Mapping[str, Any], path: str) -> Draft:
    """The draft with one value, or with "all" every value, as in the template again."""
    if path == "all":
        return Draft(deepcopy(dict(default)))
    original, document = deepcopy(dict(default)), draft.document
    entry = description.by_path.get(path)
    if entry:
        _parameters(document, entry.step)[entry.name] = _parameters(original, entry.step)[entry.name]
    else:
        _forget(document, original, path)
    draft.text = None
    inputs = (path, path + NONE, path + AS_JSON)
    draft.raw = {key: raw for key, raw in draft.raw.items() if key not in inputs}
    draft.problems = [problem for problem in draft.problems if problem.path != path]
    return draft


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


def described(template: RunTemplate) -> Description:
    return describe(template.snapshot)
