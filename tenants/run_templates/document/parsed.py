"""A configuration document that is read once: what it says, and all that follows from it.

A page asks many things of one document: what may be set, what differs, what is wrong. Each answer is worked out at
its first use and kept as long as the document is, which is one request.
"""

from collections.abc import Iterable, Iterator, Mapping
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
from tenants.run_templates.document.field_rules import MORE, FieldRule, FieldRules
from tenants.run_templates.document.hidden import plainly, unknown_secrets
from tenants.run_templates.document.nodes import FormNode, trees
from tenants.run_templates.document.schema import Description, mapping, measure
from tenants.run_templates.document.sealed_secrets import opener
from tenants.run_templates.models import RunTemplate, TemplateRun

ONCE = ("skip_successful_steps", "steps_to_skip")  # how one run continued another, and nothing of the next
RUNS_WHOLE = "This template has rules about its values, so all its steps run."


@dataclass(frozen=True, eq=False)
class Document:
    """Values for a template, with its schema and defaults, and with their changes and faults.

    Neither `values` nor `default` may be changed: other values are another document, see `with_values`. What the
    template hides is in `whole` and `whole_default` alone, and in what is sent in the end.
    """

    template: RunTemplate
    recorded: Recorded
    default: Mapping[str, Any]  # the values of the template itself
    values: Any  # an object; whatever else someone may send is a fault
    whole: Recorded
    whole_default: Mapping[str, Any]
    rules: FieldRules

    @classmethod
    def of(cls, template: RunTemplate) -> "Document":
        """The document that changes nothing, as people see it who run the template."""
        rules, whole = FieldRules.read(template.field_rules), Recorded(template.snapshot)
        whole_default = _kept(template) or whole.default
        if not rules:
            return cls(template, whole, whole_default, whole_default, whole, whole_default, rules)
        recorded = replace(whole, narrowed=rules.narrowed(whole.schema))
        default = rules.without_hidden(whole_default)
        return cls(template, recorded, default, default, whole, whole_default, rules)

    def with_values(self, values: dict[str, Any]) -> "Document":
        """Other values for the same template, whose snapshot is not read again."""
        return replace(self, values=values)

    def recalled(self, values: Mapping[str, Any]) -> "Document":
        """Values that were kept somewhere, perhaps from before something was hidden."""
        return self.with_values(self.rules.without_hidden(values))

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
        if all(fault.path for fault in found):
            found = [*found, *self._missing_secrets()]
        if not self.rules or not isinstance(self.values, dict):
            return found
        broken = [*self.rules.broken(self.values, self.by_path, self._default_by_path)]
        broken += [*self._left_out(), *self._locked_more()]
        places = {(fault.path, fault.within) for fault in broken}
        return [*broken, *(fault for fault in found if (fault.path, fault.within) not in places)]

    @property
    def clashes(self) -> Iterator[tuple[FieldRule, Any, Any]]:
        """(rule, value, the template's own value) for each value that a rule leaves no room for."""
        return self.rules.clashes(self.by_path, self._default_by_path)

    def _left_out(self) -> Iterator[DocumentFault]:
        """A step that is left out has the result of a run for which other values may have been chosen."""
        for key in ONCE:
            if self.values.get(key) and self.values[key] != self.default.get(key):
                yield DocumentFault(key, RUNS_WHOLE)

    def _locked_more(self) -> Iterator[DocumentFault]:
        """What is set beside the parameters, in a template that keeps that to itself."""
        lock = self.rules.lock_of(MORE)
        for change in self.changes if lock else ():
            if not change.is_parameter and change.name not in ONCE:
                yield DocumentFault(change.path, lock.sentence)

    def _missing_secrets(self) -> Iterator[DocumentFault]:
        """A recorded value is right by definition, but for a secret of which only its mask was recorded.

        What stands for a secret stands for it at its own place alone.
        """
        for entry in self.schema.fields:
            for within, why in unknown_secrets(entry, self.by_path[entry.path], opener(self.template)):
                yield fault_within(entry.path, within, why)

    @cached_property
    def _default_by_path(self) -> dict[str, Any]:
        return values_of(self.default, self.schema)

    @cached_property
    def complete(self) -> dict[str, Any]:
        """The values with everything they leave out, as in the template; only for a document without faults."""
        values = filled(self.values, self.whole_default)
        return completed(self.rules.with_hidden(values, self.whole_default), self.whole)


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


# -- what was sent, as people see it who may only run the template


def told(template: RunTemplate, found: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Changes for people and for the audit log: without what the template hides now, and words for sealed secrets."""
    return plainly(FieldRules.read(template.field_rules).seen(found))


def seen_changes(run: TemplateRun) -> list[dict[str, Any]]:
    """What differed from the template in a re-run, as told to people who may only run it."""
    return told(run.template, run.changes)


def seen_configuration(run: TemplateRun) -> dict[str, Any]:
    """What a re-run was sent, without what the template hides now."""
    return FieldRules.read(run.template.field_rules).without_hidden(run.configuration)
