"""Runs of all tenants on one page: merged, and never held up by one that is silent."""

import re
import threading

import pytest
from django.urls import reverse
from factories import make_grant, make_tenant

from tenants.hosting.base import TenantNotFound, TenantRefused, TenantUnreachable
from tenants.models import Tenant
from tenants.runs import reading
from tests.tenants.runs.fakes import PROJECT, FakeTenantClient
from zenpro_site.pages import tenant_runs


@pytest.fixture
def servers(org, member, monkeypatch):
    """{slug: FakeTenantClient} of two tenants the member works in; of a third one they see nothing."""
    made = {}
    for slug in ("production", "staging", "secret"):
        tenant = make_tenant(org, slug, name=slug, project_id=PROJECT["id"])
        made[slug] = FakeTenantClient()
        if slug != "secret":
            make_grant(tenant, member, "viewer")
    monkeypatch.setattr(reading, "connect", lambda user, tenant: made[tenant.slug])
    monkeypatch.setattr(
        tenant_runs.connection, "close", lambda: None
    )  # the test's own, shared by its threads
    return made


@pytest.fixture
def look(as_user, member, org):
    def get(**query):
        return as_user(member).get(reverse("orgs:runs", args=[org.slug]), query).content.decode()

    return get


def names(page):
    return re.findall(r'<a class="name"[^>]*>\s*([^<\s]+)', page)


def test_outsiders_find_nothing(org, outsider, as_user, servers):
    assert as_user(outsider).get(reverse("orgs:runs", args=[org.slug])).status_code == 404
    assert all(server.calls == [] for server in servers.values())


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (TenantUnreachable("The server cannot be reached."), "staging does not answer"),
        (TenantRefused(500, "Boom."), "staging: The server could not answer"),
        (TenantNotFound("There is no such project."), "staging could not answer"),
    ],
)
def test_a_tenant_without_an_answer_is_a_line(look, servers, error, sentence):
    servers["staging"].error = error
    page = look()
    assert sentence in page
    assert len(names(page)) == 1


def test_a_slow_tenant_holds_nobody_up(look, servers, monkeypatch):
    monkeypatch.setattr(tenant_runs, "LIMIT", 0.3)
    answered = threading.Event()
    monkeypatch.setattr(servers["staging"], "projects", lambda: answered.wait(30) and [])
    try:
        page = look()
    finally:
        answered.set()
    assert "staging does not answer in time" in page
    assert len(names(page)) == 1


def test_runs_of_all_visible_tenants_are_merged(look, servers):
    servers["production"].add_run(name="newest", created="2026-11-25T10:00:00")
    servers["staging"].add_run(name="older", created="2026-11-24T10:00:00")
    going = servers["staging"].add_run(name="going", created="2026-11-20T10:00:00")
    servers["staging"].half_way(run_id=going)
    page = look()
    assert names(page)[:3] == ["going", "newest", "older"]
    assert "secret" not in page
    assert servers["secret"].calls == []
    assert servers["production"].calls == servers["staging"].calls == ["projects", "runs"]
    assert 'hx-trigger="every 5s"' in page


def test_filters_go_to_every_server(look, servers, member):
    page = look(status="failed", person="me", sort="bad")
    wanted = {"status": "equals:failed", "user": f"equals:{member.username}", "sort_by": "desc:created"}
    assert [servers[slug].filters for slug in ("production", "staging")] == [[wanted], [wanted]]
    assert "know the sorting in the address" in page
    assert "No runs match" in page


def test_tenants_that_sleep_are_not_asked(look, servers):
    Tenant.objects.filter(slug="staging").update(status="deactivated")
    assert "staging" not in re.sub(r"<nav.*?</nav>", "", look(), flags=re.DOTALL)
    assert servers["staging"].calls == []


def test_home_fetches_them_after_itself(as_user, member, org, servers):
    page = as_user(member).get(org.get_absolute_url()).content.decode()
    address = reverse("orgs:runs", args=[org.slug])
    assert f'hx-get="{address}"' in page and f'href="{address}">Runs of all tenants' in page
    assert servers["production"].calls == []
