"""Asking for a move: who is refused and why, by action, page and API; and what a tenant on its way can't be asked."""

from datetime import timedelta

import pytest
from django.utils import timezone
from factories import make_grant, make_member, make_template, make_template_run, make_tenant

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.hosting import actions as hosting_actions
from tenants.models import Tenant, TenantMove
from tenants.moves.actions import move_tenant
from tenants.run_templates import actions as template_actions
from tenants.runs import reading
from tenants.upgrades.actions import upgrade
from tests.tenants.runs.fakes import FakeTenantClient, connect_to
from zenpro_site.common.refusals import Refused
from zenpro_site.kubernetes_settings import KubernetesSettings


@pytest.fixture(autouse=True)
def cluster(settings, monkeypatch):
    settings.ZENPRO_KUBERNETES = KubernetesSettings(config="/nowhere", url="https://*.zenml.example.org")
    monkeypatch.setattr(reading, "connect", connect_to(FakeTenantClient()))


@pytest.fixture
def tenant(org, owner):
    found = make_tenant(org, "prod", name="Prod")
    make_grant(found, owner, "admin")
    return found


def ask(tenant, owner, to="kubernetes"):
    return move_tenant(tenant=tenant, to=to, by=Actor(owner))


def page(tenant) -> str:
    return f"/o/{tenant.organization.slug}/t/{tenant.slug}/move/"


def call(tenant) -> str:
    return f"/api/v1/organizations/{tenant.organization.slug}/tenants/{tenant.slug}/move"


REFUSED = {
    "where it is": ({}, "local", "runs on this machine already"),
    "elsewhere": ({}, "elsewhere", "no such home"),
    "someone else's": ({"kind": "elsewhere"}, "kubernetes", "Someone else runs the server"),
    "on a server": ({"kind": "kubernetes", "on_database_server": True}, "local", "can't carry them"),
    "deactivated": ({"desired_state": "deactivated"}, "kubernetes", "is not running"),
    "failed": ({"status": "failed"}, "kubernetes", "is not running"),
}


@pytest.mark.parametrize("row", REFUSED)
def test_what_is_refused(tenant, owner, row):
    state, to, words = REFUSED[row]
    Tenant.objects.update(**state)
    with pytest.raises(Refused, match=words):
        ask(tenant, owner, to)
    assert (
        not TenantMove.objects.exists() and not AuditEvent.objects.filter(action="tenant.move_asked").exists()
    )


def test_without_a_cluster_there_is_no_other_home(tenant, owner, settings, as_user):
    settings.ZENPRO_KUBERNETES = None
    with pytest.raises(Refused, match="no such home"):
        ask(tenant, owner)
    client = as_user(owner)
    assert client.get(page(tenant)).status_code == 404
    assert "/move/" not in client.get(f"/o/{tenant.organization.slug}/t/prod/settings/").content.decode()


def test_one_that_is_to_restart_first_does(tenant, owner):
    """It may restart with another version: its database is copied for that where it is, and only there."""
    upgrade(tenant=tenant, version="0.99.0", by=Actor(owner))
    with pytest.raises(Refused, match="is about to restart"):
        ask(tenant, owner)
    Tenant.objects.update(restarted_at=timezone.now())
    assert ask(Tenant.objects.get(pk=tenant.pk), owner).destination == "kubernetes"


def left_behind(tenant, step, days):
    then = timezone.now() - timedelta(days=days)
    homes = {"origin": "local", "destination": "kubernetes"}
    return TenantMove.objects.create(
        tenant=tenant, step=step, began_at=then, step_since=then, ended_at=then, **homes
    )


@pytest.mark.parametrize(
    ("kind", "step", "to", "days"),
    [("local", "returned", "kubernetes", 0), ("kubernetes", "moved", "local", 100)],
)
def test_no_one_moves_in_while_what_is_left_there_is_removed(tenant, owner, kind, step, to, days):
    Tenant.objects.update(kind=kind)
    left = left_behind(tenant, step, days)
    with pytest.raises(Refused, match="is still being removed"):
        ask(Tenant.objects.get(pk=tenant.pk), owner, to)
    TenantMove.objects.filter(pk=left.pk).update(cleared_at=timezone.now())
    assert ask(Tenant.objects.get(pk=tenant.pk), owner, to).destination == to


def test_what_has_its_time_of_grace_is_no_hindrance(tenant, owner):
    Tenant.objects.update(kind="kubernetes")
    left_behind(tenant, "moved", 0)
    assert ask(Tenant.objects.get(pk=tenant.pk), owner, "local").destination == "local"


def test_a_move_at_a_time(tenant, owner):
    ask(tenant, owner)
    with pytest.raises(Refused, match="is being moved already"):
        ask(tenant, owner)


@pytest.mark.parametrize("state", ["queued", "running", "submitted"])
def test_runs_that_are_not_over_refuse_it(tenant, owner, as_user, state):
    run = make_template_run(make_template(tenant), person=owner, state=state)
    with pytest.raises(Refused, match="1 run isn’t finished"):
        ask(tenant, owner)
    answer = as_user(owner).post(page(tenant), {"confirm": "Prod"})
    assert answer.status_code == 422 and "1 run isn’t finished" in answer.context["form"]["confirm"].errors[0]
    type(run).objects.update(state="completed")
    assert ask(tenant, owner).destination == "kubernetes"


def test_only_whoever_may_delete_it(tenant, org, as_user):
    for role, status in (("viewer", 403), ("developer", 403), ("admin", 200)):
        person = make_member(org, "member")
        make_grant(tenant, person, role)
        assert as_user(person).get(page(tenant)).status_code == status
        assert as_user(person).post(page(tenant), {"confirm": "Nope"}).status_code == (
            422 if status == 200 else 403
        )
    assert not TenantMove.objects.exists()


def test_the_page_says_what_happens_and_asks_for_the_name(tenant, owner, as_user):
    client = as_user(owner)
    text = " ".join(client.get(page(tenant)).content.decode().split())
    for words in ("Move Prod to the Kubernetes cluster", f"zenml login {tenant.server_url}", "stay behind"):
        assert words in text
    assert client.post(page(tenant), {"confirm": "Pro"}).status_code == 422
    answer = client.post(page(tenant), {"confirm": "Prod"})
    assert answer.headers["Location"].endswith("/t/prod/progress/")
    tenant.refresh_from_db()
    assert (tenant.kind, tenant.status, tenant.state_reason) == (
        "local",
        "pending",
        "It moves to the Kubernetes cluster.",
    )
    steps = client.get(answer.headers["Location"]).content.decode()
    assert "Moving Prod" in steps and "Its projects have come along" in steps
    assert "/delete/" not in steps  # where a creation can be cancelled
    assert "Moving: stop" in " ".join(
        client.get(f"/o/{tenant.organization.slug}/t/prod/").content.decode().split()
    )
    event = AuditEvent.objects.get(action="tenant.move_asked")
    assert (event.before, event.after) == ({"home": "this machine"}, {"home": "the Kubernetes cluster"})


def test_the_api_moves_it_and_tells_where_it_stands(tenant, owner, as_user):
    client = as_user(owner)
    answer = client.post(call(tenant), {"home": "kubernetes"}, content_type="application/json")
    found = answer.json()
    assert (answer.status_code, found["status"], found["home"]) == (200, "pending", "machine")
    assert (found["move"]["destination"], found["move"]["step"]) == ("kubernetes", "stopping")
    assert (
        client.post(call(tenant), {"home": "kubernetes"}, content_type="application/json").status_code == 409
    )
    assert client.get(call(tenant).removesuffix("/move")).json()["move"] == found["move"]


def test_on_its_way_it_takes_no_runs_and_is_not_stopped(tenant, owner):
    ask(tenant, owner)
    with pytest.raises(Refused, match="is not running at the moment. It moves to the Kubernetes cluster."):
        template_actions._check_tenant(tenant)
    with pytest.raises(Refused, match="is being moved"):
        hosting_actions.deactivate(tenant=tenant, by=Actor(owner))
    hosting_actions.delete_tenant(tenant=tenant, by=Actor(owner))


def test_its_database_is_left_alone_meanwhile(tenant, owner):
    """Whoever loses access now is cut off where it arrives: a copy may have been taken already."""
    assert tenant in Tenant.objects.with_open_database()
    ask(tenant, owner)
    assert tenant not in Tenant.objects.with_open_database() and tenant in Tenant.objects.moving()


def test_a_move_that_failed_is_told_on_the_page(tenant, owner, as_user):
    move = ask(tenant, owner)
    words = {"failure": "The disk is full.", "step": "returned", "ended_at": move.began_at}
    TenantMove.objects.update(**words)
    Tenant.objects.update(status="available")
    text = " ".join(as_user(owner).get(f"/o/{tenant.organization.slug}/t/prod/").content.decode().split())
    assert "The disk is full. It runs on this machine as before." in text
    TenantMove.objects.update(ended_at=move.began_at - TenantMove.NEWS)
    assert (
        "The disk is full."
        not in as_user(owner).get(f"/o/{tenant.organization.slug}/t/prod/").content.decode()
    )
