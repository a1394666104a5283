"""What stands for a secret is worth something where it stands, and nowhere else."""

import importlib
import json

import pytest
from django.apps import apps
from django.urls import reverse
from factories import make_grant, make_key, make_template, make_template_run

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.run_templates.actions import InvalidConfiguration, make_default, queue_run
from tenants.run_templates.document.configuration import default_configuration
from tenants.run_templates.document.drafts import draft_after, examined, from_post, from_query
from tenants.run_templates.document.field_rules import FieldRule, RuleKind
from tenants.run_templates.document.hidden import revealed, with_masks
from tenants.run_templates.document.parsed import Document
from tenants.run_templates.document.schema import MASK, SEALED, describe
from tenants.run_templates.document.sealed_secrets import opener, sealer
from tenants.run_templates.engine.derive import snapshot_body
from tenants.run_templates.models import Preset, RunTemplate, TemplateRun
from tenants.run_templates.presets import PresetRefused, draft_of, save_preset
from tenants.run_templates.rules import set_rules
from zenpro_site.common.sealing import SecretsUnreadable, seal

from .samples import snapshot_of

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
SECRET = {"type": "string", "format": "password", "writeOnly": True}
STORE = {"type": "object", "properties": {"url": {"type": "string"}, "password": SECRET}}
SCHEMAS = {
    "store": STORE,
    "mine": STORE,
    "pair": {"type": "object", "properties": {"kept": STORE, "open": STORE}},
    "login": {"type": "array", "prefixItems": [SECRET, SECRET]},
    "plain": {"type": "string"},
}
RECORDED = {
    "store": {"url": "u", "password": "recorded-1"},
    "mine": {"url": "u", "password": "recorded-2"},
    "pair": {"kept": {"url": "u", "password": "recorded-3"}, "open": {"url": "u", "password": "recorded-4"}},
    "login": ["recorded-5", "recorded-6"],
    "plain": "a",
}
P = "steps.work.parameters."
NEW = "hunter2-new"
ELSEWHERE = "another field"
BINDS = "migrations.0016_bind_sealed_secrets"


@pytest.fixture
def template(tenant, member):
    """The password of `store` is sealed in the default and locked; that of `pair.kept` is recorded and hidden."""
    snapshot = snapshot_of(SCHEMAS, RECORDED)
    made = make_template(tenant, snapshot=snapshot, default_configuration=default_configuration(snapshot))
    made = RunTemplate.objects.select_related("tenant").get(pk=made.pk)
    document = Document.of(made).with_values(values(store={"url": "u", "password": NEW}))
    make_default(template=made, document=document, by=Actor(member))
    made.refresh_from_db()
    rules = [
        FieldRule(f"{P}store", RuleKind.LOCKED, ("password",)),
        FieldRule(f"{P}pair", RuleKind.HIDDEN, ("kept",)),
    ]
    set_rules(template=made, rules=rules, by=Actor(member))
    return made


def values(**parameters):
    return {"steps": {"work": {"parameters": parameters}}}


def stolen(template) -> dict[str, dict]:
    """Values that put what stands for the secret of one field into another one."""
    sealed = template.default_configuration["steps"]["work"]["parameters"]["store"]["password"]
    assert sealed.startswith(SEALED)
    elsewhere = {"url": "https://evil.example"}
    return {
        "sealed": {"mine": {**elsewhere, "password": sealed}},
        "hidden": {"pair": {"open": {**elsewhere, "password": f"{MASK} kept password"}}},
        "other parameter": {"mine": {**elsewhere, "password": f"{MASK} kept password"}},
        "place of a pair": {"login": [f"{MASK} 1", f"{MASK} 0"]},
    }


@pytest.mark.parametrize("kind", ["sealed", "hidden", "other parameter", "place of a pair"])
def test_it_is_refused_at_its_field_on_every_way(template, member, kind):
    taken = stolen(template)[kind]
    unchanged, (name,) = Document.of(template), taken
    text = json.dumps(values(**taken))
    whole = unchanged.copied()
    whole["steps"]["work"]["parameters"].update(taken)
    sent = {"shown": "form", "document": json.dumps(whole)}
    drafts = {
        "yaml": from_post(unchanged, {"shown": "yaml", "yaml": text}, {}, sealer(template)),
        "form": from_post(unchanged, sent, {}, sealer(template)),
        "link": from_query(draft_of_nothing(unchanged), {f"{P}{name}": json.dumps(taken[name])}),
    }
    for way, draft in drafts.items():
        found = [(one.path, ELSEWHERE in one.message) for one in examined(draft).problems]
        assert found and {*found} == {(f"{P}{name}", True)}, way
    by = Actor(member)
    with pytest.raises(InvalidConfiguration) as refused:
        queue_run(template=template, configuration=values(**taken), by=by)
    assert {one.path for one in refused.value.problems} == {f"{P}{name}"}
    with pytest.raises(PresetRefused, match=ELSEWHERE):
        save_preset(template=template, document=drafts["yaml"].parsed, name="mine", is_shared=True, by=by)
    assert not TemplateRun.objects.exists()


def draft_of_nothing(unchanged):
    return from_post(unchanged, {"shown": "yaml", "yaml": "{}"}, {})


def test_the_api_says_it_at_its_field(template, tenant, member, client):
    make_grant(tenant, member, "operator")
    organization = tenant.organization.slug
    address = f"/api/v1/organizations/{organization}/tenants/{tenant.slug}/templates/{template.pk}/runs"
    body = json.dumps({"configuration": values(**stolen(template)["sealed"])})
    headers = {"Authorization": f"Bearer {make_key(member).secret}"}
    answer = client.post(address, body, content_type="application/json", headers=headers)
    (said,) = answer.json()["detail"]
    assert (answer.status_code, ".".join(said["loc"])) == (422, f"body.configuration.{P}mine")
    assert ELSEWHERE in said["msg"] and not TemplateRun.objects.exists()


def test_where_it_stands_it_is_used_by_runs_reruns_and_presets(template, member):
    by, mine = Actor(member), {"url": "u", "password": "another-one"}
    document = from_post(
        Document.of(template), {"shown": "yaml", "yaml": json.dumps(values(mine=mine))}, {}, sealer(template)
    ).parsed
    preset = save_preset(template=template, document=document, name="mine", is_shared=False, by=by)
    first = queue_run(template=template, configuration=document, by=by)
    again = draft_after(Document.of(template), first, member).parsed
    for one in (document, again, draft_of(preset, Document.of(template)).parsed):
        run = queue_run(template=template, configuration=one, by=by)
        body = snapshot_body(template, run.configuration)["step_configurations"]["work"]["config"]
        assert body["parameters"]["mine"] == mine
        assert body["parameters"]["store"]["password"] == NEW
        assert body["parameters"]["pair"] == RECORDED["pair"]


def test_a_row_takes_its_secret_along_and_nothing_else_does(template):
    entry = describe(snapshot_of({"stores": {"type": "array", "items": STORE}}, {"stores": []})).by_path[
        f"{P}stores"
    ]
    recorded = [{"password": "x"}, {"password": "y"}]
    text = SEALED + sealer(template)("z", (entry.path, 3, "password"))
    rows = [{"password": f"{MASK} 1 password"}, {"password": text}]
    opened = revealed(entry, rows, recorded, opener(template))
    assert opened == [{"password": "y"}, {"password": "z"}]
    pair = describe(snapshot_of(SCHEMAS, RECORDED)).by_path[f"{P}login"]
    for wrong in (f"{MASK} 1", SEALED + sealer(template)("z", (pair.path, 1))):
        with pytest.raises(SecretsUnreadable):
            revealed(pair, [wrong, "x"], RECORDED["login"], opener(template))


def test_one_that_names_no_place_opens_nothing(template):
    text = SEALED + seal({"template": str(template.pk), "secret": "x"})
    found = Document.of(template).with_values(values(mine={"url": "u", "password": text})).faults
    assert [(one.path, one.within) for one in found] == [(f"{P}mine", ("password",))]


def test_those_of_before_are_bound_to_their_first_place(template, member):
    """The template's own come first: a copy that someone put elsewhere is worth nothing afterwards."""
    old, mine = (SEALED + seal({"template": str(template.pk), "secret": one}) for one in ("x", "y"))
    template.default_configuration["steps"]["work"]["parameters"]["store"]["password"] = old
    template.save()
    sent = values(store={"password": old}, mine={"password": old}, login=[mine, "-"])
    run = make_template_run(template, configuration=sent, changes=[{"path": f"{P}login", "after": [mine]}])
    preset = {f"{P}mine": {"password": old}, f"{P}login": [mine]}
    kept = Preset.objects.create(template=template, name="p", values=preset, created_by=member)
    importlib.import_module(f"{RunTemplate.__module__.rpartition('.')[0]}.{BINDS}").bind(apps, None)
    for row in (template, run, kept):
        row.refresh_from_db()
    own = template.default_configuration["steps"]["work"]["parameters"]["store"]["password"]
    (text, _) = run.configuration["steps"]["work"]["parameters"]["login"]
    opened = opener(template)
    assert opened(own.removeprefix(SEALED), (f"{P}store", "password")) == "x"
    assert opened(text.removeprefix(SEALED), (f"{P}login", 0)) == "y"
    assert kept.values == {f"{P}mine": {"password": own}, f"{P}login": [text]}
    assert run.changes[0]["after"] == [text]
    with pytest.raises(SecretsUnreadable, match=ELSEWHERE):
        opened(own.removeprefix(SEALED), (f"{P}mine", "password"))


# -- what only looks like it


LOOKS = [f"{SEALED}hunter2", f"{SEALED}gAAAA", "sealed:"]


@pytest.mark.parametrize("typed", LOOKS)
def test_a_secret_that_begins_like_a_sealed_one_is_sealed(template, member, typed):
    run = queue_run(
        template=template, configuration=values(mine={"url": "u", "password": typed}), by=Actor(member)
    )
    kept = run.configuration["steps"]["work"]["parameters"]["mine"]["password"]
    assert opener(template)(kept.removeprefix(SEALED), (f"{P}mine", "password")) == typed
    body = snapshot_body(template, run.configuration)["step_configurations"]["work"]["config"]
    assert body["parameters"]["mine"]["password"] == typed


def test_a_sealed_text_of_a_lost_key_is_refused_at_its_field(template):
    found = stolen(template)["sealed"]["mine"]["password"]
    broken = found[:40] + ("A" if found[40] != "A" else "B") + found[41:]
    faults = Document.of(template).with_values(values(mine={"url": "u", "password": broken})).faults
    assert [one.within for one in faults] == [("password",)]


@pytest.mark.parametrize("text", [f"{SEALED}rm -rf /", f"{MASK} rm -rf /", f"{SEALED}gAAAA" + "b" * 120])
def test_an_ordinary_text_is_told_as_it_is(template, tenant, member, client, text):
    run = queue_run(template=template, configuration=values(plain=text), by=Actor(member))
    row = AuditEvent.objects.get(action="template_run.queued")
    assert [change["after"] for change in row.after["changes"]] == [text]
    make_grant(tenant, member, "operator")
    organization = tenant.organization.slug
    address = f"/api/v1/organizations/{organization}/tenants/{tenant.slug}/templates/{template.pk}/runs/1"
    told = client.get(address, headers={"Authorization": f"Bearer {make_key(member).secret}"}).json()
    assert told["configuration"]["steps"]["work"]["parameters"]["plain"] == text
    assert [change["after"] for change in told["changes"]] == [text]
    client.force_login(member)
    path = reverse("run_templates:run", args=[organization, tenant.slug, template.pk])
    page = client.get(f"{path}?from={run.number}&tab=diff").content.decode()
    assert text[:12] in page


def test_a_recorded_secret_that_begins_like_a_hidden_one_is_hidden():
    root = {"properties": {"token": SECRET, "either": {"anyOf": [SECRET, STORE]}}}
    texts = {"token": f"{SEALED}hunter2", "either": f"{MASK} hunter2"}
    assert with_masks()(texts, root) == {"token": MASK, "either": MASK}
