"""A page that is answered that nothing has changed asks on, until the run has ended."""

import pytest
from django.utils import timezone
from factories import make_grant, make_template, make_template_run, make_tenant
from playwright.sync_api import expect

from tenants.run_templates.models import TemplateRun

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_unchanged_twice_then_changed_then_over(visits, org, member):
    tenant = make_tenant(org, "prod", name="Prod")
    make_grant(tenant, member, "viewer")
    run = make_template_run(make_template(tenant), member, state="preparing")
    page = visits.open(run.get_absolute_url(), user=member, width=1440, scheme="light")

    def asks(status):
        return page.expect_response(lambda answer: "seen=" in answer.url and answer.status == status)

    for _ in range(2):
        with asks(204):
            pass
    TemplateRun.objects.update(state="starting")
    with asks(200):
        pass
    expect(page.get_by_text("Starting").first).to_be_visible()
    with asks(204):
        pass
    TemplateRun.objects.update(state="failed", ended_at=timezone.now(), state_reason="It broke.")
    expect(page.get_by_text("It broke.")).to_be_visible()
    expect(page.locator("[hx-trigger*='every']")).to_have_count(0)
