"""Who may change what in a template, and who may run it: read, replaced, and refused."""

from uuid import uuid4

import pytest
from factories import make_grant, make_member, make_org, make_team, make_template, make_tenant

from orgs.audit.models import AuditEvent
from tenants.run_templates.document.configuration import default_configuration
from tenants.run_templates.document.schema import walk
from tests.tenants.runs.fakes import churn

TRAIN = "steps.train.parameters."
ROUNDS = TRAIN + "rounds"


@pytest.fixture
def tenant(org, owner):
    tenant = make_tenant(org, "production")
    make_grant(tenant, owner, "admin")
    return tenant


@pytest.fixture
def template(tenant):
    snapshot = churn("snapshot")
    default = default_configuration(snapshot)
    return make_template(tenant, "weekly", snapshot=snapshot, default_configuration=default)


@pytest.fixture
def path(template):
    return f"tenants/production/templates/{template.pk}"


@pytest.fixture
def call(call_as, owner, tenant):
    return call_as(owner)


def rule(kind: str, path: str = ROUNDS, **more) -> dict:
    return {"path": path, "kind": kind, **more}


def faults(answer) -> list[tuple]:
    assert answer.status_code == 422, answer.content
    return [(one["loc"][1:], one["msg"]) for one in answer.json()["detail"]]


def deeds() -> list[str]:
    return [row.action for row in AuditEvent.objects.order_by("pk")]


# -- refusals


def test_only_those_who_may_edit_the_template_read_and_replace(call_as, org, tenant, template, path):
    person, other = make_member(org, "member"), make_member(make_org("Other"), "admin")
    make_grant(tenant, person, "operator")
    for caller, status in ((call_as(person), 403), (call_as(other), 404)):
        for answer in (
            caller.get(f"{path}/rules"),
            caller.put(f"{path}/rules", rules=[rule("locked")]),
            caller.get(f"{path}/runners"),
            caller.put(f"{path}/runners", narrowed=True, members=[str(person.membership.pk)]),
        ):
            assert answer.status_code == status
    template.refresh_from_db()
    assert (template.field_rules, template.is_narrowed, template.runners.count()) == ([], False, 0)
    assert [(row.actor, row.outcome) for row in AuditEvent.objects.all()] == [(person, "refused")] * 2


@pytest.mark.parametrize(
    "sent, said",
    [
        (rule("locked", "steps.train.parameters.gone"), "This value can't have such a rule."),
        (rule("editable", "nonsense"), "This value can't have such a rule."),
        (rule("locked", within=["x"]), "This value can't have such a rule."),
        (rule("range", TRAIN + "kind", minimum=1), "This value can't have such a rule."),
        (rule("range"), "Enter a minimum, a maximum or both."),
        (rule("range", minimum=9, maximum=1), "The maximum is smaller than the minimum."),
        (rule("range", minimum=1.5), "Enter a whole number from 1 to 1000."),
        (rule("range", minimum=10**40), "Enter a whole number from 1 to 1000."),
        (rule("range", maximum=float("nan")), "Enter a whole number from 1 to 1000."),
        (rule("choices"), "values, one per line."),
        (rule("choices", values=["7"]), "Enter a whole number from 1 to 1000."),
        (rule("choices", values=[True]), "Enter a whole number from 1 to 1000."),
        (rule("choices", values=[0]), "0: "),
        (rule("choices", values=[[1]]), "Enter a whole number from 1 to 1000."),
        (rule("range", maximum=2), "The template's own value is not among these. Change the default first."),
    ],
    ids=lambda one: one[:20] if isinstance(one, str) else one["kind"],
)
def test_what_can_be_no_rule_is_told_at_its_place_and_changes_nothing(call, template, path, sent, said):
    call.put(f"{path}/rules", rules=[rule("locked")])
    first = rule("hidden", TRAIN + "kind" if sent["path"] != TRAIN + "kind" else ROUNDS)
    [(where, message)] = faults(call.put(f"{path}/rules", rules=[first, sent]))
    assert where == ["rules", 1] and said in message
    template.refresh_from_db()
    assert [one["kind"] for one in template.field_rules] == ["locked"]
    assert deeds() == ["template.rules_changed"]


def test_bodies_that_are_refused_before_they_are_read(call, template, path):
    for sent in (
        rule("locked", reason="x" * 201),
        rule("choices", values=["x" * 20_000]),
        rule("nonsense"),
        rule("range", minimum=True),
        rule("locked", surprise=1),
    ):
        assert faults(call.put(f"{path}/rules", rules=[sent]))[0][0][:2] == ["rules", 0]
    assert faults(call.put(f"{path}/rules", rules=[rule("locked"), rule("hidden")])) == [
        (["rules", 1], "There is another rule for this value.")
    ]
    assert deeds() == []


def test_runners_that_are_none_of_the_organization_change_nothing(call, template, path, member):
    other = make_org("Other")
    team, person = make_team(other), make_member(other)
    member.is_active = False
    member.save()
    sent = {
        "roles": ["operator", "nonsense"],
        "teams": [str(team.uuid)],
        "members": [str(person.membership.pk), str(uuid4()), str(member.membership.pk)],
    }
    assert faults(call.put(f"{path}/runners", narrowed=True, **sent)) == [
        (["roles", 1], "This organization has no such role."),
        (["teams", 0], "This organization has no such team."),
        *((["members", index], "This organization has no such member.") for index in range(3)),
    ]
    said = "Choose at least one role, team or person: otherwise no one could run it."
    assert faults(call.put(f"{path}/runners", narrowed=True)) == [(["narrowed"], said)]
    template.refresh_from_db()
    assert (template.is_narrowed, template.runners.count(), deeds()) == (False, 0, [])


# -- what it does


def test_rules_are_read_replaced_and_kept(call, template, path):
    before = call.get(f"{path}/rules").json()["rules"]
    assert {one["kind"] for one in before} == {"editable"} and ROUNDS in [one["path"] for one in before]
    sent = [rule("range", minimum=1, maximum=500, reason=" It is slow. "), rule("hidden", TRAIN + "kind")]
    for some in (sent, sent[::-1]):
        answer = call.put(f"{path}/rules", rules=some)
        assert answer.status_code == 200, answer.content
    shown = {one["path"]: one for one in answer.json()["rules"] if one["kind"] != "editable"}
    assert shown[ROUNDS] == {**sent[0], "within": [], "values": [], "reason": "It is slow."}
    assert set(shown) == {ROUNDS, TRAIN + "kind"}
    assert call.get(f"{path}/rules").json() == answer.json()
    assert call.put(f"{path}/rules", **answer.json()).json() == answer.json()
    assert deeds() == ["template.rules_changed"]
    refused = call.post(f"{path}/runs", configuration={"steps": {"train": {"parameters": {"rounds": 501}}}})
    assert (refused.status_code, "It is slow." in refused.json()["detail"][0]["msg"]) == (422, True)
    assert {one["kind"] for one in call.put(f"{path}/rules", rules=[]).json()["rules"]} == {"editable"}


def test_choices_are_each_kept_once(call, template, path):
    own = template.default_configuration["steps"]["train"]["parameters"]["rounds"]
    assert call.put(f"{path}/rules", rules=[rule("choices", values=[own, 7, 7])]).status_code == 200
    template.refresh_from_db()
    assert template.field_rules[0]["values"] == [own, 7]


def test_what_is_hidden_is_in_no_answer_of_those_who_run_it(call, call_as, org, tenant, template, path):
    own = template.default_configuration["steps"]["train"]["parameters"]
    own["rounds"] = 317
    template.save()
    person = make_member(org, "member")
    make_grant(tenant, person, "operator")
    call.put(f"{path}/rules", rules=[rule("hidden")])
    other = call_as(person)
    call.post(f"{path}/presets", name="All", shared=True)
    ran = other.post(f"{path}/runs")
    assert ran.status_code == 201
    assert 317 in values_in(call.get(path))
    for answer in (other.get(path), other.get(f"{path}/presets"), ran, other.get(f"{path}/runs/1")):
        assert answer.status_code in (200, 201) and 317 not in values_in(answer)


def values_in(answer) -> list:
    return [value for _, value in walk(answer.json()) if not isinstance(value, dict | list)]


def test_runners_are_read_replaced_and_kept(call, call_as, org, tenant, template, path, member):
    make_grant(tenant, member, "operator")
    team, run = make_team(org, "risk"), lambda: call_as(member).post(f"{path}/runs").status_code
    sent = {"roles": ["admin"], "teams": [str(team.uuid)], "members": []}
    for _ in range(2):
        answer = call.put(f"{path}/runners", narrowed=True, **sent)
    assert answer.json() == {
        "narrowed": True,
        "roles": ["admin"],
        "teams": [{"id": str(team.uuid), "name": "risk"}],
        "members": [],
    }
    assert (deeds(), run()) == (["template.runners_changed"], 403)
    named = call.put(f"{path}/runners", narrowed=True, members=[str(member.membership.pk)]).json()
    assert named["members"] == [{"id": str(member.membership.pk), "name": "Dana Petrova"}]
    assert call.get(f"{path}/runners").json() == named
    assert run() == 201
    member.is_active = False
    member.save()
    assert call.put(f"{path}/runners", narrowed=True, members=[str(member.membership.pk)]).status_code == 200
    assert call.put(f"{path}/runners", narrowed=False).json()["members"] == []
