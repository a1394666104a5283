"""Runs whose pods bring their code: nothing is asked for it, and all pages can live without."""

import json
from copy import deepcopy
from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.urls import reverse
from factories import make_code, make_grant, make_member, make_template, make_template_run

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.run_templates import actions, continuing, remembered
from tenants.run_templates.continuing import Past, _with_code
from tenants.run_templates.document.components import KEY
from tenants.run_templates.document.configuration import default_configuration
from tenants.run_templates.engine.carried_code import carried_code, why_code_is_needed
from tenants.run_templates.engine.integration_packages import IntegrationPackages
from tenants.run_templates.engine.layout import StepLook
from tenants.run_templates.models import RunTemplate, TemplateRun
from tenants.run_templates.origin import codes_of
from tenants.run_templates.pages.code_used import code_used, other_code
from tests.tenants.runs.fakes import RUN_ID, churn

from .samples import DATA

STACK = json.loads((DATA / "kubernetes_stack.json").read_text())["stack"]  # of ZenML 0.98.0
CODE_PATH = "s3://zen/store/code_uploads/5f1c.tar.gz"
IN_STORE = "The code of this run is in the artifact store"


def remote(**more):
    """A snapshot as one of a run on Kubernetes is stored."""
    snapshot = deepcopy(churn("snapshot"))
    snapshot["metadata"]["code_path"] = CODE_PATH
    snapshot["resources"]["build"] = {"id": str(uuid4())}
    return snapshot | {KEY: [{"type": "orchestrator", "name": "k8s", "flavor": "kubernetes"}]} | more


@pytest.fixture(autouse=True)
def data(settings, tmp_path):
    settings.ZENPRO_DATA = tmp_path


@pytest.fixture
def remote_server(server, monkeypatch):
    """Of the run RUN_ID, which is one of a Kubernetes stack."""
    snapshot = remote()
    build = snapshot["resources"]["build"]["id"]
    del snapshot[KEY]
    server.snapshots[snapshot["id"]] = snapshot
    stack = server.run_answers[str(RUN_ID)]["resources"]["stack"]["id"]
    server.stacks[stack], server.builds[build] = deepcopy(STACK) | {"id": stack}, {"metadata": {}}
    monkeypatch.setattr(actions, "connect", lambda person, tenant: server)
    found = IntegrationPackages(["kubernetes<26"], [])
    monkeypatch.setattr(remembered, "packages_of", lambda version, names: found)
    return server


@pytest.fixture
def person(org, tenant):
    found = make_member(org, "member", name="Eve Example")
    make_grant(tenant, found, "editor")
    return found


@pytest.fixture
def editor(person, as_user):
    return as_user(person)


@pytest.fixture
def carried(tenant, person):
    """A template without code."""
    snapshot = remote()
    facts = {"snapshot": snapshot, "default_configuration": default_configuration(snapshot)}
    facts |= {"pipeline_name": "churn", "source_run_id": RUN_ID, "created_by": person, "code": None}
    return make_template(tenant, "nightly", **facts)


def url(name, tenant, *args):
    return reverse(f"run_templates:{name}", args=[tenant.organization.slug, tenant.slug, *args])


# -- which runs those are


def without(snapshot, part, key):
    snapshot[part] = {**snapshot[part], key: None}
    return snapshot


def test_it_is_where_zenml_put_it():
    assert carried_code(remote()) == "in the artifact store"
    reference = {"code_reference": {"body": {"commit": "a" * 40}}}
    by_commit = without(remote(), "metadata", "code_path")
    assert carried_code(by_commit | {"resources": {**by_commit["resources"], **reference}}) == (
        "in its code repository"
    )


@pytest.mark.parametrize(
    ("snapshot", "why"),
    [
        (remote(**{KEY: []}), ""),
        (remote(**{KEY: [{"type": "orchestrator", "flavor": "local_docker"}]}), ""),
        (remote(**{KEY: [{"type": "step_operator", "flavor": "kubernetes"}]}), ""),
        (remote(body={"is_dynamic": True}), "decides as it runs"),
        (without(remote(), "metadata", "code_path"), "recorded no place"),
        (remote(metadata={"code_path": ["odd"]}), "recorded no place"),
        (remote(**{KEY: "odd"}, resources=None, metadata=None), ""),
    ],
    ids=["unknown", "docker here", "steps alone", "dynamic", "no place", "odd place", "odd"],
)
def test_all_others_need_code(snapshot, why):
    assert carried_code(snapshot) == ""
    assert why in why_code_is_needed(snapshot) and bool(why) == bool(why_code_is_needed(snapshot))


# -- what is asked for


def test_one_click_runs_it_again_and_asks_nothing(tenant, editor, remote_server):
    answer = editor.post(url("again", tenant, RUN_ID), {"do": "run"})
    made = TemplateRun.objects.select_related("template").get()
    assert answer["Location"] == made.get_absolute_url()
    assert (made.code, made.template.code, made.template.code_chosen_by) == (None, None, None)
    assert made.requirements == "kubernetes<26"
    assert "template.prepared_as_recorded" in AuditEvent.objects.values_list("action", flat=True)


def test_packages_that_no_one_can_tell_are_asked_for_alone(tenant, editor, remote_server, monkeypatch):
    unread = IntegrationPackages([], ["kubernetes"])
    monkeypatch.setattr(remembered, "packages_of", lambda version, names: unread)
    prepare = url("prepare", tenant, RUN_ID)
    assert editor.post(url("again", tenant, RUN_ID), {})["Location"] == f"{prepare}?do=run"
    page = editor.get(prepare).content.decode()
    assert IN_STORE in page and 'name="code"' not in page and "Add other code" not in page
    answer = editor.post(prepare, {"requirements": "kubernetes==25.3.0", "do": "change"})
    made = RunTemplate.objects.get()
    assert (made.code, made.requirements) == (None, "kubernetes==25.3.0")
    assert answer["Location"] == url("run", tenant, made.pk)


def test_the_page_says_who_chose_packages_where_there_is_no_code(tenant, editor, person, remote_server):
    editor.post(url("prepare", tenant, RUN_ID), {"requirements": "kubernetes==25.3.0"})
    by = make_member(tenant.organization, "member", name="Max Other")
    actions.change_needs(
        template=RunTemplate.objects.get(), needs=remembered.Needs(None, "evil"), by=Actor(by)
    )
    assert "its requirements by" in (page := editor.get(url("prepare", tenant, RUN_ID)).content.decode())
    assert "Max Other" in page


def test_a_template_is_made_without_code(tenant, editor, remote_server):
    create = f"{url('create', tenant)}?run={RUN_ID}"
    page = editor.get(create).content.decode()
    assert IN_STORE in page and 'name="code"' not in page
    made = editor.post(create, {"name": "weekly", "description": "", "requirements": ""})
    template = RunTemplate.objects.get()
    assert made["Location"] == template.get_absolute_url() and template.code is None


def test_a_dynamic_pipeline_is_told_why_it_needs_code(tenant, editor, remote_server):
    next(iter(remote_server.snapshots.values()))["body"]["is_dynamic"] = True
    answer = editor.get(f"{url('create', tenant)}?run={RUN_ID}")
    assert answer["Location"] == f"{url('code_add', tenant)}?run={RUN_ID}"
    assert "decides as it runs which steps there are" in editor.get(answer["Location"]).content.decode()


def test_code_can_not_be_left_out_where_it_is_needed(tenant, person, remote_server):
    next(iter(remote_server.snapshots.values()))["metadata"]["code_path"] = None
    facts = {"run_id": RUN_ID, "name": "x", "description": "", "requirements": "", "code": None}
    with pytest.raises(actions.TemplateRefused, match="recorded no place") as refused:
        actions.create_template(tenant=tenant, by=Actor(person), **facts)
    assert refused.value.field == "code" and not RunTemplate.objects.exists()


# -- pages and other readers


@pytest.mark.parametrize("name", ["detail", "run", "edit", "sweep_new", "code_add", "history"])
def test_pages_show_a_template_without_code(tenant, editor, person, carried, remote_server, name):
    make_template_run(carried, person, configuration=carried.default_configuration, state="completed")
    where = (
        url(name, tenant) + f"?template={carried.pk}" if name == "code_add" else url(name, tenant, carried.pk)
    )
    answer = editor.get(where)
    assert answer.status_code == 200
    assert "recorded" in answer.content.decode() or name in ("edit", "sweep_new", "code_add")


def test_other_readers_cope(tenant, person, carried, server):
    run = make_template_run(carried, person, zenml_run_id=RUN_ID, state="failed")
    assert codes_of(tenant, [RUN_ID]) == {} and code_used(run, person, set()) is None
    recorded = server.run(RUN_ID)
    assert other_code(tenant, recorded, run, carried, set()) is None
    code = make_code(tenant, "churn")
    with_code = make_template_run(carried, person, code=code)
    said = other_code(tenant, recorded, with_code, carried, set()).sentence
    assert said == "Run again uses the code that was recorded. This run used v1."


def test_steps_of_other_code_than_the_recorded_are_not_taken_over(carried, person, monkeypatch):
    """What was handed over can't be compared with what the pods take."""
    code = make_code(carried.tenant, "churn")
    run = make_template_run(carried, person, state="failed", code=code)
    monkeypatch.setattr(
        continuing,
        "look_at",
        lambda *args: SimpleNamespace(steps=[StepLook("train", "m", "m.py", 1, "same", "d")]),
    )
    found = _with_code(Past(run, ("train",)), carried, ())
    assert found.unusable == {"train": "its code changed"}
    assert found.warnings == (
        "The steps that are taken over ran with code v1, and this run uses the code that was recorded.",
    )
    same = make_template_run(carried, person, state="failed")
    assert _with_code(Past(same, ("train",)), carried, ()) == Past(same, ("train",))
