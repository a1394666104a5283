"""What a run and its steps can be set to beside their parameters, as inputs: retries, resources, model, tags, cache.

An input that is empty says that nothing is set. A value stays as it is written until its text changes, whatever it is.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tenants.run_templates.document.form_data import KEPT, SWALLOWED, Unreadable, parse
from tenants.run_templates.document.nodes import value_at
from tenants.run_templates.document.schema import Choice, Field, Kind, mapping

DIGITS = re.compile("[0-9]{1,9}")
CACHE = (Choice(None, "", "As the run"), Choice(True, "true", "On"), Choice(False, "false", "Off"))


@dataclass(frozen=True)
class SettingField(Field):
    """The input of a setting; `range` says in what it is counted."""

    about: str = ""
    group: str = ""  # of the settings of a stack component, for people

    @property
    def range(self) -> str:
        return self.about


@dataclass(frozen=True)
class Setting:
    """One input of a run or of a step. `keys`: the way to its value in there."""

    keys: tuple[str, ...]
    label: str
    kind: Kind
    about: str = ""
    description: str = ""
    choices: tuple[Choice, ...] = ()

    @cached_property
    def path(self) -> str:
        """Inside the run or the step."""
        return ".".join(self.keys)

    def entry(self, step: str) -> SettingField:
        """Its input, for the run where `step` is ""."""
        return SettingField(
            path=f"steps.{step}.{self.path}" if step else self.path,
            step=step,
            name=self.label,
            kind=self.kind,
            default=None,
            schema={},
            description=self.description,
            choices=self.choices,
            item_kind=Kind.STRING if self.kind == Kind.LIST else None,
            about=self.about,
        )

    def value(self, holder: Any) -> Any:
        """Of a run or a step; None where nothing is set."""
        return value_at(mapping(holder), self.keys)

    def text(self, holder: Any) -> str:
        """What its input shows."""
        value = self.value(holder)
        if self.choices:
            return next((choice.raw for choice in self.choices if choice.value is value), KEPT)
        if isinstance(value, list):
            return "\n".join(map(_line, value))
        return "" if value is None else _line(value)

    def put(self, holder: dict[str, Any], text: str) -> None:
        """Set what was typed; a text that no one touched leaves the value as it is.

        The text itself becomes the value where it can't be read; then this raises Unreadable.
        """
        if _sent(text) == _sent(self.text(holder)):
            return
        try:
            value = self._read(text.strip())
        except Unreadable:
            self.assign(holder, text)
            raise
        self.assign(holder, value)

    def _read(self, text: str) -> Any:
        if self.choices:
            return _chosen(text)
        if not text:
            return [] if self.kind == Kind.LIST else None
        if self.kind == Kind.LIST:
            return [*dict.fromkeys(filter(None, (one.strip() for one in text.split("\n"))))]
        if self.keys == ("model", "version") and DIGITS.fullmatch(text):
            return int(text)
        return parse(self.entry(""), text)

    def assign(self, holder: dict[str, Any], value: Any) -> None:
        """Set the value; groups in which nothing is left become None, which is not the same as left out."""
        first, *inner = self.keys
        if not inner:
            holder[first] = value
            return
        group = _with(mapping(holder.get(first)), inner, value)
        if group or first in holder:
            holder[first] = group or None


def _with(group: Mapping[str, Any], keys: list[str], value: Any) -> dict[str, Any]:
    """A copy of a group with this value in it; None takes it out."""
    key, *inner = keys
    value = _with(mapping(group.get(key)), inner, value) if inner else value
    others = {name: one for name, one in group.items() if name != key}
    if value is None or (inner and not value):
        return others
    return {**group, key: value}


def _line(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _sent(text: str) -> str:
    """As a browser sends it back."""
    return SWALLOWED.sub("", text).strip()


def _chosen(text: str) -> Any:
    """Other programs write "on" and "off" as well."""
    words = {"": None, "true": True, "on": True, "1": True, "yes": True}
    words |= dict.fromkeys(("false", "off", "0", "no"), False)
    if text.lower() not in words:
        raise Unreadable("Choose on or off.")
    return words[text.lower()]


SHARED = (
    Setting(("retry", "max_retries"), "Retries", Kind.INTEGER, "after a failure"),
    Setting(("retry", "delay"), "Retry delay", Kind.INTEGER, "seconds"),
    Setting(("retry", "backoff"), "Backoff", Kind.INTEGER, "multiplies the delay"),
    Setting(("settings", "resources", "cpu_count"), "CPU", Kind.NUMBER, "cores"),
    Setting(("settings", "resources", "memory"), "Memory", Kind.STRING, "such as 16GB"),
    Setting(("settings", "resources", "gpu_count"), "GPU", Kind.INTEGER, "how many"),
)
OF_RUN = (
    *SHARED,
    Setting(("model", "name"), "Model", Kind.STRING, "name"),
    Setting(("model", "version"), "Model version", Kind.STRING, "name, number or stage"),
    Setting(("tags",), "Tags", Kind.LIST, "one a line"),
)
OF_STEP = (Setting(("enable_cache",), "Cache", Kind.ENUM, choices=CACHE), *SHARED)
_BY_PATH = {setting.path: setting for setting in OF_RUN}


def setting_at(
    path: str, steps: Mapping[str, Any], more: Iterable[Setting] = ()
) -> tuple[str, Setting] | None:
    """(step or "" for the run, setting) that a path means; `steps`: by their names; `more`: others of the run."""
    of_run = {**_BY_PATH, **{setting.path: setting for setting in more}}
    if path in of_run:
        return "", of_run[path]
    for setting in OF_STEP:
        name = path.removeprefix("steps.").removesuffix(f".{setting.path}")
        if path == f"steps.{name}.{setting.path}" and name in steps:
            return name, setting
    return None
