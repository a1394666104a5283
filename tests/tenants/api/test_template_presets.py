"""Presets of a template: whose they are, what they set, and what is refused."""

import copy
import json
import re

import pytest
from factories import make_grant, make_member, make_template, make_tenant

from orgs.audit.models import AuditEvent
from tenants.run_templates.document.configuration import default_configuration
from tenants.run_templates.document.field_rules import FieldRule, RuleKind
from tenants.run_templates.document.hidden import NOT_SHOWN
from tenants.run_templates.document.schema import SEALED
from tenants.run_templates.models import Preset, TemplateRun
from tests.tenants.run_templates.samples import snapshot_of
from tests.tenants.runs.fakes import churn

ROUNDS = "steps.train.parameters.rounds"
SECRET = {"type": "string", "format": "password", "writeOnly": True}
NEW = "hunter2-new"


@pytest.fixture
def tenant(org, owner):
    tenant = make_tenant(org, "production")
    make_grant(tenant, owner, "admin")
    return tenant


def template_in(tenant, snapshot):
    default = default_configuration(snapshot)
    return make_template(tenant, "weekly", snapshot=snapshot, default_configuration=default)


@pytest.fixture
def template(tenant):
    return template_in(tenant, churn("snapshot"))


@pytest.fixture
def path(template):
    return f"tenants/production/templates/{template.pk}/presets"


@pytest.fixture
def operator(org, tenant):
    person = make_member(org, "member", name="Olga Operator")
    make_grant(tenant, person, "operator")
    return person


@pytest.fixture
def call(call_as, owner, tenant):
    return call_as(owner)


def train(**parameters) -> dict:
    return {"steps": {"train": {"parameters": parameters}}}


def made(call, path, **facts) -> str:
    answer = call.post(path, **{"name": "Quick check", "configuration": train(rounds=7), **facts})
    assert answer.status_code == 201, answer.content
    return f"{path}/{answer.json()['id']}"


def ruled(template, *rules):
    template.field_rules = [rule.as_json() for rule in rules]
    template.save()


def deeds() -> list[str]:
    return [row.action for row in AuditEvent.objects.order_by("pk")]


# -- refusals


def test_a_private_preset_of_somebody_else_is_like_none(call, call_as, operator, path):
    own, other = made(call, path), call_as(operator)
    asked = [other.get(own), other.patch(own, name="Mine"), other.delete(own), other.post(f"{own}/run")]
    assert [answer.status_code for answer in asked] == [404] * 4
    assert other.get(path).json() == {"total": 0, "items": []}
    assert (Preset.objects.get().name, TemplateRun.objects.count()) == ("Quick check", 0)


def test_shared_ones_are_changed_by_those_who_may_edit_the_template(call, call_as, operator, path):
    shared, other = made(call, path, shared=True), call_as(operator)
    own = made(other, path)
    for answer in (
        other.patch(shared, name="Mine"),
        other.delete(shared),
        other.patch(own, shared=True),
        other.post(path, name="For all", shared=True),
    ):
        assert answer.status_code == 403
        assert answer.json()["detail"] == "Only those who may edit the template change its shared presets."
    assert AuditEvent.objects.filter(outcome="refused", actor=operator).count() == 4
    assert [*Preset.objects.values_list("name", "is_shared")] == [
        ("Quick check", True),
        ("Quick check", False),
    ]


def test_whoever_may_not_run_the_template_has_no_presets(
    call, call_as, org, tenant, template, operator, path
):
    shared, viewer = made(call, path, shared=True), make_member(org, "member")
    make_grant(tenant, viewer, "viewer")
    template.is_narrowed = True
    template.save()
    for person, said in (
        (viewer, "You can't run templates in"),
        (operator, "Only some people may run weekly"),
    ):
        other = call_as(person)
        for answer in (other.get(path), other.get(shared), other.delete(shared), other.post(f"{shared}/run")):
            assert (answer.status_code, answer.json()["detail"].startswith(said)) == (403, True)
    assert Preset.objects.exists() and not TemplateRun.objects.exists()


@pytest.mark.parametrize("values", [{"rounds": 0}, {"nonsense": 1}, {"rounds": "many"}])
def test_values_that_cannot_be_run_change_nothing(call, path, values):
    kept = made(call, path)
    for answer in (
        call.post(path, name="Bad", configuration=train(**values)),
        call.patch(kept, name="Bad", configuration=train(**values)),
    ):
        [fault] = answer.json()["detail"]
        where = ["body", "configuration", "steps", "train", "parameters", *values]
        assert (answer.status_code, fault["loc"]) == (422, where)
    assert call.get(kept).json()["name"] == "Quick check"
    assert deeds() == ["preset.saved"]


def test_a_name_that_is_taken_keeps_the_values_as_well(call, path):
    made(call, path, name="Weekly")
    other = made(call, path)
    answer = call.patch(other, name="Weekly", configuration=train(rounds=8))
    assert (answer.status_code, answer.json()["detail"]) == (409, "There is already a preset with that name.")
    assert call.get(other).json()["configuration"] == train(rounds=7)
    assert call.post(path, name="Weekly").status_code == 409
    assert call.post(path, name=" ").json()["detail"][0]["loc"] == ["body", "name"]
    assert deeds() == ["preset.saved", "preset.saved"]


@pytest.mark.parametrize(
    "kind, said, shown",
    [
        (RuleKind.LOCKED, "This value is locked: it is expensive.", True),
        (RuleKind.HIDDEN, "also sets a value that can’t be set any more", False),
    ],
)
def test_one_that_no_longer_fits_says_so_and_runs_nothing(call, template, path, kind, said, shown):
    preset = made(call, path, configuration=train(rounds=917))
    ruled(template, FieldRule(ROUNDS, kind, reason="it is expensive."))
    answer = call.post(f"{preset}/run")
    first, problem = answer.json()["detail"]
    assert answer.status_code == 422 and said in problem["msg"]
    assert first["msg"] == "Nothing was started: the preset “Quick check” no longer fits."
    found = call.get(preset).content + call.get(path).content + answer.content
    assert bool(re.search(rb"\b917\b", found)) == shown  # not as a part of an id
    assert not TemplateRun.objects.exists()


def test_a_secret_is_in_no_answer_and_is_not_replaced_by_what_stands_for_it(call, tenant):
    snapshot = snapshot_of({"token": SECRET, "depth": {"type": "integer"}}, {"token": "recorded", "depth": 3})
    path = f"tenants/production/templates/{template_in(tenant, snapshot).pk}/presets"
    sent = {"steps": {"work": {"parameters": {"token": NEW, "depth": 4}}}}
    first = call.post(path, name="Secret", configuration=sent)
    preset = f"{path}/{first.json()['id']}"
    again, changed = call.get(preset), copy.deepcopy(first.json()["configuration"])
    assert again.json()["configuration"]["steps"]["work"]["parameters"] == {"token": NOT_SHOWN, "depth": 4}
    changed["steps"]["work"]["parameters"]["depth"] = 5
    back = call.patch(preset, configuration=changed)
    assert (back.status_code, back.json()["detail"][0]["loc"][-1]) == (422, "token")
    kept = Preset.objects.get().values
    assert kept["steps.work.parameters.token"].startswith(SEALED) and kept["steps.work.parameters.depth"] == 4
    for answer in (first, again, back, call.get(path)):
        assert NEW.encode() not in answer.content and SEALED.encode() not in answer.content
    assert NEW not in json.dumps([kept, *AuditEvent.objects.values_list("before", "after")])


# -- what it does


def test_life(call, operator, call_as, template, path):
    preset = made(call, path)
    assert call.get(preset).json()["configuration"] == train(rounds=7)
    for _ in range(2):
        answer = call.patch(preset, name="Weekly", shared=True, configuration=train(rounds=12))
        assert (answer.status_code, answer.json()["shared"]) == (200, True)
    other = call_as(operator)
    assert [one["name"] for one in other.get(path).json()["items"]] == ["Weekly"]
    run = other.post(f"{preset}/run")
    assert (run.status_code, run.json()["created_by"]["name"]) == (201, "Olga Operator")
    assert [(one["path"], one["after"]) for one in run.json()["changes"]] == [(ROUNDS, 12)]
    assert template.runs.get().asked_with == operator.api_keys.get()
    assert template.runs.get().preset.name == "Weekly"
    assert call.delete(preset).status_code == 204
    assert call.delete(preset).status_code == 404
    wanted = ["preset.saved", "preset.replaced", "preset.renamed", "template_run.queued", "preset.deleted"]
    assert deeds() == wanted


def test_shared_ones_come_first_and_one_without_changes_sets_what_is_open(call, template, path):
    ruled(template, FieldRule(ROUNDS, RuleKind.LOCKED))
    made(call, path, name="A", configuration={})
    made(call, path, name="B", shared=True, configuration={})
    items = call.get(path).json()["items"]
    assert [one["name"] for one in items] == ["B", "A"]
    assert "rounds" not in items[0]["configuration"]["steps"]["train"]["parameters"]
    assert items[0]["configuration"] == items[1]["configuration"]
    assert len(Preset.objects.first().values) == 18
