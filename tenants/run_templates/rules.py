"""Changes to who may change what in a template. Each is atomic and leaves one audit row."""

from collections.abc import Iterable

from django.db import transaction

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.run_templates.document.configuration import values_of
from tenants.run_templates.document.field_rules import (
    FieldRule,
    FieldRules,
    RuleKind,
    RulePlace,
    places_of,
    trouble_with,
)
from tenants.run_templates.document.parsed import Document
from zenpro_site.common.refusals import Refused

from .models import RunTemplate


class RulesRefused(Refused):
    """Rules that can't be kept; `problems` says why, by (path of the parameter, place inside). Nothing was written."""

    def __init__(self, problems: dict[tuple, str]):
        super().__init__(next(iter(problems.values())))
        self.problems = problems


def rule_places(template: RunTemplate) -> list[RulePlace]:
    """Every value of the template that there can be a rule for, hidden ones as well."""
    document = Document.of(template)
    schema = document.whole.schema
    return [*places_of(schema, values_of(document.whole_default, schema))]


@transaction.atomic
def set_rules(*, template: RunTemplate, rules: Iterable[FieldRule], by: Actor) -> bool:
    """Let these be all rules from now on; runs that were asked for before keep their values. False if nothing changed.

    Raises RulesRefused.
    """
    locked = RunTemplate.objects.select_for_update(of=("self",)).select_related("tenant").get(pk=template.pk)
    wanted = [rule for rule in rules if rule.kind != RuleKind.EDITABLE]
    places = {place.key: place for place in rule_places(locked)}
    keys = [(rule.path, rule.within) for rule in wanted]
    problems = {
        key: trouble
        for key, rule in zip(keys, wanted, strict=True)
        if (trouble := trouble_with(rule, places.get(key)))
    }
    if problems:
        raise RulesRefused(problems)
    before, after = locked.field_rules, FieldRules(tuple(wanted)).as_json()
    if before == after:
        return False
    locked.field_rules = template.field_rules = after
    locked.save(update_fields=["field_rules", "updated_at"])
    AuditEvent.objects.record(
        "template.rules_changed",
        locked,
        by=by,
        organization=locked.tenant.organization,
        before={"rules": before},
        after={"rules": after},
    )
    return True
