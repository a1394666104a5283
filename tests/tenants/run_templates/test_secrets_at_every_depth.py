"""A secret is in clear nowhere, wherever in a parameter it is and by whichever way it came."""

import json
import logging

import pytest
from factories import make_grant, make_key, make_template

from orgs.audit.models import AuditEvent
from orgs.mails.models import Mail
from orgs.users.models import Actor
from tenants.run_templates.actions import make_default, queue_run, queue_sweep, undo_default
from tenants.run_templates.document.configuration import default_configuration
from tenants.run_templates.document.field_rules import FieldRule, RuleKind
from tenants.run_templates.document.parsed import Document
from tenants.run_templates.document.schema import SEALED
from tenants.run_templates.document.sweeps import SweepField
from tenants.run_templates.engine.derive import snapshot_body
from tenants.run_templates.models import Preset, RunTemplate, TemplateRun
from tenants.run_templates.presets import replace_preset, save_preset
from tenants.run_templates.rules import set_rules

from .samples import snapshot_of
from .test_views_widgets import open_form  # noqa: F401 - a fixture

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
SECRET = {"type": "string", "format": "password", "writeOnly": True}
BASIC = {"type": "object", "properties": {"password": SECRET}, "required": ["password"]}
FULL = {
    "type": "object",
    "properties": {"password": SECRET, "token": SECRET},
    "required": ["password", "token"],
}
NEW = "hunter2-new"
# name -> (schema, what was recorded, what is entered)
SHAPES = {
    "token": (SECRET, "recorded", NEW),
    "maybe": ({"anyOf": [SECRET, {"type": "null"}]}, None, NEW),
    "number_or": ({"anyOf": [{"type": "integer"}, SECRET]}, 5, NEW),
    "tokens": ({"type": "array", "items": SECRET}, [], [NEW, f"{NEW}-2"]),
    "several": ({"type": "array", "items": SECRET, "uniqueItems": True}, ["recorded"], ["recorded-2", NEW]),
    "pair": ({"type": "array", "prefixItems": [{"type": "string"}, SECRET]}, ["u", "recorded"], ["u", NEW]),
    "named": ({"type": "object", "additionalProperties": SECRET}, {}, {"a": NEW}),
    "by_pattern": ({"type": "object", "patternProperties": {"^x": SECRET}}, {}, {"x-a": NEW}),
    "model": (BASIC, {"password": "recorded"}, {"password": NEW}),
    "no_model": ({"anyOf": [BASIC, {"type": "null"}]}, None, {"password": NEW}),
    "models": ({"type": "array", "items": FULL}, [], [{"password": NEW, "token": f"{NEW}-2"}]),
    "either": (
        {"anyOf": [BASIC, FULL]},
        {"password": "recorded"},
        {"password": NEW, "token": f"{NEW}-2"},
    ),
    "referred": ({"$ref": "#/$defs/full"}, {"password": "recorded", "token": "recorded"}, None),
    "deep": (
        {"type": "object", "additionalProperties": {"type": "array", "items": {"$ref": "#/$defs/full"}}},
        {},
        {"a": [{"password": NEW, "token": NEW}]},
    ),
}
P = "steps.work.parameters."
ROUNDS = {"type": "integer", "default": 1}


def snapshot_with(name):
    """A snapshot with one odd parameter, and `rounds` beside it."""
    schema, recorded, _ = SHAPES[name]
    properties = {name: schema, "rounds": ROUNDS}
    return snapshot_of(properties, {name: recorded, "rounds": 1}, **{"$defs": {"full": FULL}})


def entered(name):
    value = SHAPES[name][2]
    return {"password": NEW, "token": NEW} if value is None else value


def values_with(name):
    return {"steps": {"work": {"parameters": {name: entered(name), "rounds": 2}}}}


@pytest.fixture(params=SHAPES)
def name(request):
    return request.param


@pytest.fixture
def template(tenant, name):
    snapshot = snapshot_with(name)
    made = make_template(tenant, snapshot=snapshot, default_configuration=default_configuration(snapshot))
    return RunTemplate.objects.select_related("tenant").get(pk=made.pk)


def audit_rows() -> str:
    return json.dumps([*AuditEvent.objects.values()], default=str)


def stored() -> str:
    """All that is kept of templates and their runs."""
    rows = [*TemplateRun.objects.values(), *Preset.objects.values()]
    kept = ("default_configuration", "previous_configuration", "field_rules")
    return json.dumps([*rows, *RunTemplate.objects.values(*kept), *Mail.objects.values()], default=str)


def ask_in_every_way(template, name, by):
    document = Document.of(template).with_values(values_with(name))
    assert document.faults == []
    queue_run(template=template, configuration=values_with(name), by=by)
    queue_run(template=template, configuration=document, by=by)
    rounds = SweepField(document.schema.by_path[f"{P}rounds"], (3, 4))
    queue_sweep(template=template, document=document, fields=[rounds], by=by)
    preset = save_preset(template=template, document=document, name="mine", is_shared=True, by=by)
    replace_preset(preset=preset, document=document, by=by)
    make_default(template=template, document=document, by=by)
    undo_default(template=template, by=by)
    template.refresh_from_db()
    set_rules(template=template, rules=[FieldRule(f"{P}{name}", RuleKind.HIDDEN)], by=by)
    queue_run(template=template, configuration={}, by=by)


def test_no_row_mail_or_log_has_it_and_the_tenant_gets_it(template, name, member, caplog):
    caplog.set_level(logging.DEBUG)
    ask_in_every_way(template, name, Actor(member))
    assert NEW not in audit_rows() and SEALED not in audit_rows()
    assert NEW not in stored()
    assert NEW not in caplog.text
    runs = TemplateRun.objects.order_by("number")
    assert runs.count() == 5
    for run in runs[:4]:
        sent = snapshot_body(run.template, run.configuration)["step_configurations"]["work"]["config"]
        assert sent["parameters"][name] == entered(name)


def test_an_audit_row_says_that_there_is_a_new_one(template, name, member):
    queue_run(template=template, configuration=values_with(name), by=Actor(member))
    row = AuditEvent.objects.get(action="template_run.queued")
    assert {change["name"] for change in row.after["changes"]} == {name, "rounds"}
    assert "a new secret" in json.dumps(row.after)


def test_the_api_neither_says_it_nor_keeps_it(template, name, tenant, member, client, caplog):
    caplog.set_level(logging.DEBUG)
    make_grant(tenant, member, "operator")
    address = (
        f"/api/v1/organizations/{tenant.organization.slug}/tenants/{tenant.slug}/templates/{template.pk}/runs"
    )
    headers = {"Authorization": f"Bearer {make_key(member).secret}"}
    ask = {"content_type": "application/json", "headers": headers}
    wrong = {"steps": {"work": {"parameters": {name: entered(name), "rounds": "many"}}}}
    refused = client.post(address, json.dumps({"configuration": wrong}), **ask)
    assert (refused.status_code, NEW in refused.content.decode()) == (422, False)
    made = client.post(address, json.dumps({"configuration": values_with(name)}), **ask)
    assert (made.status_code, NEW in made.content.decode()) == (201, False)
    assert SEALED not in json.dumps(made.json())
    listed = client.get(address, headers=headers)
    assert NEW not in listed.content.decode() + stored() + audit_rows() + caplog.text


def test_no_page_has_it(open_form, name):  # noqa: F811
    client, address = open_form(snapshot_with(name))
    text = json.dumps(values_with(name))
    for tab in ("yaml", "diff", "form"):
        answer = client.post(address, {"shown": "yaml", "yaml": text, "tab": tab})
        assert answer.context["editor"].troubles == []
        assert NEW not in answer.content.decode()
    run = client.post(address, {"shown": "yaml", "yaml": text, "do": "run"})
    assert NEW not in client.get(run.url).content.decode() + stored() + audit_rows()
