"""What a form posts, as a document: every parameter with all that is inside, and the settings of the run.

What a form does not post stays as in the document it began with.
"""

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from tenants.run_templates.document.component_settings import settings_of
from tenants.run_templates.document.components import StackComponent
from tenants.run_templates.document.configuration import DocumentFault, values_of
from tenants.run_templates.document.form_data import (
    OFF,
    ON,
    SWALLOWED,
    Raw,
    Sent,
    Unreadable,
    read_json,
)
from tenants.run_templates.document.nested import Reading, read_leaf, read_node
from tenants.run_templates.document.nodes import trees
from tenants.run_templates.document.run_settings import OF_RUN, OF_STEP, Setting
from tenants.run_templates.document.schema import Description, Field, mapping


@dataclass(frozen=True)
class Submission:
    """`document` holds the text itself where it could not be read; `raw` refills the form as it was sent."""

    document: dict[str, Any]
    raw: dict[str, Raw]
    problems: list[DocumentFault]
    reshaped: list[str] = field(default_factory=list)  # paths that have other inputs than the form had


def parse_form(
    description: Description,
    data: Mapping[str, Any],
    base: Mapping[str, Any],
    components: Iterable[StackComponent] = (),
) -> Submission:
    """The document a form makes of `base`, the document it was filled from (the template's default, or YAML).

    `data` is a QueryDict or a plain mapping. Never raises; whether values are in range is for problems_of().
    """
    document, before = deepcopy(dict(base)), values_of(base, description)
    reading, inside = Reading(_texts(data)), trees(description, before)
    for path, read in GENERAL:
        _take(path, read, reading, document)
    _take_settings(reading, document, components)
    for entry in description.fields:
        node, was = inside.get(entry.path), before[entry.path]
        value = read_node(node, reading) if node else read_leaf(entry, (), was, reading, entry.path)
        if value is not was:
            _put(document, entry, value)
    return Submission(document, reading.raw, reading.problems, reading.reshaped)


def _texts(data: Mapping[str, Any]) -> Sent:
    """All texts by the names they were posted under, from a QueryDict or a plain mapping."""
    pairs = data.lists() if hasattr(data, "lists") else data.items()
    return {name: [values] if isinstance(values, str) else list(values) for name, values in pairs}


def _put(document: dict[str, Any], entry: Field, value: Any) -> None:
    holder = document
    for key in ("steps", entry.step, "parameters") if entry.step else ("parameters",):
        if not isinstance(holder.get(key), dict):
            holder[key] = {}
        holder = holder[key]
    holder[entry.name] = value


# Run name, cache switch and extra; what else can be set for the run and its steps


def _take(path, read, reading: Reading, document) -> None:
    texts = reading.sent.get(path)
    if not texts:
        return
    reading.raw[path] = texts[-1]
    try:
        value = read(texts[-1], document.get(path))
    except Unreadable as error:
        value = texts[-1]
        reading.problems.append(DocumentFault(path, str(error)))
    if value is not None or path in document:
        document[path] = value


def _take_settings(reading: Reading, document, components: Iterable[StackComponent]) -> None:
    for setting in [*OF_RUN, *settings_of(components)]:
        _take_setting(setting, setting.path, document, reading)
    for name, step in mapping(document.get("steps")).items():
        for setting in OF_STEP if isinstance(step, dict) else ():
            _take_setting(setting, f"steps.{name}.{setting.path}", step, reading)


def _take_setting(setting: Setting, path: str, holder: dict[str, Any], reading: Reading) -> None:
    texts = reading.sent.get(path)
    if not texts:
        return
    reading.raw[path] = texts[-1]
    try:
        setting.put(holder, texts[-1])
    except Unreadable as error:
        reading.problems.append(DocumentFault(path, str(error)))


def _name(text: str, now: Any) -> Any:
    """One line; a name that no one touched stays, whatever its input swallowed of it."""
    shown = SWALLOWED.sub("", now.replace("\n", "")) if isinstance(now, str) else None
    return now if text == shown else text.strip() or now


def _switch(text: str, now: Any) -> bool | None:
    """A cache that is not switched off is on: that is no change."""
    word = text.strip().lower()
    if word in ON:
        return True if now is False else now
    if word in OFF:
        return False
    if word:
        raise Unreadable("Choose on or off.")
    return now


GENERAL: tuple[tuple[str, Callable[[str, Any], Any]], ...] = (
    ("run_name", _name),
    ("enable_cache", _switch),
    ("extra", lambda text, now: read_json(text) if text.strip() else {}),
)
