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


@pytest.fixture
def shown(as_user, member, org):
    """The answer to what a page of the list asks for by this name, with a query string."""

    def get(name, query="", **headers):
        address = reverse(f"orgs:{name}", args=[org.slug])
        return as_user(member).get(f"{address}?{query}", headers=headers)

    return get


def names(page):
    return re.findall(r'<a class="name"[^>]*>\s*([^<\s]+)', page)


def cells(page):
    found = re.findall(r'<td[^>]*class="value[^>]*>(.*?)</td>', page, re.DOTALL)
    return [re.sub(r"<[^>]*>|\s", "", cell) for cell in found]


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
    assert names(page)[:2] == ["newest", "older"] and names(page)[-1] == "going"
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


def test_on_the_home_page_what_runs_is_on_top(shown, org, servers):
    servers["production"].add_run(name="newest", created="2026-11-25T10:00:00")
    going = servers["staging"].add_run(name="going", created="2026-11-20T10:00:00")
    servers["staging"].half_way(run_id=going)
    home = {
        "HX-Request": "true",
        "HX-Target": "latest",
        "HX-Current-URL": f"http://testserver{org.get_absolute_url()}",
    }
    page = shown("runs", **home).content.decode()
    assert names(page)[:2] == ["going", "newest"]
    assert "<table" not in page and 'class="pick"' not in page


def test_runs_of_all_tenants_are_sorted_together(look, servers):
    servers["production"].add_run(name="beta")
    servers["staging"].add_run(name="alpha")
    servers["staging"].add_run(name="gamma")
    assert names(look(sort="name"))[:2] == ["alpha", "beta"]
    assert [name for name in names(look(sort="-name")) if len(name) < 6] == ["gamma", "beta", "alpha"]
    assert servers["staging"].filters[-1]["sort_by"] == "desc:name"


def test_pages_are_turned_through_all_tenants(look, servers):
    for number in range(15):
        servers["production"].add_run(name=f"p{number:02}", created=f"2026-11-20T10:00:{number:02}")
        servers["staging"].add_run(name=f"s{number:02}", created=f"2026-11-20T11:00:{number:02}")
    first, second = look(), look(page=2)
    assert len(names(first)) == 20 and len(names(second)) == 12  # one of each tenant was there before
    assert not {*names(first)} & {*names(second)} - {names(second)[-1]}
    assert 'rel="next"' in first and 'rel="prev"' not in first
    assert 'rel="prev"' in second and 'rel="next"' not in second


def test_columns_hold_values_of_every_tenant(look, servers):
    key = "metric:train.training_auc"
    other = servers["staging"].run_answers
    for raw in other.values():
        steps = servers["staging"].step_answers[raw["id"]]["items"]
        steps[3]["metadata"]["run_metadata"]["training_auc"] = 0.5
    page = look(columns=key)
    assert sorted(cells(page)) == ["0.5", "0.8492"]
    assert cells(look(columns=key, by=f"-{key}")) == ["0.8492", "0.5"]
    assert servers["production"].calls[:3] == ["projects", "runs", "steps_of_runs"]


def test_a_tenant_that_can_not_tell_its_columns_is_a_line(look, servers, monkeypatch):
    def silent(*args, **more):
        raise TenantUnreachable("The server cannot be reached.")

    monkeypatch.setattr(servers["staging"], "steps_of_runs", silent)
    page = look(columns="metric:train.training_auc")
    assert "staging: the chosen columns couldn" in page
    assert sorted(cells(page)) == ["0.8492", "–"]


def test_columns_of_all_tenants_are_offered(shown, servers):
    servers["staging"].many_steps(1)
    page = shown("run_columns", "status=completed&columns=metric:x.gone").content.decode()
    assert 'value="metric:train.training_auc"' in page and 'value="metric:step_001.auc"' in page
    assert re.search(r'value="metric:x.gone"\s+checked', page)
    assert 'name="status" value="completed"' in page


def test_runs_of_one_tenant_are_compared_there(shown, org, servers):
    one, other = (servers["staging"].add_run() for _ in range(2))
    answer = shown("runs_compare", f"run=staging:{one}&run=staging:{other}")
    where = reverse("tenants:compare", args=[org.slug, "staging"])
    assert answer.url == f"{where}?run={one}&run={other}"


def test_runs_of_several_tenants_are_not_compared(shown, servers, org, as_user, member):
    answer = shown("runs_compare", "run=staging:1&run=production:2")
    assert answer.url == reverse("orgs:runs", args=[org.slug])
    assert "Only runs of one tenant can be compared" in as_user(member).get(answer.url).content.decode()
    assert shown("runs_compare", "run=secret:1&run=secret:2").status_code == 404


def test_tags_are_edited_by_those_who_run_templates_and_lead_back(look, shown, servers, org, member, as_user):
    assert "Edit the tags" not in look()
    tenant = Tenant.objects.get(slug="staging")
    make_grant(tenant, member, "operator")
    page = look(status="completed")
    assert page.count("Edit the tags of") == 1
    run = next(iter(servers["staging"].run_answers))
    address = reverse("tenants:run_tags", args=[org.slug, "staging", run])
    assert f"{address}?status=completed&amp;everywhere=1" in page
    back = as_user(member).post(address, {"tags": "", "back": "status=completed&everywhere=1"})
    assert back.url == reverse("orgs:runs", args=[org.slug]) + "?status=completed"
