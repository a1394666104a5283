"""Creation, progress, overview, settings and life cycle of tenants."""

import pytest
from django.urls import reverse
from django.utils import timezone
from factories import make_grant, make_member, make_org, make_team, make_template, make_tenant, tenant_role

from orgs.audit.models import AuditEvent
from tenants.hosting import progress as agent_progress
from tenants.hosting.base import TenantRefused, TenantUnreachable
from tenants.hosting.local.hosting import LocalHosting
from tenants.models import Tenant


def url(name, tenant, *args):
    return reverse(f"tenants:{name}", args=[tenant.organization.slug, tenant.slug, *args])


def new_url(org):
    return reverse("tenants:create", args=[org.slug])


def form(**changes):
    rows = {"access-TOTAL_FORMS": "2", "access-INITIAL_FORMS": "0"}
    return {"name": "Research", "slug": "research", "version": "0.98.0", **rows, **changes}


def htmx(target):
    return {"HTTP_HX_REQUEST": "true", "HTTP_HX_TARGET": target}


# -- who may


CHANGES = ["deactivate", "activate", "restart", "retry"]


@pytest.mark.parametrize("name", [*CHANGES, "delete", "settings", "log"])
def test_viewer_of_the_tenant_may_not_change_it(name, org, member, tenant, as_user, server):
    make_grant(tenant, member, "viewer")
    assert as_user(member).post(url(name, tenant)).status_code in (403, 405)
    tenant.refresh_from_db()
    assert (tenant.desired_state, tenant.restart_requested_at) == ("available", None)
    assert not AuditEvent.objects.filter(outcome="done").exists()


@pytest.mark.parametrize("name", ["overview", "progress", "runs", "members", "settings", "delete", "log"])
def test_people_without_a_role_do_not_find_the_tenant(name, editor, member, viewer, tenant, as_user, server):
    for person in (editor, member, viewer):
        assert as_user(person).get(url(name, tenant)).status_code == 404


@pytest.mark.parametrize("person", ["viewer", "member"])
def test_only_admins_and_editors_create(person, org, request, as_user):
    client = as_user(request.getfixturevalue(person))
    assert client.get(new_url(org)).status_code == 403
    assert client.post(new_url(org), form()).status_code == 403
    assert not org.tenants.exists()


def test_org_editor_in_the_tenant_changes_but_does_not_delete(editor, tenant, as_user, server):
    make_grant(tenant, editor, "viewer")
    assert as_user(editor).post(url("restart", tenant)).status_code == 302
    assert as_user(editor).post(url("delete", tenant), {"confirm": "production"}).status_code == 403


def test_deleted_tenant_is_not_found(owner, tenant, as_user):
    Tenant.objects.filter(pk=tenant.pk).update(desired_state="deleted", deleted_at=timezone.now())
    assert as_user(owner).get(url("overview", tenant)).status_code == 404


# -- create


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"slug": "Has Spaces"}, "slug"),
        ({"slug": "new"}, "slug"),
        ({"slug": "taken"}, "slug"),
        ({"name": ""}, "name"),
        ({"version": "0.1.0"}, "version"),
        ({"version": "other"}, "other_version"),
        ({"version": "other", "other_version": "latest; rm -rf"}, "other_version"),
    ],
)
def test_wrong_input_creates_nothing(org, owner, as_user, changes, field):
    make_tenant(org, "taken")
    answer = as_user(owner).post(new_url(org), form(**changes))
    assert answer.status_code == 422
    assert field in answer.context["form"].errors
    assert org.tenants.count() == 1


def test_access_for_another_organizations_team_creates_nothing(org, owner, as_user):
    foreign = make_team(make_org("Other"))
    rows = {"access-0-holder": f"team:{foreign.uuid}", "access-0-role": tenant_role(org, "viewer").pk}
    assert as_user(owner).post(new_url(org), form(**rows)).status_code == 422
    assert not org.tenants.exists()


def test_access_given_twice_to_one_creates_nothing(org, owner, member, as_user):
    rows = {}
    for number, role in enumerate(("viewer", "admin")):
        rows[f"access-{number}-holder"] = f"person:{member.membership.pk}"
        rows[f"access-{number}-role"] = tenant_role(org, role).pk
    answer = as_user(owner).post(new_url(org), form(**rows))
    assert answer.status_code == 422
    assert "chosen twice" in answer.content.decode()
    assert not org.tenants.exists()


def test_who_can_be_chosen_is_read_for_the_page_only(org, owner, as_user, monkeypatch):
    asked = []
    monkeypatch.setattr("tenants.access.holder_fields.holder_choices", lambda org: asked.append(org) or [])
    client = as_user(owner)
    client.get(new_url(org))
    assert asked == [org]  # once for all rows
    assert client.post(new_url(org), form()).status_code == 302
    assert asked == [org]


def test_create_leads_to_its_progress(org, owner, as_user):
    team = make_team(org, "vision")
    rows = {"access-0-holder": f"team:{team.uuid}", "access-0-role": tenant_role(org, "developer").pk}
    answer = as_user(owner).post(new_url(org), form(**rows))
    created = org.tenants.get()
    assert answer.url == url("progress", created)
    assert {(str(grant.holder), grant.role.slug) for grant in created.grants.all()} == {
        (str(owner.membership), "admin"),
        ("vision", "developer"),
    }


def test_another_version_is_taken_as_written(org, owner, as_user):
    as_user(owner).post(new_url(org), form(version="other", other_version="0.97.0rc1"))
    assert org.tenants.get().zenml_version == "0.97.0rc1"


def test_another_row_keeps_what_was_typed(org, owner, as_user):
    answer = as_user(owner).post(new_url(org), form(add_row="1"))
    page = answer.content.decode()
    assert answer.status_code == 200
    assert 'name="access-2-holder"' in page
    assert 'value="Research"' in page
    assert not org.tenants.exists()


def test_slug_is_checked_while_typing(org, owner, as_user):
    make_tenant(org, "taken")
    client = as_user(owner)
    answers = [
        client.get(new_url(org), {"slug": slug}, **htmx("slug_note")) for slug in ("taken", "free", "A b")
    ]
    assert ["is taken" in a.content.decode() for a in answers] == [True, False, False]
    assert "is available" in answers[1].content.decode()
    assert "<html" not in answers[0].content.decode()


# -- progress


def begun(tenant, *, fail=""):
    steps = agent_progress.fresh(LocalHosting.steps)
    agent_progress.finish(steps, "reserve", "Port 9103 is reserved")
    agent_progress.begin(steps, "environment", "Installing ZenML 9.9.9")
    if fail:
        agent_progress.fail(steps, fail)
    tenant.progress, tenant.status, tenant.state_reason = steps, "failed" if fail else "pending", fail
    tenant.save()


def test_progress_polls_while_the_tenant_starts(owner, tenant, as_user, server):
    begun(tenant)
    page = as_user(owner).get(url("progress", tenant)).content.decode()
    assert 'hx-trigger="every 1s"' in page
    assert "Port 9103 is reserved" in page
    assert "1 of 8 steps done" in page
    assert "You can leave" in page


def test_progress_fragment_is_only_the_fragment(owner, tenant, as_user, server):
    begun(tenant)
    answer = as_user(owner).get(url("progress", tenant), **htmx("progress")).content.decode()
    assert 'id="progress"' in answer
    assert "<html" not in answer


def test_failed_start_names_step_and_reason_and_offers_retry(owner, tenant, as_user, server):
    reason = "No solution found: there is no version of zenml==9.9.9"
    begun(tenant, fail=reason)
    page = as_user(owner).get(url("progress", tenant)).content.decode()
    assert "hx-trigger" not in page.partition('id="main"')[2]
    assert "Environment failed." in page
    assert reason in page
    assert url("retry", tenant) in page
    assert url("log", tenant) in page


def test_finished_start_gives_the_connect_line(owner, tenant, as_user, server):
    page = as_user(owner).get(url("progress", tenant)).content.decode()
    assert f"zenml login {tenant.server_url}" in page
    assert "every 1s" not in page


def test_viewer_sees_progress_without_the_log(member, tenant, as_user, server):
    make_grant(tenant, member, "viewer")
    page = as_user(member).get(url("progress", tenant)).content.decode()
    assert "last line" not in page
    assert url("retry", tenant) not in page


def test_agent_that_does_not_begin_is_told(owner, tenant, as_user, server):
    Tenant.objects.filter(pk=tenant.pk).update(
        status="not_initialized", updated_at=timezone.now() - timezone.timedelta(minutes=1)
    )
    assert "Is the agent running?" in as_user(owner).get(url("progress", tenant)).content.decode()


# -- overview


def test_overview_asks_the_server_only_for_its_runs(owner, tenant, as_user, server):
    make_grant(tenant, owner, "admin")
    client = as_user(owner)
    page = client.get(url("overview", tenant)).content.decode()
    assert server.calls == []
    assert 'hx-trigger="load"' in page
    assert f"zenml login {tenant.server_url}" in page
    rows = client.get(url("overview", tenant), **htmx("last_runs")).content.decode()
    assert "churn-2026_11_23" in rows
    assert "every 4s" not in rows


def test_overview_polls_runs_while_one_is_running(owner, tenant, as_user, server):
    server.half_way()
    assert "every 4s" in as_user(owner).get(url("overview", tenant), **htmx("last_runs")).content.decode()


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (TenantUnreachable("The server does not answer in time."), "does not answer in time"),
        (TenantRefused(403, "You have no role on this tenant."), "Join with a role"),
        (TenantRefused(500, "Boom."), "Boom."),
    ],
)
def test_overview_survives_a_server_that_does_not_answer(owner, tenant, as_user, server, error, text):
    server.error = error
    answer = as_user(owner).get(url("overview", tenant), **htmx("last_runs"))
    assert answer.status_code == 200
    assert text in answer.content.decode()


@pytest.mark.parametrize("tab", ["ci", "python", "nonsense"])
def test_connect_tabs_are_addresses(owner, tenant, as_user, server, tab):
    words = {"ci": "ZENML_STORE_API_KEY", "python": "from zenml.client", "nonsense": "pip install"}
    assert words[tab] in as_user(owner).get(url("overview", tenant), {"connect": tab}).content.decode()


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"status": "failed", "state_reason": "Port 9103 is taken."}, "Port 9103 is taken."),
        ({"status": "deactivated", "desired_state": "deactivated"}, "Sign-in and runs are refused"),
        ({"status": "pending"}, "Show the steps"),
        ({"status": "not_initialized", "server_url": ""}, "Not yet"),
    ],
)
def test_overview_shows_every_state(owner, tenant, as_user, server, fields, text):
    Tenant.objects.filter(pk=tenant.pk).update(**fields)
    assert text in as_user(owner).get(url("overview", tenant)).content.decode()
    rows = as_user(owner).get(url("overview", tenant), **htmx("last_runs")).content.decode()
    assert "is not running" in rows
    assert server.calls == []


def test_state_that_settled_loads_the_page_again(owner, tenant, as_user, server):
    assert as_user(owner).get(url("overview", tenant), **htmx("state")).headers["HX-Refresh"] == "true"


def test_getting_started_ticks_itself_and_goes(owner, member, tenant, as_user, server):
    make_template(tenant)
    make_grant(tenant, owner, "admin")
    answer = as_user(owner).get(url("overview", tenant), **htmx("last_runs"))
    assert [item.done for item in answer.context["todo"]] == [True, True, True, False]
    make_grant(tenant, member, "viewer")
    answer = as_user(owner).get(url("overview", tenant), **htmx("last_runs"))
    assert answer.context["todo_done"]
    assert 'id="todo" hidden' in answer.content.decode()


def test_overview_needs_the_same_queries_for_more_people(org, owner, tenant, as_user, server, count_queries):
    client, numbers = as_user(owner), []
    for more in (1, 2):
        for _ in range(more):
            make_grant(tenant, make_member(org), "viewer")
            make_grant(tenant, make_team(org, members=[make_member(org)]), "editor")
        numbers.append(count_queries(lambda: client.get(url("overview", tenant))))
    assert numbers[0] == numbers[1] <= 18


# -- settings and life cycle


def test_settings_change_name_and_description(owner, tenant, as_user):
    as_user(owner).post(url("settings", tenant), {"name": "Production", "description": "Live models"})
    tenant.refresh_from_db()
    assert (tenant.name, tenant.description, tenant.slug) == ("Production", "Live models", "production")


def test_settings_without_a_name_change_nothing(owner, tenant, as_user):
    assert as_user(owner).post(url("settings", tenant), {"name": ""}).status_code == 422
    tenant.refresh_from_db()
    assert tenant.name == "production"


@pytest.mark.parametrize("name", CHANGES)
def test_life_cycle_is_changed_by_post_only(name, owner, tenant, as_user):
    before = Tenant.objects.values().get()
    assert as_user(owner).get(url(name, tenant)).status_code == 405
    assert Tenant.objects.values().get() == before


@pytest.mark.parametrize(
    ("name", "before", "field", "after"),
    [
        ("deactivate", {}, "desired_state", "deactivated"),
        ("activate", {"desired_state": "deactivated", "status": "deactivated"}, "desired_state", "available"),
        ("retry", {"status": "failed"}, "status", "pending"),
    ],
)
def test_life_cycle_buttons_do_what_they_say(owner, tenant, as_user, name, before, field, after):
    Tenant.objects.filter(pk=tenant.pk).update(**before)
    assert as_user(owner).post(url(name, tenant)).status_code == 302
    tenant.refresh_from_db()
    assert getattr(tenant, field) == after
    assert AuditEvent.objects.count() == 1


def test_refused_change_is_told_and_writes_nothing(owner, tenant, as_user, server):
    answer = as_user(owner).post(url("retry", tenant), follow=True)
    assert "has not failed" in answer.content.decode()
    assert not AuditEvent.objects.filter(outcome="done").exists()


@pytest.mark.parametrize("typed", ["", "Production", "production "])
def test_delete_needs_the_name(owner, tenant, as_user, typed):
    answer = as_user(owner).post(url("delete", tenant), {"confirm": typed.replace(" ", "x")})
    assert answer.status_code == 422
    tenant.refresh_from_db()
    assert tenant.desired_state == "available"


def test_delete_with_the_name_leads_home(org, owner, tenant, as_user):
    answer = as_user(owner).post(url("delete", tenant), {"confirm": "production"})
    tenant.refresh_from_db()
    assert (answer.url, tenant.desired_state) == (org.get_absolute_url(), "deleted")


def test_delete_dialog_says_what_goes(owner, tenant, as_user):
    make_template(tenant)
    answer = as_user(owner).get(url("delete", tenant), **htmx("modal")).content.decode()
    assert "1 template," in answer
    assert "<html" not in answer


def test_log_shows_its_end(owner, tenant, as_user, server):
    assert "INFO: last line" in as_user(owner).get(url("log", tenant)).content.decode()


# -- a server that runs and does not answer


@pytest.fixture
def silent(tenant):
    tenant.silent_since = timezone.now()
    tenant.state_reason = "Not answering since 12:03; the process is running."
    tenant.save()
    return tenant


def test_a_silent_tenant_says_so_and_its_page_asks_again(owner, silent, as_user, server):
    page = as_user(owner).get(url("overview", silent)).content.decode()
    state = page.partition('<div id="state"')[2].partition("</header>")[0]
    assert "Not answering" in state and 'hx-trigger="every 2s"' in state
    assert silent.state_reason in page and "Restart now" in page
    fragment = as_user(owner).get(url("overview", silent), **htmx("state"))
    assert silent.state_reason in fragment.content.decode()
    silent.silent_since, silent.state_reason = None, ""
    silent.save()
    assert as_user(owner).get(url("overview", silent), **htmx("state")).headers["HX-Refresh"] == "true"


def test_who_may_not_restart_is_told_as_well(member, silent, as_user, server):
    make_grant(silent, member, "viewer")
    page = as_user(member).get(url("overview", silent)).content.decode()
    assert silent.state_reason in page and "Restart now" not in page


def test_runs_of_a_silent_tenant_say_since_when(owner, silent, as_user, server):
    make_grant(silent, owner, "admin")
    server.error = TenantUnreachable("The server does not answer in time.")
    page = as_user(owner).get(url("runs", silent)).content.decode()
    assert silent.state_reason in page


def test_a_silent_tenant_needs_attention_on_the_home_page(owner, silent, as_user, server):
    response = as_user(owner).get(silent.organization.get_absolute_url())
    [need] = response.context["needs"]
    assert (need.tone, need.title, need.text) == (
        "warn",
        f"{silent.name} is not answering",
        silent.state_reason,
    )
    assert "Not answering" in response.content.decode().partition('id="tenants-h"')[2]
