"""Changes to who may change what in a template, and to who may run it. Each is atomic and leaves one audit row."""

from collections.abc import Iterable

from django.db import transaction

from orgs.audit.models import AuditEvent
from orgs.models import Membership
from orgs.roles.models import Role
from orgs.teams.models import Team
from orgs.users.models import Actor
from tenants.run_templates.document.configuration import values_of
from tenants.run_templates.document.field_rules import (
    MORE_PLACE,
    FieldRule,
    FieldRules,
    RuleKind,
    RulePlace,
    places_of,
    trouble_with,
)
from tenants.run_templates.document.parsed import Document
from zenpro_site.common.refusals import Refused

from .models import RunTemplate, TemplateRunner


class RulesRefused(Refused):
    """Rules that can't be kept; `problems` says why, by (path of the parameter, place inside). Nothing was written."""

    def __init__(self, problems: dict[tuple, str]):
        super().__init__(next(iter(problems.values())))
        self.problems = problems


def rule_places(template: RunTemplate) -> list[RulePlace]:
    """Every value of the template that there can be a rule for, hidden ones as well; first what is no parameter."""
    document = Document.of(template)
    schema = document.whole.schema
    return [MORE_PLACE, *places_of(schema, values_of(document.whole_default, schema))]


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
    facts = {
        "organization": locked.tenant.organization,
        "before": {"rules": before},
        "after": {"rules": after},
    }
    AuditEvent.objects.record("template.rules_changed", locked, by=by, **facts)
    return True


Runners = Iterable[Role | Team | Membership]


@transaction.atomic
def set_runners(*, template: RunTemplate, is_narrowed: bool, runners: Runners, by: Actor) -> bool:
    """Let only these run the template, or whoever may run templates. False if nothing changed.

    Raises Refused for a role, a team or a member of another organization, and for a narrowed template without any.
    """
    locked = RunTemplate.objects.select_for_update(of=("self",)).select_related("tenant").get(pk=template.pk)
    wanted = {(_kind(one), one.pk): one for one in runners}
    if any(one.organization_id != locked.tenant.organization_id for one in wanted.values()):
        raise Refused("These are not all of this organization.")
    if is_narrowed and not wanted:
        raise Refused("Choose at least one role, team or person: otherwise no one could run it.")
    before = runners_in_words(locked)
    _put_runners(locked, is_narrowed, wanted)
    after = runners_in_words(locked)
    template.is_narrowed = is_narrowed
    if before == after:
        return False
    facts = {"organization": locked.tenant.organization, "before": {"who": before}, "after": {"who": after}}
    AuditEvent.objects.record("template.runners_changed", locked, by=by, **facts)
    return True


def _kind(holder: Role | Team | Membership) -> str:
    return {Role: "role", Team: "team", Membership: "membership"}[type(holder)]


def _put_runners(
    template: RunTemplate, is_narrowed: bool, wanted: dict[tuple, Role | Team | Membership]
) -> None:
    template.is_narrowed = is_narrowed
    template.save(update_fields=["is_narrowed", "updated_at"])
    template.runners.all().delete()
    rows = [TemplateRunner(template=template, **{kind: one}) for (kind, _), one in wanted.items()]
    TemplateRunner.objects.bulk_create(rows)


def runners_of(template: RunTemplate) -> list[TemplateRunner]:
    """Roles, teams and people by name."""
    found = template.runners.select_related("role", "team", "membership__user")
    return sorted(found, key=lambda one: (one.role is None, one.team is None, one.name))


def runners_in_words(template: RunTemplate) -> str:
    """Who may run it, in a few words for a page and for the audit log."""
    if not template.is_narrowed:
        return "everyone with the right to run templates"
    return ", ".join(one.name for one in runners_of(template)) or "no one"
