"""Presets: saved from the form, a run and the default, run in one click, and refused when they no longer fit."""

import json
import re

import pytest
from django.urls import reverse
from factories import make_grant, make_member, make_template, make_template_run

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.run_templates import presets
from tenants.run_templates.document.configuration import default_configuration
from tenants.run_templates.document.drafts import examined
from tenants.run_templates.document.field_rules import FieldRule, RuleKind
from tenants.run_templates.document.parsed import Document
from tenants.run_templates.models import Preset, TemplateRun
from tenants.run_templates.pages.preset_conflicts import conflicts_of
from tests.tenants.runs.fakes import churn

SNAPSHOT = churn("snapshot")
ROUNDS = "steps.train.parameters.rounds"
LOCK = FieldRule(ROUNDS, RuleKind.LOCKED, reason="it is expensive.").as_json()
HIDE = FieldRule(ROUNDS, RuleKind.HIDDEN).as_json()


@pytest.fixture
def template(tenant):
    default = default_configuration(SNAPSHOT)
    return make_template(
        tenant, "nightly", pipeline_name="churn", snapshot=SNAPSHOT, default_configuration=default
    )


@pytest.fixture
def operator(org, tenant):
    person = make_member(org, "member", name="Olga Operator")
    make_grant(tenant, person, "operator")
    return person


@pytest.fixture
def admin(org, tenant):
    person = make_member(org, "member", name="Ada Admin")
    make_grant(tenant, person, "admin")
    return person


def changed(**parameters) -> dict:
    return {"steps": {"train": {"parameters": parameters}}}


def saved(template, person, name="Quick check", is_shared=False, **parameters) -> Preset:
    document = Document.of(template).with_values(changed(**(parameters or {"rounds": 7})))
    facts = {"template": template, "document": document, "name": name, "is_shared": is_shared}
    return presets.save_preset(**facts, by=Actor(person))


def url(name, template, *args) -> str:
    tenant = template.tenant
    return reverse(f"run_templates:{name}", args=[tenant.organization.slug, tenant.slug, template.pk, *args])


def rounds_of(document) -> int:
    return document["steps"]["train"]["parameters"]["rounds"]


# -- refusals


def test_a_private_preset_is_nobody_elses(template, operator, admin, as_user):
    preset, client = saved(template, admin), as_user(operator)
    assert client.get(url("run", template), {"preset": preset.pk}).status_code == 404
    for name in ("preset_run", "preset_edit", "preset_delete"):
        assert client.post(url(name, template, preset.pk), {"name": "Mine"}).status_code == 404
    assert "Quick check" not in client.get(template.get_absolute_url()).content.decode()
    preset.refresh_from_db()
    assert (preset.name, TemplateRun.objects.count()) == ("Quick check", 0)


def test_shared_presets_are_changed_and_made_by_those_who_may_edit_the_template(
    template, operator, admin, as_user
):
    preset, client = saved(template, admin, is_shared=True), as_user(operator)
    for name in ("preset_edit", "preset_delete"):
        assert client.post(url(name, template, preset.pk), {"name": "Mine"}).status_code == 403
    own = {"save": "1", "name": "Own", "is_shared": "on", "document": json.dumps(changed(rounds=8))}
    assert client.post(url("preset_new", template), own).status_code == 302
    replacing = own | {"replace": str(preset.pk), "name": ""}
    assert client.post(url("preset_new", template), replacing).status_code == 422
    preset.refresh_from_db()
    assert (preset.name, preset.values) == ("Quick check", {ROUNDS: 7})
    assert not Preset.objects.get(name="Own").is_shared


def test_whoever_may_not_run_the_template_has_no_presets(template, org, tenant, admin, as_user):
    viewer = make_member(org, "member")
    make_grant(tenant, viewer, "viewer")
    preset, client = saved(template, admin, is_shared=True), as_user(viewer)
    assert client.get(url("preset_new", template)).status_code == 403
    assert client.post(url("preset_run", template, preset.pk)).status_code == 403
    make_grant(tenant, viewer, "operator")
    template.is_narrowed = True
    template.save()
    assert client.post(url("preset_run", template, preset.pk)).status_code == 403
    assert not TemplateRun.objects.exists()


@pytest.mark.parametrize("values", [{"rounds": 0}, {"nonsense": 1}, {"rounds": "many"}])
def test_values_that_cannot_be_run_become_no_preset(template, admin, as_user, values):
    with pytest.raises(presets.PresetRefused):
        saved(template, admin, **values)
    data = {"save": "1", "name": "Bad", "document": json.dumps(changed(**values))}
    assert as_user(admin).post(url("preset_new", template), data).status_code == 422
    assert not Preset.objects.exists()


def test_names_are_taken_once_for_all_and_once_for_each(template, admin, operator):
    saved(template, admin)
    saved(template, admin, is_shared=True)
    saved(template, operator)
    for person, is_shared in ((admin, False), (admin, True), (operator, False)):
        with pytest.raises(presets.PresetRefused, match="already"):
            saved(template, person, is_shared=is_shared)


def test_there_are_only_so_many(template, admin, monkeypatch):
    monkeypatch.setattr(presets, "MOST_PRESETS", 1)
    saved(template, admin)
    with pytest.raises(presets.PresetRefused, match="at most 1"):
        saved(template, admin, name="Another")


# -- one that no longer fits


@pytest.mark.parametrize(
    "rule, said",
    [
        (LOCK, "This preset sets rounds to 917, the template locks it at 120."),
        (HIDE, "also sets a value that can’t be set"),
    ],
)
def test_a_preset_that_no_longer_fits_says_so_and_runs_nothing(template, admin, as_user, rule, said):
    preset, client = saved(template, admin, rounds=917), as_user(admin)
    template.field_rules = [rule]
    template.save()
    answer = client.post(url("preset_run", template, preset.pk), follow=True)
    page = answer.content.decode()
    assert answer.redirect_chain[-1][0] == f"{url('run', template)}?preset={preset.pk}"
    assert "Nothing was started" in page and said in page
    # As a word of its own: ids and tokens of the page may have these digits, too.
    assert bool(re.search(r"\b917\b", page)) == (rule is LOCK)
    assert not TemplateRun.objects.exists()


def test_a_preset_of_values_that_are_gone_is_a_problem(template, admin):
    preset = saved(template, admin)
    preset.values = {"steps.gone.parameters.x": 1, "steps.train.parameters.gone": 2}
    draft = examined(presets.draft_of(preset, Document.of(template)))
    assert ([problem.path for problem in draft.problems], draft.unknown) == ([""], [])
    assert "2 values that" in draft.problems[0].message


def test_a_rule_names_the_presets_that_it_stops_when_it_is_saved_and_on_the_preset(
    template, admin, operator, as_user
):
    preset = saved(template, admin, is_shared=True, rounds=917)
    saved(template, admin, "Fits", rounds=5)
    saved(template, operator, "Not theirs", rounds=918)
    rules, client = url("rules", template), as_user(admin)
    row = next(one for one in client.get(rules).context["form"].rows if one.name == "rounds")
    data = {f"kind-{row.id}": "range", f"minimum-{row.id}": "1", f"maximum-{row.id}": "200"}
    page = client.post(rules, data, follow=True).content.decode()
    sentence = "This preset sets rounds to 917, the template takes a number from 1 to 200."
    assert f"“Quick check” can&#x27;t be run any more. {sentence}" in page
    assert page.count(sentence) == 2 and "sets rounds to 918" not in page and "sets rounds to 5" not in page
    assert sentence in client.get(url("preset_edit", template, preset.pk)).content.decode()
    template.refresh_from_db()
    choices = FieldRule(ROUNDS, RuleKind.CHOICES, values=(5, 120)).as_json()
    template.field_rules = [choices]
    assert conflicts_of(preset, Document.of(template)) == [
        "This preset sets rounds to 917, the template allows 5, 120."
    ]


# -- what it does


def test_it_is_saved_from_the_form_and_fills_it(template, operator, as_user):
    client, typed = as_user(operator), {"shown": "form", ROUNDS: "9", "document": "{}"}
    shown = client.post(url("preset_new", template), typed)
    assert (shown.status_code, "It sets 1 value." in shown.content.decode()) == (200, True)
    document = shown.context["editor"].document_json
    client.post(
        url("preset_new", template), {"save": "1", "name": "Nine", "document": document, "shown": "diff"}
    )
    preset = Preset.objects.get()
    assert (preset.values, preset.is_shared, preset.created_by) == ({ROUNDS: 9}, False, operator)
    page = client.get(url("run", template), {"preset": preset.pk})
    assert rounds_of(page.context["editor"].draft.document) == 9
    assert "by Olga Operator, sets 1 value" in " ".join(page.content.decode().split())
    kept = client.post(url("run", template), {"tab": "yaml", "preset": preset.pk, "document": document})
    assert kept.context["preset"] == preset


def test_one_click_runs_it_on_top_of_the_default_of_today(template, operator, as_user):
    preset = saved(template, operator)
    template.default_configuration["enable_cache"] = False
    template.save()
    assert as_user(operator).post(url("preset_run", template, preset.pk)).status_code == 302
    run = TemplateRun.objects.get()
    assert (rounds_of(run.configuration), run.configuration["enable_cache"]) == (7, False)
    assert run.created_by == operator


def test_a_run_knows_the_preset_whose_values_it_was_sent_unchanged(template, operator, admin, as_user):
    mine, theirs, client = saved(template, operator), saved(template, admin, "Theirs"), as_user(operator)
    client.post(url("preset_run", template, mine.pk))
    shown = client.get(url("run", template), {"preset": mine.pk}).context["editor"]
    sent = {"shown": "diff", "document": shown.document_json, "do": "run", "preset": mine.pk}
    assert client.post(url("run", template), sent).status_code == 302
    typed = {"shown": "yaml", "yaml": shown.yaml.replace("rounds: 7", "rounds: 8")}
    assert client.post(url("run", template), {**sent, **typed}).status_code == 302
    for other in (theirs.pk, "odd"):
        assert client.post(url("run", template), {**sent, "preset": other}).status_code == 302
    runs = template.runs.order_by("number")
    assert [rounds_of(run.configuration) for run in runs] == [7, 7, 8, 7, 7]
    assert [run.preset for run in runs] == [mine, mine, None, None, None]
    presets.delete_preset(preset=mine, by=Actor(operator))
    assert [*template.runs.values_list("preset", flat=True)] == [None] * 5


@pytest.mark.parametrize("button", [{"tab": "yaml"}, {"do": "run"}])
def test_a_form_outlives_the_preset_it_began_with(template, operator, as_user, button):
    preset, client = saved(template, operator), as_user(operator)
    gone = str(preset.pk)
    presets.delete_preset(preset=preset, by=Actor(operator))
    typed = {"shown": "form", ROUNDS: "x", "document": "{}", "preset": gone, **button}
    page = client.post(url("run", template), typed)
    assert page.context["preset"] is None
    assert [view.text for view in page.context["editor"].inputs if view.field.path == ROUNDS] == ["x"]
    assert client.get(url("run", template), {"preset": gone}).status_code == 404


def test_one_of_an_earlier_run_and_one_of_the_default(template, operator, as_user):
    make_template_run(template, operator, configuration=changed(rounds=11), state="completed")
    page = as_user(operator).get(url("preset_new", template), {"from": "1"})
    assert presets.values_set(page.context["editor"].draft.parsed) == {ROUNDS: 11}
    assert as_user(operator).get(url("preset_new", template), {"from": "2"}).status_code == 404
    template.field_rules = [LOCK]
    whole = presets.values_set(Document.of(template))
    assert len(whole) == 18 and ROUNDS not in whole


def test_it_is_renamed_shared_replaced_and_deleted_with_rows(template, admin, as_user):
    preset, client = saved(template, admin), as_user(admin)
    client.post(url("preset_edit", template, preset.pk), {"name": "Weekly", "is_shared": "on"})
    data = {"save": "1", "replace": str(preset.pk), "document": json.dumps(changed(rounds=12))}
    client.post(url("preset_new", template), data)
    preset.refresh_from_db()
    assert (preset.name, preset.is_shared, preset.values) == ("Weekly", True, {ROUNDS: 12})
    client.post(url("preset_delete", template, preset.pk))
    deeds = [*AuditEvent.objects.order_by("pk").values_list("action", flat=True)]
    assert deeds == ["preset.saved", "preset.renamed", "preset.replaced", "preset.deleted"]
    assert not Preset.objects.exists()


@pytest.mark.parametrize("asked", ["x", "0" * 40, "0d9f6a4e-8a3b-4c38-9a54-3f7d0a3a9c11"])
def test_a_preset_that_is_not_there_is_404(template, operator, as_user, asked):
    assert as_user(operator).get(url("run", template), {"preset": asked}).status_code == 404
