"""The forms of who may change what in a template (a row for every value), and of who may run it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from django import forms

from orgs.roles.models import Role
from tenants.access.holder_fields import HolderField
from tenants.run_templates.document.field_rules import (
    KIND_WORDS,
    FieldRule,
    FieldRules,
    RuleKind,
    RulePlace,
    one_value,
    text_of,
)
from tenants.run_templates.document.form_data import Unreadable, parse
from tenants.run_templates.models import RunTemplate, TemplateRunner
from tenants.run_templates.pages.field_presentation import in_words, shortened
from tenants.run_templates.rules import rule_places, runners_of

MOST_ROWS = 180  # of five inputs each: Django takes 1,000 of a form
LONGEST_REASON, LONGEST_LIST = 200, 20_000


@dataclass
class RuleRow:
    """A value of the template with its rule, or with what was typed for one."""

    place: RulePlace
    rule: FieldRule
    typed: Mapping[str, str] = field(default_factory=dict)
    error: str = ""

    @cached_property
    def id(self) -> str:
        """Safe in HTML, and the same as long as the value has its place."""
        return "r" + hashlib.sha256(json.dumps(self.place.key).encode()).hexdigest()[:12]

    @property
    def name(self) -> str:
        return self.place.name

    @property
    def deep(self) -> bool:
        return bool(self.place.within)

    @property
    def value(self) -> str:
        return shortened(in_words(self.place.value), 60)

    @property
    def kinds(self) -> list[tuple[str, str, bool]]:
        """(value, words, whether it is chosen)"""
        return [(kind, KIND_WORDS[kind], kind == self.kind) for kind in self.place.kinds]

    @property
    def kind(self) -> str:
        return self.typed.get("kind", self.rule.kind)

    @property
    def takes_choices(self) -> bool:
        return RuleKind.CHOICES in self.place.kinds

    @property
    def takes_range(self) -> bool:
        return RuleKind.RANGE in self.place.kinds

    @property
    def values(self) -> str:
        """What was typed, else those of the rule, else those that the schema has, to take some away."""
        known = self.rule.values or tuple(choice.value for choice in self.place.field.choices)
        return self.typed.get("values", "\n".join(map(text_of, known)))

    @property
    def minimum(self) -> str:
        return self._number("minimum", self.rule.minimum)

    @property
    def maximum(self) -> str:
        return self._number("maximum", self.rule.maximum)

    def _number(self, name: str, kept: float | None) -> str:
        return self.typed.get(name, "" if kept is None else str(kept))

    @property
    def reason(self) -> str:
        return self.typed.get("reason", self.rule.reason)

    def read(self, data: Mapping[str, str]) -> None:
        """Take what was posted for this row; what was not posted stays."""
        names = ("kind", "values", "minimum", "maximum", "reason")
        self.typed = {name: data[f"{name}-{self.id}"] for name in names if f"{name}-{self.id}" in data}
        if "kind" not in self.typed:
            return
        try:
            self.rule = self._rule()
        except Unreadable as error:
            self.error = str(error)
        except ValueError:
            self.error = "Choose one of these."

    def _rule(self) -> FieldRule:
        kind, reason = RuleKind(self.kind), self.reason.strip()
        if len(reason) > LONGEST_REASON:
            raise Unreadable(f"A reason has at most {LONGEST_REASON} characters.")
        made = FieldRule(self.place.parameter.path, kind, self.place.within, reason=reason)
        if kind == RuleKind.CHOICES:
            return replace(made, values=self._choices())
        if kind == RuleKind.RANGE:
            return replace(made, minimum=self._limit(self.minimum), maximum=self._limit(self.maximum))
        return made

    def _choices(self) -> tuple:
        if len(self.values) > LONGEST_LIST:
            raise Unreadable("That is too much text.")
        lines = [line.strip() for line in self.values.splitlines() if line.strip()]
        return tuple(one_value(self.place.field, line) for line in dict.fromkeys(lines))

    def _limit(self, text: str) -> int | float | None:
        return parse(self.place.field, text.strip()) if text.strip() else None


class RulesForm:
    """All rows; those there is no room for keep their rules."""

    def __init__(self, template: RunTemplate, data: Mapping[str, str] | None = None):
        kept = FieldRules.read(template.field_rules).by_place
        rows = [_row(place, kept.get(place.key)) for place in rule_places(template)]
        self.rows, self.left_out = rows[:MOST_ROWS], rows[MOST_ROWS:]
        for row in self.rows if data is not None else ():
            row.read(data)

    @property
    def rules(self) -> list[FieldRule]:
        return [row.rule for row in [*self.rows, *self.left_out]]

    @property
    def wrong(self) -> list[RuleRow]:
        return [row for row in self.rows if row.error]

    def add_problems(self, problems: Mapping[tuple, str]) -> None:
        """What an action refused, at its rows."""
        for row in self.rows:
            row.error = row.error or problems.get(row.place.key, "")

    @property
    def groups(self) -> list[tuple[str, list[RuleRow]]]:
        """(step, its rows)"""
        found: dict[str, list[RuleRow]] = {}
        for row in self.rows:
            found.setdefault(row.place.parameter.step, []).append(row)
        return [*found.items()]


def _row(place: RulePlace, rule: FieldRule | None) -> RuleRow:
    return RuleRow(place, rule or FieldRule(place.parameter.path, RuleKind.EDITABLE, place.within))


# -- who may run it


class RunnersForm(forms.Form):
    """Everyone with the right to run templates, or of those only some. `holder` adds a team or a person."""

    EVERYONE, SOME = "everyone", "some"
    who = forms.ChoiceField(
        choices=[
            (EVERYONE, "Everyone who may run templates in this tenant"),
            (SOME, "Of those, only these roles, teams and people"),
        ],
        widget=forms.RadioSelect,
    )
    roles = forms.ModelMultipleChoiceField(
        Role.objects.none(), required=False, widget=forms.CheckboxSelectMultiple
    )
    kept = forms.ModelMultipleChoiceField(
        TemplateRunner.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Teams and people",
    )

    def __init__(self, data=None, *, template: RunTemplate, search_at: str = ""):
        known = runners_of(template)
        start = {
            "who": self.SOME if template.is_narrowed else self.EVERYONE,
            "roles": [one.role_id for one in known if one.role_id],
            "kept": [one.pk for one in known if not one.role_id],
        }
        super().__init__(data, initial=start)
        org = template.tenant.organization
        self.fields["roles"].queryset = org.roles.tenant_level()
        self.fields["kept"].queryset = template.runners.filter(role=None).select_related(
            "team", "membership__user"
        )
        self.fields["holder"] = HolderField(
            org=org, required=False, label="Add a team or a person", search_at=search_at
        )

    @property
    def is_narrowed(self) -> bool:
        return self.cleaned_data["who"] == self.SOME

    @property
    def runners(self) -> list:
        """Everyone chosen: those who stay, and who was added."""
        stay = [one.holder for one in self.cleaned_data["kept"]]
        added = self.cleaned_data["holder"]
        return [*self.cleaned_data["roles"], *stay, *([added] if added else [])]
