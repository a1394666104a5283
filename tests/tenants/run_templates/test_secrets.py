"""Secrets of a pipeline: typed as such, never sent back, never kept in clear, and given to the tenant as they are."""

import json

import pytest
from factories import make_template

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.run_templates.actions import make_default
from tenants.run_templates.document.parsed import Document
from tenants.run_templates.document.schema import SEALED
from tenants.run_templates.engine.derive import DeriveFailed, snapshot_body
from tenants.run_templates.engine.sealed_secrets import opener, sealer
from tenants.run_templates.models import RunTemplate, TemplateRun
from zenpro_site.common.sealing import SecretsUnreadable

from .samples import snapshot_of
from .test_views_widgets import FORM, Inputs, open_form, sent_back  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db
SECRET = {"type": "string", "format": "password", "writeOnly": True}
STORE = {"type": "object", "properties": {"url": {"type": "string"}, "password": SECRET}}
SCHEMAS = {
    "token": {**SECRET, "maxLength": 12},
    "maybe": {"anyOf": [SECRET, {"type": "null"}]},
    "store": STORE,
    "stores": {"type": "array", "items": STORE},
}
RECORDED = {
    "token": "recorded-0",
    "maybe": None,
    "store": {"url": "u", "password": "recorded-1"},
    "stores": [{"url": "a", "password": "recorded-2"}, {"url": "b", "password": "recorded-3"}],
}
P = "steps.work.parameters."
NEW = "hunter2-new"


@pytest.fixture
def form(open_form):  # noqa: F811
    return open_form(snapshot_of(SCHEMAS, RECORDED))


def sent_to_tenant():
    run = TemplateRun.objects.get()
    body = snapshot_body(run.template, run.configuration)
    return body["step_configurations"]["work"]["config"]["parameters"]


def test_no_page_has_a_recorded_secret(form):
    client, address = form
    for path in (address, f"{address}?tab=yaml", f"{address}?tab=diff", address.removesuffix("run/")):
        page = client.get(path).content.decode()
        assert "recorded-" not in page
    assert [
        value for name, value in Inputs(client.get(address).content.decode()).pairs if name == f"{P}token"
    ] == [""]
    assert 'type="password"' in client.get(address).content.decode()


def test_what_nobody_touched_goes_to_the_tenant_as_recorded(form):
    client, address = form
    page = client.get(address).content.decode()
    assert client.post(address, sent_back(page, do="run"), content_type=FORM).status_code == 302
    assert TemplateRun.objects.get().changes == []
    assert sent_to_tenant() == RECORDED


def test_a_new_secret_is_in_no_page_and_in_no_row_and_arrives(form):
    client, address = form
    page = client.get(address).content.decode()
    typed = {f"{P}token": NEW, f"{P}store/password": NEW, f"{P}maybe": NEW}
    for tab in ("form", "yaml", "diff"):
        answer = client.post(address, sent_back(page, **typed, tab=tab), content_type=FORM)
        assert answer.context["editor"].troubles == []
        page = answer.content.decode()
        assert NEW not in page
        typed = {}
    answer = client.post(address, sent_back(page, tab="form"), content_type=FORM)
    assert (
        client.post(address, sent_back(answer.content.decode(), do="run"), content_type=FORM).status_code
        == 302
    )
    run = TemplateRun.objects.get()
    kept = json.dumps([run.configuration, run.changes, *AuditEvent.objects.values_list("before", "after")])
    assert NEW not in kept and "recorded-" not in kept
    assert {change["name"] for change in run.changes} == {
        "token",
        "maybe",
        "store",
    }  # PostgreSQL sorts the keys of an object
    sent = sent_to_tenant()
    assert (sent["token"], sent["maybe"], sent["store"]["password"]) == (NEW, NEW, NEW)


def test_secrets_move_with_their_rows(form):
    client, address = form
    page = client.get(address).content.decode()
    answer = client.post(address, sent_back(page, rows=f"remove {P}stores/0"), content_type=FORM)
    client.post(address, sent_back(answer.content.decode(), do="run"), content_type=FORM)
    assert sent_to_tenant()["stores"] == [{"url": "b", "password": "recorded-3"}]


@pytest.mark.parametrize("shown", ["yaml", "link"])
def test_a_secret_in_a_text_or_a_link_is_sealed_as_well(shown, form):
    client, address = form
    text = f"steps:\n  work:\n    parameters:\n      token: {NEW}\n"
    if shown == "yaml":
        answer = client.post(address, {"shown": "yaml", "yaml": text, "tab": "yaml"})
    else:
        answer = client.get(address, {f"{P}token": json.dumps(NEW)})
    editor = answer.context["editor"]
    assert [change.name for change in editor.changes] == ["token"]
    assert NEW not in editor.document_json + editor.yaml
    assert (editor.link, editor.link_note) == ("", "Secrets are not in the link.")


def test_a_secret_in_a_default_is_sealed_and_in_no_row(form, member):
    template = RunTemplate.objects.get()
    values = {"steps": {"work": {"parameters": {"token": NEW}}}}
    document = Document.of(template).with_values(values)
    make_default(template=template, document=document, by=Actor(member))
    template.refresh_from_db()
    kept = template.default_configuration["steps"]["work"]["parameters"]["token"]
    assert opener(template)(kept.removeprefix(SEALED)) == NEW
    assert NEW not in json.dumps(list(AuditEvent.objects.values_list("after", "before")))


def test_a_secret_of_one_template_is_no_secret_of_another(tenant):
    one, other = make_template(tenant, "one"), make_template(tenant, "other")
    assert opener(one)(sealer(one)("x")) == "x"
    with pytest.raises(SecretsUnreadable):
        opener(other)(sealer(one)("x"))
    snapshot = snapshot_of(SCHEMAS, RECORDED)
    for text in ("sealed:nonsense", f"sealed:{sealer(one)('x')}"):
        document = {"steps": {"work": {"parameters": {**RECORDED, "token": text}}}}
        other.snapshot = snapshot
        with pytest.raises(DeriveFailed):
            snapshot_body(other, document)


def test_what_looks_sealed_elsewhere_is_a_text(open_form):  # noqa: F811
    client, address = open_form(
        snapshot_of({**SCHEMAS, "plain": {"type": "string"}}, {**RECORDED, "plain": "a"})
    )
    page = client.get(address).content.decode()
    client.post(address, sent_back(page, **{f"{P}plain": "sealed:abc"}, do="run"), content_type=FORM)
    assert sent_to_tenant()["plain"] == "sealed:abc"


def test_a_schema_that_hides_without_end_is_answered(open_form):  # noqa: F811
    loop = {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}, SECRET]}
    client, address = open_form(
        snapshot_of({"x": {"$ref": "#/$defs/a"}}, {"x": ["y"] * 50}, **{"$defs": {"a": loop}})
    )
    assert client.get(address).status_code == 200
