"""Secrets of a pipeline: typed as such, never sent back, never kept in clear, and given to the tenant as they are."""

import copy
import json
from uuid import uuid4

import pytest
from django.urls import reverse
from factories import make_grant, make_member, make_template, make_template_run

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.run_templates.actions import InvalidConfiguration, make_default, queue_run
from tenants.run_templates.document.drafts import draft_after
from tenants.run_templates.document.hidden import revealed, sealed, with_marks, with_masks
from tenants.run_templates.document.parsed import Document
from tenants.run_templates.document.schema import (
    MASK,
    MOST_LOOKS_OF_A_PAGE,
    SEALED,
    SecretHider,
    describe,
)
from tenants.run_templates.document.sealed_secrets import opener, sealer
from tenants.run_templates.engine.derive import DeriveFailed, snapshot_body
from tenants.run_templates.models import RunTemplate, TemplateRun
from zenpro_site.common.sealing import SecretsUnreadable

from .samples import snapshot_of
from .test_views_widgets import FORM, Inputs, open_form, sent_back  # noqa: F401 - a fixture

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
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


def test_a_new_secret_is_said_to_be_changed_and_its_seal_is_no_part_of_the_difference(form):
    client, address = form
    page = client.get(address).content.decode()
    assert 'placeholder="unchanged"' in page and "changed, not shown" not in page
    shown = client.post(address, sent_back(page, **{f"{P}token": NEW}), content_type=FORM)
    assert 'placeholder="changed, not shown"' in shown.content.decode()
    sent = sent_back(shown.content.decode(), tab="diff")
    editor = client.post(address, sent, content_type=FORM).context["editor"]
    differing = [(line.left.strip(), line.right.strip()) for line in editor.lines if not line.equal]
    assert differing == [("token: '**********'", "token: (secret changed)")]
    assert not any(SEALED in line.left + line.right for line in editor.lines)
    assert [(row.before, row.after) for row in editor.change_views] == [(MASK, "a new secret")]


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
    assert opener(template)(kept.removeprefix(SEALED), (f"{P}token",)) == NEW
    assert NEW not in json.dumps(list(AuditEvent.objects.values_list("after", "before")))


def test_a_secret_of_one_template_is_no_secret_of_another(tenant):
    one, other = make_template(tenant, "one"), make_template(tenant, "other")
    place = (f"{P}token",)
    assert opener(one)(sealer(one)("x", place), place) == "x"
    with pytest.raises(SecretsUnreadable):
        opener(other)(sealer(one)("x", place), place)
    snapshot = snapshot_of(SCHEMAS, RECORDED)
    for text in ("sealed:gAAAA" + "A" * 95, f"sealed:{sealer(one)('x', place)}"):
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
    answer = client.get(address)
    [shown] = [view.text for view in answer.context["editor"].inputs if view.field.name == "x"]
    assert json.loads(shown) == [f"{MASK} {at}" for at in range(50)]
    assert "&quot;y&quot;" not in answer.content.decode()


# -- a SecretStr that ZenML recorded as its mask


UNKNOWN = {"token": MASK, "maybe": None, "store": {"url": "u", "password": MASK}, "stores": []}


@pytest.fixture
def unknown(open_form):  # noqa: F811
    return open_form(snapshot_of(SCHEMAS, UNKNOWN))


def refused(answer) -> dict[str, str]:
    return {trouble.where: trouble.message for trouble in answer.context["editor"].troubles}


def test_a_mask_is_never_run_and_the_form_says_why(unknown):
    client, address = unknown
    page = client.get(address)
    said = refused(page)
    assert len(said) == 2 and all("has to be entered again" in one for one in said.values())
    token = next(view for view in page.context["editor"].views if view.field.name == "token")
    assert (token.text, token.placeholder, token.is_missing) == ("", "required", True)
    answer = client.post(address, sent_back(page.content.decode(), do="run"), content_type=FORM)
    assert answer.status_code == 422 and len(refused(answer)) == 2
    assert not TemplateRun.objects.exists()


@pytest.mark.parametrize("values", [{}, {"token": MASK}, {"token": f"{MASK} token"}, {"token": f"{MASK}*"}])
def test_no_other_way_runs_it_with_a_mask(unknown, member, values):
    template = RunTemplate.objects.get()
    document = {"steps": {"work": {"parameters": {**values, "store": {"url": "u", "password": NEW}}}}}
    with pytest.raises(InvalidConfiguration) as refusal:
        queue_run(template=template, configuration=document, by=Actor(member))
    assert [one.path for one in refusal.value.problems] == [f"{P}token"]


@pytest.mark.parametrize("typed", [MASK, f"{MASK} store password", "sealed:gAAAA" + "A" * 95])
@pytest.mark.parametrize("recorded", [UNKNOWN, RECORDED], ids=["masks", "secrets"])
def test_what_stands_for_a_secret_cannot_be_typed(open_form, recorded, typed):  # noqa: F811
    client, address = open_form(snapshot_of(SCHEMAS, recorded))
    page = client.get(address).content.decode()
    sent = sent_back(page, **{f"{P}token": typed, f"{P}store/password": NEW}, do="run")
    answer = client.post(address, sent, content_type=FORM)
    assert answer.status_code == 422 and "none itself" in answer.content.decode()
    assert not TemplateRun.objects.exists()


def test_the_secrets_are_entered_and_it_runs(unknown):
    client, address = unknown
    page = client.get(address).content.decode()
    sent = sent_back(page, **{f"{P}token": "one", f"{P}store/password": "two"}, do="run")
    assert client.post(address, sent, content_type=FORM).status_code == 302
    sent = sent_to_tenant()
    assert (sent["token"], sent["store"]) == ("one", {"url": "u", "password": "two"})


def test_one_click_leads_to_the_form_that_asks(unknown, tenant):
    client, address = unknown
    template = RunTemplate.objects.get()
    RunTemplate.objects.update(is_listed=False)
    path = [tenant.organization.slug, tenant.slug, template.source_run_id]
    answer = client.post(reverse("run_templates:again", args=path), {"do": "run"})
    assert answer["Location"] == address
    page = client.get(address)
    assert "Nothing was started" in page.content.decode() and len(refused(page)) == 2
    assert not TemplateRun.objects.exists()


# -- on pages about recorded runs


def test_pages_show_a_mask_and_comparison_whether_they_differ():
    root = {"properties": SCHEMAS, "$defs": {}}
    shown = with_masks()({**RECORDED, "plain": "a", "maybe": None, "token": MASK}, root)
    assert "recorded-" not in json.dumps(shown)
    assert (shown["store"], shown["plain"], shown["maybe"]) == ({"url": "u", "password": MASK}, "a", None)
    one, same, other = (with_marks()({"token": text}, root)["token"] for text in ("x", "x", "y"))
    assert one == same != other and one.startswith(MASK)
    assert with_marks()({"token": "\ud800", "maybe": ""}, root)["maybe"] == ""


@pytest.mark.parametrize(
    "root", [None, [], "password", {"properties": 5, "x": "writeOnly"}, {"$defs": "password"}]
)
def test_a_schema_that_is_none_hides_nothing_and_breaks_nothing(root):
    assert with_masks()({"a": {"b": [1]}}, root) == {"a": {"b": [1]}}


def test_what_there_is_no_time_to_look_at_is_hidden():
    """One budget for all steps of a page: values may be many."""
    texts = {"type": "array", "items": {"type": "string"}}
    root = {"properties": {"x": texts, "y": SECRET}, "$defs": {}}
    hide = with_masks()
    before = hide.left
    assert hide({"y": "hunter2"}, root) == {"y": MASK}
    for _ in range(50):
        assert hide({"x": ["a"] * 3000, "y": "hunter2"}, root)["y"] == MASK
    assert hide.left < 0 < before


def test_what_is_hidden_for_want_of_time_costs_none():
    """A mark is worth more than a look, and a server may send as many texts as it likes."""
    marked = []
    hide = SecretHider(lambda text: marked.append(text) or MASK)
    loop = {"anyOf": [{"$ref": "#/$defs/a"}, {"items": {"$ref": "#/$defs/a"}}, SECRET]}
    root = {"properties": {"x": {"$ref": "#/$defs/a"}, "y": SECRET}, "$defs": {"a": loop}}
    while hide.left >= 0:
        hide({"x": ["y"] * 900}, root)
    before = len(marked)
    assert hide({"x": ["y"] * 900, "y": "hunter2"}, root) == {"x": MASK, "y": MASK}
    assert len(marked) == before < MOST_LOOKS_OF_A_PAGE


def test_a_schema_that_branches_without_end_is_looked_at_once():
    loop = {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}, SECRET]}
    hide = with_masks()
    before = hide.left
    root = {"properties": {"x": {"$ref": "#/$defs/a"}}, "$defs": {"a": loop}}
    assert hide({"x": "hunter2"}, root) == {"x": MASK}
    assert before - hide.left < 1000


def test_too_many_values_to_look_at_are_all_sealed_and_all_opened():
    """A secret is never left in clear for want of time; the tenant gets every text as it was."""
    many = {"type": "array", "items": {"type": "object", "properties": {"a": {"anyOf": [STORE, SECRET]}}}}
    value = [{"a": f"hunter2-{at}"} for at in range(20_000)]
    schema = describe(snapshot_of({"many": many}, {"many": []}))
    token = "gAAAA" + "A" * 90
    document = sealed(
        {"steps": {"work": {"parameters": {"many": value}}}}, schema, lambda text, place: token + text[8:]
    )
    kept = document["steps"]["work"]["parameters"]["many"]
    assert "hunter2" not in json.dumps(kept)
    opened = revealed(
        schema.by_path[f"{P}many"], kept, [], lambda text, place: text.replace(f"{token}", "hunter2-")
    )
    assert opened == value


def a_run_with_a_secret(server, text: str):
    """A recorded run whose step `train` was given a secret, in its snapshot and as it ran."""
    run = server.add_run()
    for step in server.step_answers[str(run)]["items"]:
        _give(step["metadata"], text)
    snapshot = copy.deepcopy(server.snapshots[server.run_answers[str(run)]["resources"]["snapshot"]["id"]])
    snapshot["id"] = str(uuid4())
    server.run_answers[str(run)]["resources"]["snapshot"]["id"] = snapshot["id"]
    for step in snapshot["metadata"]["step_configurations"].values():
        _give(step, text)
    server.snapshots[snapshot["id"]] = snapshot
    return run


def _give(step, text: str) -> None:
    step["spec"]["parameter_spec"]["properties"]["token"] = SECRET
    step["config"]["parameters"]["token"] = text


def test_no_page_about_a_run_shows_a_secret(member, tenant, server, as_user):
    make_grant(tenant, member, "viewer")
    runs = [a_run_with_a_secret(server, text) for text in ("hunter2-a", "hunter2-b")]
    client, path = as_user(member), [tenant.organization.slug, tenant.slug]
    pages = [
        reverse("tenants:run_detail", args=[*path, runs[0]]) + "?view=configuration",
        reverse("tenants:runs", args=path) + "?columns=parameter:train.token",
        f"{reverse('tenants:compare', args=path)}?run={runs[0]}&run={runs[1]}",
        f"{reverse('tenants:compare_csv', args=path)}?run={runs[0]}&run={runs[1]}",
    ]
    for address in pages:
        answer = client.get(address)
        page = (b"".join(answer) if answer.streaming else answer.content).decode()
        assert answer.status_code == 200 and "hunter2" not in page
        assert "token" in page and MASK in page


def test_without_the_snapshot_of_a_run_any_text_of_it_may_be_a_secret(member, tenant, server, as_user):
    """Nothing says any more which of its parameters are secrets: it is seen whether they differ, and no more."""
    make_grant(tenant, member, "viewer")
    runs = [a_run_with_a_secret(server, "x") for _ in range(3)]
    for run, text in zip(runs, ("hunter2-a", "hunter2-b", "hunter2-a"), strict=True):
        raw = server.run_answers[str(run)]
        raw["metadata"]["config"]["parameters"] = {"api_key": text, "deep": {"keys": [text]}, "rounds": 7001}
        server.snapshots.pop(raw["resources"]["snapshot"]["id"])
    for step in [*server.step_answers[str(runs[0])]["items"]]:
        step["metadata"]["spec"] = {}
    query = "&".join(f"run={run}" for run in runs)
    for name in ("compare", "compare_csv"):
        address = reverse(f"tenants:{name}", args=[tenant.organization.slug, tenant.slug])
        answer = as_user(member).get(f"{address}?rows=all&{query}")
        page = (b"".join(answer) if answer.streaming else answer.content).decode()
        assert answer.status_code == 200 and "hunter2" not in page
        assert "7001" in page and "api_key" in page and MASK in page
    compared = [line.split(",") for line in page.splitlines() if ",api_key," in line]
    assert [(row[4] == row[6], row[4] == row[5]) for row in compared] == [(True, False)]


def test_the_changes_of_a_rerun_are_shown_in_words(member, tenant, server, as_user):
    make_grant(tenant, member, "viewer")
    run = server.add_run()
    template = make_template(tenant)
    text = SEALED + sealer(template)("abc", (f"{P}token",))
    change = {"path": f"{P}token", "step": "work", "name": "token", "before": MASK, "after": text}
    make_template_run(template, zenml_run_id=run, changes=[change])
    address = reverse("tenants:run_detail", args=[tenant.organization.slug, tenant.slug, run])
    page = as_user(member).get(f"{address}?view=configuration").content.decode()
    assert SEALED not in page and "a new secret" in page


def test_a_secret_that_somebody_else_entered_is_not_used_for_them(org, tenant):
    """It could be sent to a destination of their choice, though they never read it."""
    ada, olga = make_member(org), make_member(org)
    for person in (ada, olga):
        make_grant(tenant, person, "operator")
    template = make_template(tenant, snapshot=snapshot_of(SCHEMAS, RECORDED))
    values = {"steps": {"work": {"parameters": {"token": NEW, "store": {"url": "u", "password": NEW}}}}}
    run = queue_run(template=template, configuration=values, by=Actor(ada))
    own = draft_after(Document.of(template), run, ada)
    assert own.parsed.faults == [] and SEALED in json.dumps(own.document)
    others = draft_after(Document.of(template), run, olga)
    assert SEALED not in json.dumps(others.document)
    assert [(fault.path, fault.within) for fault in others.parsed.faults] == [
        (f"{P}token", ()),
        (f"{P}store", ("password",)),
    ]
    make_default(template=template, document=own.parsed, by=Actor(ada))
    again = queue_run(template=template, configuration={}, by=Actor(ada))
    template.refresh_from_db()
    assert draft_after(Document.of(template), again, olga).parsed.faults == [], "The default is everybody's."
