"""Charts of a template's history, and the field that finds a step, in a real browser."""

import re

import pytest
from django.urls import reverse
from factories import make_grant, make_member, make_org, make_template, make_tenant
from playwright.sync_api import expect

from tenants.run_templates.document.configuration import default_configuration
from tenants.run_templates.models import TemplateRun
from tests.browsing import LOOKS, picture, problems, tab_to
from tests.tenants.run_templates.test_history import CHANGED, SNAPSHOT, logged, url
from tests.tenants.runs.fakes import PROJECT, RUN_ID, churn

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def template(transactional_db, server):
    """With six runs, of which the fourth failed."""
    org = make_org("Acme AI")
    ada = make_member(org, "admin", name="Ada Okafor")
    tenant = make_tenant(org, "production", name="production", project_id=PROJECT["id"])
    make_grant(tenant, ada, "admin", giver=ada)
    facts = {
        "snapshot": SNAPSHOT,
        "default_configuration": default_configuration(SNAPSHOT),
        "created_by": ada,
    }
    made = make_template(tenant, "nightly", pipeline_name="churn", project_id=PROJECT["id"], **facts)
    values = [
        {"accuracy": 0.71 + 0.02 * n, "loss": 0.6 - 0.03 * n, "rows": 12000 + 900 * n} for n in range(6)
    ]
    logged(made, ada, server, *values[:3])
    logged(made, ada, server, *values[3:4], state="failed")
    logged(made, ada, server, *values[4:])
    TemplateRun.objects.update(changes=CHANGED)
    return made


def test_charts_are_read_by_eye_and_by_key_and_a_step_is_found(visits, template, server):
    ada, tenant = template.created_by, template.tenant
    for width, scheme in LOOKS:
        page = visits.open(url(template), ada, width, scheme)
        expect(page.locator(".metric-chart")).to_have_count(3)
        assert problems(page) == []
        picture(page, f"history-{scheme}-{width}")
    point = page.get_by_role("link", name="Re-run 4: 0.77, failed")
    tab_to(page, point)
    expect(point.locator(".said")).to_be_visible()
    page.get_by_text("Show as table").click()
    expect(page.get_by_role("cell", name="0.77")).to_be_visible()

    server.run_answers[str(RUN_ID)] = churn("run")
    server.wide(["completed"] * 20)
    run_url = reverse("tenants:run_detail", args=[tenant.organization.slug, tenant.slug, RUN_ID])
    page = visits.open(run_url, ada)
    field = page.get_by_role("searchbox", name="Find a step")
    field.fill("fold_1")
    field.press("Enter")
    expect(page).to_have_url(re.compile("step=train_fold_10&"))
    expect(field).to_be_focused()
    field.press("Enter")
    expect(page).to_have_url(re.compile("step=train_fold_11&"))
    expect(page.locator("#steps-list [aria-current]")).to_contain_text("train_fold_11")
    assert problems(page) == []
    picture(page, "find")
    assert visits.errors == []
