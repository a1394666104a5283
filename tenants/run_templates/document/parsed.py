"""A configuration document that is read once: what it says, and all that follows from it.

A page asks many things of one document: what may be set, what differs, what is wrong. Each answer is worked out at
its first use and kept as long as the document is, which is one request.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from tenants.run_templates.document.configuration import (
    DEEPEST_DOCUMENT,
    MAX_VALUES,
    Change,
    DocumentFault,
    Recorded,
    changes,
    completed,
    fault_within,
    problems_of,
    values_of,
)
from tenants.run_templates.document.hidden import unknown_secrets
from tenants.run_templates.document.nodes import FormNode, trees
from tenants.run_templates.document.schema import Description, mapping, measure
from tenants.run_templates.models import RunTemplate

NOT_RECORDED = "ZenML recorded a mask instead of this secret, so it has to be entered again."


@dataclass(frozen=True, eq=False)
class Document:
    """Values for a template, with its schema and defaults, and with their changes and faults.

    Neither `values` nor `default` may be changed: other values are another document, see `with_values`.
    """

    template: RunTemplate
    recorded: Recorded
    default: Mapping[str, Any]  # the values of the template itself
    values: Any  # an object; whatever else someone may send is a fault

    @classmethod
    def of(cls, template: RunTemplate) -> "Document":
        """The document that changes nothing."""
        recorded = Recorded(template.snapshot)
        default = _kept(template) or recorded.default
        return cls(template, recorded, default, default)

    def with_values(self, values: dict[str, Any]) -> "Document":
        """Other values for the same template, whose snapshot is not read again."""
        return replace(self, values=values)

    def copied(self) -> dict[str, Any]:
        """The values, to be changed."""
        return deepcopy(self.values)

    @property
    def schema(self) -> Description:
        """What can be changed."""
        return self.recorded.schema

    @cached_property
    def by_path(self) -> dict[str, Any]:
        """The value of every field, by its path."""
        return values_of(filled(self.values, self.default), self.schema)

    @cached_property
    def trees(self) -> dict[str, FormNode]:
        """What is inside those parameters that have an inside, by their paths."""
        return trees(self.schema, self.by_path)

    @cached_property
    def changes(self) -> list[Change]:
        """What differs from the template."""
        return changes(self.default, self.values)

    @cached_property
    def faults(self) -> list[DocumentFault]:
        """What is wrong with the values; [] when they may be run."""
        found = problems_of(self.values, self.recorded)
        return found if any(not fault.path for fault in found) else [*found, *self._missing_secrets()]

    def _missing_secrets(self) -> Iterator[DocumentFault]:
        """A recorded value is right by definition, but for a secret of which only its mask was recorded."""
        for entry in self.schema.fields:
            if entry.hides:
                for within in unknown_secrets(entry, self.by_path[entry.path]):
                    yield fault_within(entry.path, within, NOT_RECORDED)

    @cached_property
    def complete(self) -> dict[str, Any]:
        """The values with everything they leave out, as in the template; only for a document without faults."""
        return completed(filled(self.values, self.default), self.recorded)


def filled(values: Mapping[str, Any], default: Mapping[str, Any]) -> dict[str, Any]:
    """A document with what it leaves out taken from another, step by step and parameter by parameter."""
    steps, others = mapping(values.get("steps")), mapping(default.get("steps"))
    own = {name: _filled_step(mapping(steps.get(name)), mapping(others[name])) for name in others}
    return {**_filled_step(values, default), "steps": {**steps, **own}}


def _filled_step(given: Mapping[str, Any], default: Mapping[str, Any]) -> dict[str, Any]:
    parameters = {**mapping(default.get("parameters")), **mapping(given.get("parameters"))}
    return {**default, **given, **({"parameters": parameters} if parameters else {})}


def _kept(template: RunTemplate) -> dict[str, Any]:
    """The default document as it was written when the template was made; {} when it is none that can be shown."""
    kept = template.default_configuration
    size = measure(kept, MAX_VALUES)
    fits = size.values <= MAX_VALUES and size.depth <= DEEPEST_DOCUMENT and not size.is_odd
    return kept if kept and fits else {}
