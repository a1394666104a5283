"""Packages that a tenant's server has besides ZenML: what is proposed, who may add it, and what it leaves."""

import json
from copy import deepcopy
from uuid import uuid4

import pytest
from django.urls import reverse
from factories import make_grant, make_key, make_member, make_tenant

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.hosting.base import TenantUnreachable
from tenants.hosting.local.extended import Extension
from tenants.hosting.local.locations import packages_of
from tenants.models import Tenant
from tenants.run_templates.engine.integration_packages import IntegrationPackages
from tenants.server_packages import actions, store_packages, views
from tenants.server_packages.actions import add_packages, remove_packages
from tenants.server_packages.store_packages import proposals_for
from tests.tenants.run_templates.test_integrations import stack_of
from zenpro_site.common.refusals import Refused

S3 = ["s3fs>2022.3.0", "boto3"]


def named(name, *integrations):
    return stack_of(*integrations, kind="artifact_store") | {"id": str(uuid4()), "name": name}


@pytest.fixture(autouse=True)
def zenml(monkeypatch, settings, tmp_path):
    """What ZenML says its integrations need."""
    settings.ZENPRO_DATA = tmp_path
    known = {"s3": S3, "azure": ["adlfs"]}

    def said(version, names):
        (name,) = names
        return IntegrationPackages(known.get(name, []), [] if name in known else [name])

    monkeypatch.setattr(store_packages, "packages_of", said)


@pytest.fixture
def extension(monkeypatch):
    """Let it stand somewhere."""

    def stands(state, reason=""):
        monkeypatch.setattr(views, "extension_of", lambda tenant: Extension(state, reason, ("uv said",)))

    return stands


@pytest.fixture
def stacks(server):
    server.stacks |= {"1": named("aws-eks", "s3"), "2": named("local", "built-in"), "3": named("aws-2", "s3")}
    return server


@pytest.fixture
def manager(org, tenant):
    found = make_member(org, "member", name="Mia Manager")
    make_grant(tenant, found, "admin")
    return found


def url(tenant):
    return reverse("tenants:server_packages", args=[tenant.organization.slug, tenant.slug])


def deeds():
    return [*AuditEvent.objects.values_list("action", "outcome")]


# -- what is proposed


def test_stores_that_the_server_can_not_read_are_proposed(tenant, stacks):
    (found,) = proposals_for(tenant, stacks)
    assert (found.integration, found.packages) == ("s3", S3)
    assert found.sentence == "Logs of the stacks aws-eks and aws-2 are in S3."
    tenant.server_packages = {"s3": S3}
    assert proposals_for(tenant, stacks) == []


def test_a_store_of_which_nothing_is_known_says_so(tenant, server):
    server.stacks["1"] = named("big", "gcp")
    (found,) = proposals_for(tenant, server)
    assert found.is_unread and found.sentence == "Logs of the stack big are in Google Cloud Storage."


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"metadata": []},
        named("x", "../../etc", 5, None, "custom", "kubernetes"),
        deepcopy(stack_of("s3", kind="container_registry")),
    ],
)
def test_odd_stacks_propose_nothing(tenant, server, odd):
    server.stacks["1"] = odd
    assert proposals_for(tenant, server) == []


def test_many_stacks_are_counted(tenant, server):
    server.stacks = {str(at): named(f"s{at}", "s3") for at in range(6)}
    (found,) = proposals_for(tenant, server)
    assert found.sentence == "Logs of the stacks s0, s1, s2 and 3 more are in S3."


# -- adding and removing


def test_they_are_added_with_a_restart(tenant, manager):
    add_packages(tenant=tenant, integration="s3", by=Actor(manager))
    tenant.refresh_from_db()
    assert tenant.server_packages == {"s3": S3} and tenant.restart_requested_at
    assert packages_of(tenant) == ("boto3", "s3fs>2022.3.0")
    event = AuditEvent.objects.get()
    assert (event.action, event.after) == ("tenant.packages_added", {"store": "S3", "packages": S3})


def test_they_are_removed_with_a_restart(tenant, manager):
    Tenant.objects.filter(pk=tenant.pk).update(server_packages={"s3": S3, "azure": ["adlfs"]})
    remove_packages(tenant=tenant, integration="s3", by=Actor(manager))
    tenant.refresh_from_db()
    assert tenant.server_packages == {"azure": ["adlfs"]} and tenant.restart_requested_at
    assert AuditEvent.objects.get().before == {"store": "S3", "packages": S3}


def test_a_server_that_is_down_has_them_at_its_next_start(org, manager):
    tenant = make_tenant(org, desired_state="deactivated", status="deactivated")
    add_packages(tenant=tenant, integration="s3", by=Actor(manager))
    tenant.refresh_from_db()
    assert tenant.server_packages == {"s3": S3} and tenant.restart_requested_at is None


@pytest.mark.parametrize(
    ("change", "deed", "integration", "why"),
    [
        ({}, add_packages, "kubernetes", "artifact stores of ZenML's own"),
        ({}, add_packages, "pandas; evil", "artifact stores of ZenML's own"),
        ({}, add_packages, "gcp", "isn't known"),
        ({"server_packages": {"s3": S3}}, add_packages, "s3", "already"),
        ({}, remove_packages, "s3", "has no packages"),
        ({"kind": "elsewhere"}, add_packages, "s3", "Someone else runs"),
        ({"kind": "elsewhere"}, remove_packages, "s3", "Someone else runs"),
    ],
)
def test_what_is_refused_leaves_nothing(tenant, manager, change, deed, integration, why):
    vars(tenant).update(change)
    tenant.save()
    with pytest.raises(Refused, match=why):
        deed(tenant=tenant, integration=integration, by=Actor(manager))
    tenant.refresh_from_db()
    assert tenant.server_packages == change.get("server_packages", {})
    assert tenant.restart_requested_at is None and deeds() == []


# -- the page


def test_one_click_adds_them(tenant, manager, as_user, stacks):
    client = as_user(manager)
    page = client.get(url(tenant)).content.decode()
    assert "Logs of the stacks aws-eks and aws-2 are in S3." in page and "s3fs&gt;2022.3.0" in page
    answer = client.post(url(tenant), {"integration": "s3", "do": "add"})
    assert answer["Location"] == url(tenant)
    tenant.refresh_from_db()
    assert tenant.server_packages == {"s3": S3}
    page = client.get(url(tenant)).content.decode()
    assert "at the next start" in page and "Add and restart" not in page


def test_a_failed_installation_is_told(tenant, manager, as_user, stacks, extension):
    Tenant.objects.filter(pk=tenant.pk).update(server_packages={"s3": S3})
    extension("failed", "They could not be installed: no such version.")
    page = as_user(manager).get(url(tenant)).content.decode()
    assert "The server runs without them." in page and "no such version" in page and "uv said" in page


def test_a_server_that_is_silent_still_shows_what_it_has(tenant, manager, as_user, server, extension):
    Tenant.objects.filter(pk=tenant.pk).update(server_packages={"s3": S3})
    extension("ready")
    server.error = TenantUnreachable("The server cannot be reached.")
    answer = as_user(manager).get(url(tenant))
    assert answer.status_code == 200 and "installed" in answer.content.decode()


@pytest.mark.parametrize("role", ["viewer", "operator", "editor", "developer"])
def test_who_does_not_manage_the_tenant_may_not(org, tenant, as_user, server, role):
    person = make_member(org, "member")
    make_grant(tenant, person, role)
    assert as_user(person).get(url(tenant)).status_code == 403
    assert as_user(person).post(url(tenant), {"integration": "s3"}).status_code == 403
    tenant.refresh_from_db()
    assert tenant.server_packages == {}


def test_outsiders_and_others_find_nothing(org, tenant, outsider, manager, as_user):
    assert as_user(outsider).post(url(tenant), {"integration": "s3"}).status_code == 404
    Tenant.objects.filter(pk=tenant.pk).update(kind="elsewhere")
    assert as_user(manager).get(url(tenant)).status_code == 404


def test_what_is_refused_is_said(tenant, manager, as_user, server):
    answer = as_user(manager).post(url(tenant), {"integration": "../x"}, follow=True)
    assert "the artifact stores of ZenML&#x27;s own integrations" in answer.content.decode()


# -- the API


def test_the_api_does_the_same(tenant, manager, client, stacks, monkeypatch):
    monkeypatch.setattr("tenants.api.tenants.connect", lambda user, tenant: stacks)
    path = f"/api/v1/organizations/{tenant.organization.slug}/tenants/{tenant.slug}/server-packages"
    headers = {"Authorization": f"Bearer {make_key(manager).secret}"}
    seen = client.get(path, headers=headers).json()
    assert (seen["state"], seen["present"]) == ("none", [])
    assert [one["stacks"] for one in seen["proposals"]] == [["aws-eks", "aws-2"]]
    stacks.error = TenantUnreachable("The server cannot be reached.")
    assert client.get(path, headers=headers).json()["proposals"] is None
    body = json.dumps({"integration": "s3"})
    made = client.post(path, body, content_type="application/json", headers=headers)
    assert (made.status_code, made.json()["present"][0]["packages"]) == (200, S3)
    assert client.delete(f"{path}/s3", headers=headers).json()["present"] == []
    assert [action for action, _ in deeds()] == ["tenant.packages_removed", "tenant.packages_added"]


def test_actions_ask_no_server():
    assert "connect" not in vars(actions)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"status": "pending"}, "is restarting with it"),
        ({"status": "failed"}, "will have it after its next start"),
        ({"status": "deactivated", "desired_state": "deactivated"}, "will have it after its next start"),
    ],
)
def test_the_page_says_when_a_server_has_them(tenant, manager, as_user, state, words):
    """One on its way up may have begun without them."""
    Tenant.objects.filter(pk=tenant.pk).update(**state)
    page = as_user(manager).post(url(tenant), {"integration": "s3"}, follow=True)
    tenant.refresh_from_db()
    assert words in page.content.decode()
    assert bool(tenant.restart_requested_at) == (words == "is restarting with it")
