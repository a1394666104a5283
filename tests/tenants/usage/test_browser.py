"""Usage, limits and servers elsewhere as a browser shows them: axe finds nothing, nothing overflows on a phone."""

import os
from pathlib import Path

import pytest
from django.utils import timezone
from factories import make_member, make_org, make_tenant
from playwright.sync_api import expect

from orgs.users.models import Actor
from tenants.hosting.elsewhere.actions import enroll
from tenants.hosting.elsewhere.models import Enrollment
from tenants.models import Tenant
from tenants.usage.models import Feature
from tests.browsing import LOOKS, problems

from .conftest import created, deleted, limit

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PICTURES = os.environ.get("PICTURES")  # a folder to look at them
GB = 1024**3


@pytest.fixture
def world():
    org = make_org("Acme AI")
    owner = make_member(org, "admin", name="Ada Okafor")
    tenant, other = make_tenant(org, "forecast"), make_tenant(org, "churn-with-a-long-name")
    limit(org, Feature.RUN, 40)
    limit(org, Feature.PIPELINE, 3)
    limit(org, Feature.MODEL, 2, tenant)
    limit(org, Feature.PROJECT, 10, tenant)
    limit(org, Feature.RUN, 20, tenant)
    created(tenant, "project", "a")
    created(tenant, "pipeline", "a", "b", "c", "d")
    deleted(tenant, "pipeline", "a")
    created(tenant, "model", "a", "b")
    created(tenant, "pipeline_run", *map(str, range(17)), times=2)
    created(other, "pipeline_run", *map(str, range(100, 109)), times=2)
    made = {"org": org, "version": "0.98.0", "by": Actor(owner)}
    theirs = enroll(name="theirs", slug="theirs", server_url="https://zenml.example.org", **made)
    well = enroll(name="well", slug="well", server_url="https://well.example.org", **made)
    now = {"called_at": timezone.now(), "claimed_version": "0.98.0", "looked_at": timezone.now()}
    wrong = {
        **now,
        "claimed_url": "https://zenml.internal",
        "claimed_version": "0.85.0",
        "trouble": "No answer.",
    }
    Enrollment.objects.filter(tenant=theirs).update(**wrong, refused_at=timezone.now())
    Enrollment.objects.filter(tenant=well).update(
        **now, claimed_url=well.server_url, answered_at=timezone.now()
    )
    Tenant.objects.filter(pk=well.pk).update(status="available", available_since=timezone.now())
    new = enroll(name="new", slug="new-one", server_url="https://new.example.org", **made)
    Tenant.objects.filter(pk__in=[theirs.pk, new.pk]).update(status="pending", state_reason="Not yet.")
    on_disk = {"disk_measured_at": timezone.now(), "disk_budget": 20 * GB}
    Tenant.objects.filter(pk=tenant.pk).update(disk_bytes=19 * GB, **on_disk)
    Tenant.objects.filter(pk=other.pk).update(disk_bytes=21 * GB, **on_disk)
    make_tenant(org, "empty")
    return org, owner


@pytest.fixture
def visit(visits):
    return lambda path, width, scheme, user: visits.open(path, user, width, scheme)


PAGES = {
    "usage": "usage/",
    "limits": "usage/limits/",
    "tenant-usage": "t/forecast/usage/",
    "tenant-empty": "t/empty/usage/",
    "tenant-limits": "t/forecast/usage/limits/",
    "create": "t/new/",
    "server-new": "t/new-one/server/",
    "server-wrong": "t/theirs/server/",
    "server-well": "t/well/server/",
    "overview": "t/forecast/",
    "overview-full": "t/churn-with-a-long-name/",
    "overview-theirs": "t/theirs/",
    "settings-theirs": "t/theirs/settings/",
}


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_wrong_with(name, visit, world, superuser):
    org, owner = world
    for width, scheme in LOOKS:
        person = superuser if name in ("limits", "tenant-limits") else owner
        page = visit(f"/o/{org.slug}/{PAGES[name]}", width, scheme, person)
        if name == "create":
            page.get_by_text("A server someone else runs", exact=True).click()
            expect(page.get_by_label("Address of the server")).to_be_visible()
        if PICTURES:
            page.screenshot(path=Path(PICTURES) / f"{name}-{scheme}-{width}.png", full_page=True)
        assert problems(page) == [], (width, scheme)


def test_where_a_server_runs_hides_the_address_of_one_that_runs_here(visit, world):
    org, owner = world
    page = visit(f"/o/{org.slug}/t/new/", 1440, "light", owner)
    expect(page.get_by_text("A server someone else runs", exact=True)).to_be_visible()
    expect(page.get_by_label("Address of the server")).to_be_hidden()


def test_the_page_turns_green_by_itself(visit, world, live_server):
    org, owner = world
    page = visit(f"/o/{org.slug}/t/new-one/server/", 1440, "light", owner)
    expect(page.locator("#enrollment")).to_contain_text("The server has not called ZenPro yet.")
    Tenant.objects.filter(slug="new-one").update(status="available", available_since=timezone.now())
    page.get_by_text("The server is connected.").wait_for()
    expect(page.get_by_label("Lines for the environment")).to_be_visible()
