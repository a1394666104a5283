"""Both doors of a run in a real browser, with and without scripts: what is asked for once, the click and its Undo."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from django.urls import reverse
from django.utils import timezone
from factories import make_code, make_grant, make_member, make_org, make_template, make_tenant
from playwright.sync_api import expect

from orgs.users.models import Actor
from tenants.run_templates import code_actions
from tenants.run_templates.document.configuration import default_configuration
from tenants.run_templates.models import RunTemplate, TemplateRun
from tenants.run_templates.pages import again_views
from tests.browsing import LOOKS, problems, tab_to
from tests.tenants.runs.fakes import PROJECT, RUN_ID, churn

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
CHURN = Path(__file__).parents[3] / "examples" / "churn"
SNAPSHOT = churn("snapshot")


@pytest.fixture
def tenant(transactional_db, server):
    org = make_org("Acme AI")
    tenant = make_tenant(org, "production", name="production", project_id=PROJECT["id"])
    make_grant(tenant, make_member(org, "admin", name="Ada Okafor", username="admin"), "admin")
    return tenant


@pytest.fixture(autouse=True)
def long_wait(monkeypatch):
    """Busy machines need their time to click."""
    monkeypatch.setattr(again_views, "WAIT", timedelta(minutes=10))


@pytest.fixture
def ada(tenant):
    return tenant.grants.get().membership.user


@pytest.fixture
def code(tenant, ada, settings, tmp_path):
    settings.ZENPRO_DATA, settings.ZENPRO_CODE_ROOTS = tmp_path / "data", [tmp_path]
    settings.ZENPRO_DATA.mkdir()
    folder = shutil.copytree(CHURN, tmp_path / "churn")
    facts = {"pipeline": "churn", "snapshot": SNAPSHOT, "location": str(folder)}
    return code_actions.add_folder(tenant=tenant, by=Actor(ada), **facts)


def run_page(tenant) -> str:
    return reverse("tenants:run_detail", args=[tenant.organization.slug, tenant.slug, RUN_ID])


def prepared(tenant, ada, **fields):
    values = {
        "snapshot": SNAPSHOT,
        "default_configuration": default_configuration(SNAPSHOT),
        "name": "churn-1",
    }
    facts = {"pipeline_name": "churn", "source_run_id": RUN_ID, "is_listed": False, "created_by": ada}
    return make_template(tenant, **{**values, **facts, "code_chosen_by": ada, **fields})


def with_a_secret() -> dict:
    snapshot = churn("snapshot")
    step = snapshot["metadata"]["step_configurations"]["train"]
    secret = {"type": "string", "format": "password", "writeOnly": True}
    step["spec"]["parameter_spec"]["properties"]["token"] = secret
    step["config"]["parameters"]["token"] = "*" * 10
    return snapshot


def address(name: str, template, *args) -> str:
    tenant = template.tenant
    return reverse(f"run_templates:{name}", args=[tenant.organization.slug, tenant.slug, template.pk, *args])


@pytest.mark.parametrize("width, scheme", LOOKS)
def test_looks(visits, tenant, ada, code, width, scheme):
    page = visits.open(run_page(tenant), ada, width=width, scheme=scheme)
    expect(page.get_by_role("button", name="Run again", exact=True)).to_be_visible()
    assert problems(page) == []
    page.get_by_role("button", name="Run again", exact=True).click()
    expect(page.get_by_role("heading", name="Before it runs again")).to_be_visible()
    assert problems(page) == []
    template = prepared(tenant, ada, snapshot=with_a_secret(), default_configuration={})
    later = timezone.now() + timedelta(minutes=1)
    TemplateRun.objects.create(
        template=template, code=template.code, number=1, run_name="churn-2", configuration={}, created_by=ada,
        start_after=later,
    )  # fmt: skip
    page.goto(visits.url + address("run_detail", template, 1))
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    assert problems(page) == []
    page.goto(visits.url + address("run", template))
    expect(page.get_by_text("has to be entered again").first).to_be_visible()
    page.goto(visits.url + address("save", template))
    expect(page.get_by_role("button", name="Save as template")).to_be_visible()
    assert problems(page) == []
    page.goto(visits.url + reverse("tenants:runs", args=[tenant.organization.slug, tenant.slug]))
    expect(page.get_by_role("button", name="again")).to_be_visible()
    assert problems(page) == []


def test_by_keyboard_it_is_asked_once_runs_and_is_undone(visits, tenant, ada, code):
    page = visits.open(run_page(tenant), ada)
    tab_to(page, page.get_by_role("button", name="Run again", exact=True))
    page.keyboard.press("Enter")
    page.get_by_label("Requirements").fill("scikit-learn")
    page.get_by_role("button", name="Run again", exact=True).click()
    expect(page.get_by_text("Starting in")).to_be_visible()
    run = TemplateRun.objects.get()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Undone before it started.").first).to_be_visible()
    run.refresh_from_db()
    assert (run.state, run.template.requirements) == ("stopped", "scikit-learn")


def test_without_scripts_a_click_is_undone_on_the_page_it_leads_to(visits, tenant, ada):
    code = make_code(tenant, "churn")
    prepared(tenant, ada, code=code)
    page = visits.open(run_page(tenant), ada, java_script_enabled=False)
    page.get_by_role("button", name="Run again", exact=True).click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Undone before it started.").first).to_be_visible()
    page.goto(visits.url + run_page(tenant))
    page.get_by_role("link", name="Run again with changes").click()
    expect(page.get_by_role("heading", name="Run churn-1 with changes")).to_be_visible()
    assert RunTemplate.objects.count() == 1
