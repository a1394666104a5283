"""Who may change what in a template, and who may run it: each is read whole and replaced whole."""

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

from django.db.models import Q
from ninja import Router, Schema
from pydantic import AfterValidator, Field, StrictFloat, StrictInt

from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates.document.field_rules import (
    NUMBERS,
    FieldRule,
    FieldRules,
    RuleKind,
    RulePlace,
    trouble_with,
)
from tenants.run_templates.document.form_data import LINE, Unreadable, parse
from tenants.run_templates.models import RunTemplate
from tenants.run_templates.pages.rule_forms import LONGEST_LIST, LONGEST_REASON
from tenants.run_templates.rules import RulesRefused, rule_places, runners_of, set_rules, set_runners
from zenpro_site.common.refusals import Refused

from .callers import needs
from .problems import Invalid, fault
from .shapes import Body, Reference, Text, as_json
from .templates import TEMPLATE, changeable

router = Router(tags=["Rules of templates"])
RULES = TEMPLATE + "/rules"
RUNNERS = TEMPLATE + "/runners"
MOST = 1000
TWICE = "There is another rule for this value."
EXAMPLE = {"path": "steps.train.parameters.rounds", "kind": "range", "minimum": 1, "maximum": 500}


def listed(values: list[Any]) -> list[Any]:
    """Raises ValueError for what can't be kept, or is more than a page takes."""
    if len(json.dumps(as_json({"values": values}), ensure_ascii=False)) > LONGEST_LIST:
        raise ValueError("That is too much text.")
    return values


def brief(reason: str) -> str:
    if len(reason.strip()) > LONGEST_REASON:
        raise ValueError(f"A reason has at most {LONGEST_REASON} characters.")
    return reason.strip()


class RuleShown(Schema):
    """What people who run the template may do with one of its values."""

    path: str = Field(
        description="Of the parameter; `more` is everything that can be set beside the parameters."
    )
    within: list[str] = Field(description="Where inside the parameter; empty for the whole of it.")
    kind: RuleKind
    values: list[Any] = Field(description="Of `choices`.")
    minimum: int | float | None = Field(description="Of a `range`.")
    maximum: int | float | None
    reason: str = Field(description="Shown to those it stops.")


class RulesShown(Schema):
    rules: list[RuleShown] = Field(
        description="One for each value that there can be a rule for; those without one are `editable`."
    )


class RuleSent(Body):
    path: Text = Field(examples=["steps.train.parameters.rounds"])
    within: list[Text] = Field([], max_length=MOST)
    kind: RuleKind
    values: Annotated[list[Any], AfterValidator(listed)] = Field([], description="Of `choices` alone.")
    minimum: StrictInt | StrictFloat | None = Field(None, description="Of a `range` alone.")
    maximum: StrictInt | StrictFloat | None = None
    reason: Annotated[Text, AfterValidator(brief)] = ""


class RulesSent(Body):
    rules: list[RuleSent] = Field(
        max_length=MOST,
        description="All rules from now on; what is left out is `editable`.",
        examples=[[EXAMPLE]],
    )


class RunnersShown(Schema):
    narrowed: bool = Field(
        description="Of those with the right to run templates, only these may run it; else everyone with the right."
    )
    roles: list[str] = Field(description="Slugs of tenant roles.")
    teams: list[Reference]
    members: list[Reference] = Field(description="By id in the list of members.")


class RunnersSent(Body):
    narrowed: bool
    roles: list[Text] = Field(
        [], max_length=MOST, description="Slugs of tenant roles.", examples=[["operator"]]
    )
    teams: list[UUID] = Field([], max_length=MOST)
    members: list[UUID] = Field([], max_length=MOST, description="Ids in the list of members.")


# -- who may change what


def _shown_rules(template: RunTemplate) -> dict:
    kept = FieldRules.read(template.field_rules).by_place
    places = rule_places(template)
    return {"rules": [_shown_rule(kept.get(place.key) or _editable(place)) for place in places]}


def _editable(place: RulePlace) -> FieldRule:
    return FieldRule(place.parameter.path, RuleKind.EDITABLE, place.within)


def _shown_rule(rule: FieldRule) -> dict:
    same = ("path", "within", "kind", "values", "minimum", "maximum", "reason")
    return {name: getattr(rule, name) for name in same}


@router.get(RULES, auth=needs(TenantPermission.TEMPLATE_VIEW), response=RulesShown)
def rules_get(request, organization: str, tenant: str, template: UUID):
    """Who may change what in a template: for those who may edit it."""
    return _shown_rules(changeable(request, template))


@router.put(RULES, auth=needs(TenantPermission.TEMPLATE_VIEW), response=RulesShown)
def rules_replace(request, organization: str, tenant: str, template: UUID, body: RulesSent):
    """Let these be all rules of a template of yours, or of any if you can delete templates. Runs that were asked for
    before keep their values.
    """
    found = changeable(request, template)
    keys = [(one.path, tuple(one.within)) for one in body.rules]
    rules = _read_rules(found, body.rules, keys)
    try:
        set_rules(template=found, rules=rules, by=request.actor)
    except RulesRefused as error:
        raise Invalid(
            [fault(said, "rules", keys.index(key)) for key, said in error.problems.items()]
        ) from error
    return _shown_rules(found)


def _read_rules(template: RunTemplate, sent: list[RuleSent], keys: list[tuple]) -> list[FieldRule]:
    """The rules in the order of the form. Raises Invalid."""
    places = {place.key: place for place in rule_places(template)}
    rules, faults = {}, []
    for index, (one, key) in enumerate(zip(sent, keys, strict=True)):
        try:
            rules[key] = _read_rule(one, places.get(key), is_second=key in rules)
        except Unreadable as error:
            faults.append(fault(str(error), "rules", index))
    if faults:
        raise Invalid(faults)
    return [rules[key] for key in places if key in rules]


def _read_rule(sent: RuleSent, place: RulePlace | None, is_second: bool) -> FieldRule:
    """As the page's form reads it: what its kind does not take is left out. Raises Unreadable."""
    rule = FieldRule(sent.path, sent.kind, tuple(sent.within), reason=sent.reason)
    if place is None or sent.kind not in place.kinds:
        raise Unreadable(trouble_with(rule, None))
    if is_second:
        raise Unreadable(TWICE)
    if sent.kind == RuleKind.CHOICES:
        return replace(rule, values=_choices(place, sent.values))
    if sent.kind == RuleKind.RANGE:
        limits = {"minimum": _limit(place, sent.minimum), "maximum": _limit(place, sent.maximum)}
        return replace(rule, **limits)
    return rule


def _limit(place: RulePlace, limit: float | None) -> int | float | None:
    return None if limit is None else parse(place.field, json.dumps(limit))


def _choices(place: RulePlace, values: list[Any]) -> tuple:
    """Each once, as JSON tells them apart; numbers and dates are read as from a line of the form."""
    once = {json.dumps(value, sort_keys=True): value for value in values}
    if place.field.kind not in LINE:
        return tuple(once.values())
    texts = once if place.field.kind in NUMBERS else map(str, once.values())
    return tuple(dict.fromkeys(parse(place.field, text) for text in texts))


# -- who may run it


def _shown_runners(template: RunTemplate) -> dict:
    known = runners_of(template)
    people = [one.membership for one in known if one.membership]
    return {
        "narrowed": template.is_narrowed,
        "roles": [one.role.slug for one in known if one.role],
        "teams": [{"id": str(one.team.uuid), "name": one.team.label} for one in known if one.team],
        "members": [{"id": str(one.pk), "name": str(one.user)} for one in people],
    }


@router.get(RUNNERS, auth=needs(TenantPermission.TEMPLATE_VIEW), response=RunnersShown)
def runners_get(request, organization: str, tenant: str, template: UUID):
    """Who may run a template: for those who may edit it."""
    return _shown_runners(changeable(request, template))


@router.put(RUNNERS, auth=needs(TenantPermission.TEMPLATE_VIEW), response=RunnersShown)
def runners_replace(request, organization: str, tenant: str, template: UUID, body: RunnersSent):
    """Let only these run a template of yours, or of any if you can delete templates; or everyone with the right to."""
    found = changeable(request, template)
    runners = _named_runners(request, found, body)
    try:
        set_runners(template=found, is_narrowed=body.narrowed, runners=runners, by=request.actor)
    except Refused as error:
        raise Invalid([fault(str(error), "narrowed")]) from error
    return _shown_runners(found)


def _named_runners(request, template: RunTemplate, body: RunnersSent) -> list:
    """Roles, teams and members. Someone whose account is inactive can stay, and can't be added. Raises Invalid."""
    kept = template.runners.filter(membership__isnull=False).values("membership")
    people = request.org.memberships.filter(Q(user__is_active=True) | Q(pk__in=kept))
    roles = {one.slug: one for one in request.org.roles.tenant_level().filter(slug__in=body.roles)}
    teams = {one.uuid: one for one in request.org.teams.filter(uuid__in=body.teams)}
    members = {one.pk: one for one in people.filter(pk__in=body.members)}
    faults = [
        *_unknown(roles, body.roles, "role"),
        *_unknown(teams, body.teams, "team"),
        *_unknown(members, body.members, "member"),
    ]
    if faults:
        raise Invalid(faults)
    return [*roles.values(), *teams.values(), *members.values()]


def _unknown(known: dict, named: Iterable, what: str) -> list[dict]:
    said = f"This organization has no such {what}."
    return [fault(said, f"{what}s", index) for index, one in enumerate(named) if one not in known]
