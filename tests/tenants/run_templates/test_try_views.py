"""Pages on which code is tried: who may not, what is refused, then what they show and where they lead."""

import re
import shutil
from pathlib import Path
from uuid import uuid4

import pytest
from django.urls import reverse
from factories import make_grant, make_member, make_template, make_tenant

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.run_templates import actions, code_actions
from tenants.run_templates.code_tries import end_try
from tenants.run_templates.document.configuration import default_configuration
from tenants.run_templates.engine.importing import StepImport
from tenants.run_templates.models import CodeTry, RunTemplate
from tests.tenants.runs.fakes import RUN_ID, churn, connect_to

CHURN = Path(__file__).parents[3] / "examples" / "churn"
SNAPSHOT = churn("snapshot")
USED = {"roots": ["."], "starts_in": "."}


@pytest.fixture(autouse=True)
def data(settings, tmp_path):
    settings.ZENPRO_DATA, settings.ZENPRO_CODE_ROOTS = tmp_path / "data", [tmp_path]
    settings.ZENPRO_DATA.mkdir()


@pytest.fixture(autouse=True)
def connected(server, monkeypatch):
    monkeypatch.setattr(actions, "connect", connect_to(server))
    return server


@pytest.fixture
def eve(org, tenant):
    person = make_member(org, "member", name="Eve Example")
    make_grant(tenant, person, "editor")
    return person


@pytest.fixture
def editor(eve, as_user):
    """A client."""
    return as_user(eve)


@pytest.fixture
def version(tenant, tmp_path, eve):
    project = shutil.copytree(CHURN, tmp_path / "project")
    facts = {"pipeline": "churn", "snapshot": SNAPSHOT, "location": str(project)}
    return code_actions.add_folder(tenant=tenant, by=Actor(eve), **facts)


def code_url(version, **query) -> str:
    tenant = version.tenant
    address = reverse("run_templates:code", args=[tenant.organization.slug, tenant.slug, version.pk])
    return f"{address}?{'&'.join(f'{key}={value}' for key, value in query.items())}"


@pytest.fixture
def begun(editor, version, connected):
    """A try that the button of the page began."""
    run = connected.run_answers[str(RUN_ID)]
    run["metadata"]["client_environment"]["python_packages"] = "zenml==0.98.0\nLightGBM==4.5.0"
    store = {"name": "store", "body": {"integration": "s3"}}
    stack = {"metadata": {"components": {"artifact_store": [store]}}}
    connected.stacks[run["resources"]["stack"]["id"]] = stack
    response = editor.post(code_url(version, run=RUN_ID), {**USED, "do": "try"})
    found = CodeTry.objects.get()
    assert response.url == f"{found.get_absolute_url()}?run={RUN_ID}"
    return found


def text(response) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


def deeds():
    return [*AuditEvent.objects.order_by("pk").values_list("action", flat=True)]


def address(found, **query) -> str:
    query = query or {"run": RUN_ID}
    return f"{found.get_absolute_url()}?{'&'.join(f'{key}={value}' for key, value in query.items())}"


MISSING = StepImport(
    "train",
    "churn.steps",
    "missing",
    missing="lightgbm",
    file="churn/steps.py",
    line=3,
    text="import lightgbm",
)
FINE = StepImport("load", "churn.steps", "imported")


# -- refusals


def test_a_try_is_its_persons_alone(begun, tenant, org, as_user, owner):
    other = make_member(org, "member")
    make_grant(tenant, other, "admin")
    before = CodeTry.objects.values().get()
    for person, status in ((other, 404), (owner, 403)):
        client = as_user(person)
        for response in (client.get(address(begun)), client.post(address(begun), {"add": "x"})):
            assert (response.status_code, "Import every step" in text(response)) == (status, False)
    assert CodeTry.objects.values().get() == before
    assert "Import every step" in text(as_user(begun.person).get(address(begun)))


def test_a_try_of_another_tenant_is_not_found(begun, editor, org, eve):
    other = make_tenant(org, "staging")
    make_grant(other, eve, "editor")
    path = reverse("run_templates:try", args=[org.slug, other.slug, begun.pk])
    assert editor.get(path).status_code == 404
    unknown = reverse("run_templates:try", args=[org.slug, begun.code.tenant.slug, uuid4()])
    assert editor.get(unknown).status_code == 404


def test_without_the_right_nothing_begins(version, tenant, org, as_user):
    viewer = make_member(org, "member")
    make_grant(tenant, viewer, "viewer")
    response = as_user(viewer).post(code_url(version, run=RUN_ID), {**USED, "do": "try"})
    assert (response.status_code, CodeTry.objects.count()) == (403, 0)


def test_a_layout_that_is_no_choice_is_not_tried(version, editor):
    response = editor.post(code_url(version, run=RUN_ID), {"roots": ["/etc"], "starts_in": ".", "do": "try"})
    assert (response.status_code, CodeTry.objects.count()) == (422, 0)


@pytest.mark.parametrize(
    ("posted", "reason"),
    [
        ({"requirements": "-r /etc/passwd"}, "options are not supported"),
        ({"requirements": "x @ https://example.org/x.zip"}, "URLs are not supported"),
        ({"add": "-e /srv"}, "options are not supported"),
        ({"requirements": "x" * 20_001}, "at most 20000 characters"),
    ],
)
def test_packages_that_are_none_are_refused_with_the_reason(begun, editor, posted, reason):
    response = editor.post(address(begun), posted)
    assert (response.status_code, CodeTry.objects.count()) == (422, 1)
    assert reason in text(response)


def test_somebody_elses_try_is_not_taken_over(begun, tenant, org, as_user, version):
    CodeTry.objects.update(requirements="evil")
    admin = make_member(org, "member", name="Bo Baker")
    make_grant(tenant, admin, "admin")
    default = default_configuration(SNAPSHOT)
    fields = {"snapshot": SNAPSHOT, "default_configuration": default, "code": version}
    template = make_template(tenant, "nightly", pipeline_name="churn", **fields)
    data = {**USED, "do": "use", "tried": begun.pk}
    assert as_user(admin).post(code_url(version, template=template.pk), data).status_code == 302
    page = as_user(admin).get(
        reverse("run_templates:create", args=[org.slug, tenant.slug]) + f"?run={RUN_ID}&tried={begun.pk}"
    )
    assert RunTemplate.objects.get().requirements == "" and "evil" not in text(page)


@pytest.mark.parametrize("tried", ["x", "", "0d9f6a4e-8a3b-4c38-9a54-3f7d0a3a9c11", "\0"])
def test_a_try_that_is_none_changes_nothing(version, editor, tried):
    response = editor.post(code_url(version, run=RUN_ID), {**USED, "do": "use", "tried": tried})
    assert response.status_code in (302, 400)
    if response.status_code == 302:
        assert editor.get(response.url).status_code == 200


def test_names_and_errors_of_hostile_code_are_text(begun, editor):
    steps = [
        StepImport("<b>x</b>", "a", "error", words="<script>", file="<i>", line=1, text="</code><script>")
    ]
    end_try(begun, "done", results=steps)
    page = text(editor.get(address(begun)))
    assert "<script>" not in page.replace("<script src", "") and "&lt;script&gt;" in page


# -- what they show and do


def test_a_try_has_all_that_the_agent_needs(begun, version, eve):
    assert (begun.state, begun.roots, begun.starts_in, begun.requirements) == ("waiting", [""], "", "")
    assert begun.steps["train"] == {"module": "churn.steps", "attribute": "train"}
    assert (begun.recorded, begun.integrations) == (["LightGBM==4.5.0"], ["s3"])
    row = AuditEvent.objects.get(action="code.tried")
    assert (row.actor, row.after["number"]) == (eve, version.number)


def test_the_page_asks_again_until_it_is_over(begun, editor):
    fragment = {"HX-Request": "true", "HX-Target": "try"}
    for state, words in [("waiting", "Waiting for a free slot"), ("installing", "Install the packages")]:
        CodeTry.objects.update(state=state)
        page = text(editor.get(address(begun), headers=fragment))
        assert "every 2s" in page and words in page and "<title>" not in page
    end_try(begun, "failed", "No version of a==9.")
    page = text(editor.get(address(begun), headers=fragment))
    assert "every 2s" not in page and "<b>Nothing was imported.</b> No version of a==9." in page


def test_a_try_for_a_template_knows_the_stack_it_was_made_with(
    begun, editor, version, tenant, connected, eve
):
    snapshot = {**SNAPSHOT, "stack_integrations": ["gcp"]}
    facts = {"snapshot": snapshot, "default_configuration": default_configuration(SNAPSHOT), "code": version}
    template = make_template(tenant, "nightly", pipeline_name="churn", created_by=eve, **facts)
    connected.calls.clear()
    assert editor.post(code_url(version, template=template.pk), {**USED, "do": "try"}).status_code == 302
    assert (CodeTry.objects.exclude(pk=begun.pk).get().integrations, connected.calls) == (["gcp"], [])


def test_a_page_asks_no_tenant(begun, editor, connected):
    connected.calls.clear()
    editor.get(address(begun))
    assert connected.calls == []


def test_one_click_adds_the_missing_package_in_the_version_of_the_run(begun, editor):
    CodeTry.objects.update(requirements="pandas")
    end_try(begun, "done", results=[FINE, MISSING])
    page = text(editor.get(address(begun)))
    assert "1 of 2 steps can't be loaded." in page and "There is no module <code>lightgbm</code>" in page
    assert "<code>churn/steps.py</code>, line 3: <code>import lightgbm</code>" in page
    response = editor.post(address(begun), {"add": re.search(r'name="add" value="([^"]+)"', page)[1]})
    other = CodeTry.objects.exclude(pk=begun.pk).get()
    assert response.url == address(other)
    assert (other.requirements, other.state) == ("pandas\nlightgbm==4.5.0", "waiting")
    assert (other.steps, other.roots, other.code) == (begun.steps, begun.roots, begun.code)
    assert other.integrations == ["s3"]


def test_packages_are_proposed_and_taken_before_the_next_try(begun, editor):
    end_try(begun, "done", results=[FINE])
    response = editor.post(address(begun), {"requirements": "x", "fill": "run"})
    assert (response.status_code, CodeTry.objects.count()) == (200, 1)
    assert response.context["form"]["requirements"].value() == "lightgbm==4.5.0"
    assert "The stack: s3" in text(response)


def test_a_module_the_code_should_have_is_in_no_package(begun, editor):
    lacks = StepImport("load", "churn.steps", "missing", missing="churn.nothing")
    end_try(begun, "done", results=[lacks])
    page = text(editor.get(address(begun)))
    assert "There is no module <code>churn.nothing</code>" in page and 'name="add"' not in page


def test_code_that_was_tried_brings_its_packages_along_to_a_new_template(begun, editor, version):
    CodeTry.objects.update(requirements="lightgbm==4.5.0")
    end_try(begun, "done", results=[FINE])
    page = text(editor.get(address(begun)))
    assert "Use this code with these packages" in page
    response = editor.post(code_url(version, run=RUN_ID), {**USED, "do": "use", "tried": begun.pk})
    assert f"code={version.pk}" in response.url and f"tried={begun.pk}" in response.url
    assert "lightgbm==4.5.0</textarea>" in text(editor.get(response.url))


def test_a_template_gets_code_and_packages_at_once(begun, editor, version, tenant, eve):
    default = default_configuration(SNAPSHOT)
    fields = {"snapshot": SNAPSHOT, "default_configuration": default, "created_by": eve}
    template = make_template(tenant, "nightly", pipeline_name="churn", **fields)
    CodeTry.objects.update(requirements="lightgbm==4.5.0")
    data = {**USED, "do": "use", "tried": begun.pk}
    assert editor.post(code_url(version, template=template.pk), data).url == template.get_absolute_url()
    template.refresh_from_db()
    assert (template.code, template.requirements) == (version, "lightgbm==4.5.0")
    assert deeds()[-2:] == ["template.code_changed", "template.updated"]


@pytest.mark.parametrize(("said", "left"), [({}, "pandas"), ({"packages": "none"}, "")])
def test_no_packages_take_those_of_a_template_only_when_that_is_said(
    said, left, begun, editor, version, tenant, eve
):
    default = default_configuration(SNAPSHOT)
    fields = {"snapshot": SNAPSHOT, "default_configuration": default, "created_by": eve}
    template = make_template(tenant, "nightly", pipeline_name="churn", requirements="pandas", **fields)
    CodeTry.objects.update(requirements="")
    end_try(begun, "done", results=[FINE])
    assert "Remove the packages" in text(editor.get(address(begun), {"template": template.pk}))
    assert "Remove the packages" not in text(editor.get(address(begun), {"template": "odd"}))
    data = {**USED, "do": "use", "tried": begun.pk, **said}
    assert editor.post(code_url(version, template=template.pk), data).url == template.get_absolute_url()
    template.refresh_from_db()
    assert (template.code, template.requirements) == (version, left)


def test_a_template_is_tried_with_its_own_packages(editor, version, tenant, eve):
    default = default_configuration(SNAPSHOT)
    fields = {"snapshot": SNAPSHOT, "default_configuration": default, "created_by": eve}
    template = make_template(tenant, "nightly", pipeline_name="churn", requirements="pandas", **fields)
    editor.post(code_url(version, template=template.pk), {**USED, "do": "try"})
    assert CodeTry.objects.get().requirements == "pandas"
