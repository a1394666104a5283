"""Where new tenants of an organization live: chosen on its settings page or by the API, used where no one says otherwise."""

import pytest
from factories import make_member, make_org

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.models import DefaultHome, Tenant
from tenants.moves.default_homes import choose_default_home
from zenpro_site.common.refusals import Refused
from zenpro_site.kubernetes_settings import KubernetesSettings


@pytest.fixture(autouse=True)
def cluster(settings):
    settings.ZENPRO_KUBERNETES = KubernetesSettings(config="/nowhere", url="https://*.zenml.example.org")


def settings_of(client, org) -> str:
    return client.get(f"/o/{org.slug}/settings/").content.decode()


def choose(client, org, home):
    return client.post(f"/o/{org.slug}/default-home/", {"home": home}, follow=True)


def create_by_api(client, org, slug, **values):
    body = {"name": slug, "slug": slug} | values
    return client.post(
        f"/api/v1/organizations/{org.slug}/tenants", body, content_type="application/json"
    ).json()


@pytest.mark.parametrize("home", ["elsewhere", "nonsense", ""])
def test_there_are_two(org, owner, home):
    with pytest.raises(Refused, match="no such home"):
        choose_default_home(organization=org, kind=home, by=Actor(owner))


def test_without_a_cluster_there_is_no_choice(as_user, org, owner, settings):
    DefaultHome.objects.create(organization=org, kind="kubernetes")
    settings.ZENPRO_KUBERNETES = None
    client = as_user(owner)
    assert DefaultHome.objects.of(org) == "local" and "Home of new tenants" not in settings_of(client, org)
    assert "no such home" in choose(client, org, "kubernetes").content.decode()
    assert create_by_api(client, org, "first")["home"] == "machine"


def test_only_who_may_change_the_organization(as_user, org, editor):
    assert choose(as_user(editor), org, "kubernetes").status_code == 403
    assert not DefaultHome.objects.exists()


def test_it_is_used_where_no_one_says_otherwise(as_user, org, owner):
    client = as_user(owner)
    assert "Servers run on ZenPro’s machine" in settings_of(client, org)
    assert "Servers run in the Kubernetes cluster" in choose(client, org, "kubernetes").content.decode()
    page = client.get(f"/o/{org.slug}/t/new/").content.decode()
    assert 'name="where" value="kubernetes" checked' in page
    assert create_by_api(client, org, "first")["home"] == "kubernetes"
    assert create_by_api(client, org, "second", home="machine")["home"] == "machine"
    other = make_org("Other")
    assert create_by_api(as_user(make_member(other, "admin")), other, "third")["home"] == "machine"


def test_one_row_of_each_change(as_user, org, owner):
    client = as_user(owner)
    for home in ("kubernetes", "kubernetes", "local"):
        choose(client, org, home)
    told = AuditEvent.objects.filter(action="organization.home_changed").order_by("number")
    assert [one.after["home"] for one in told] == ["the Kubernetes cluster", "this machine"]


def test_the_api_reads_and_changes_it(as_user, org, owner):
    client, path = as_user(owner), f"/api/v1/organizations/{org.slug}"
    assert client.get(path).json()["default_home"] == "machine"
    answer = client.patch(path, {"default_home": "kubernetes"}, content_type="application/json")
    assert (
        answer.json()["default_home"] == "kubernetes"
        and DefaultHome.objects.of(org) == Tenant.Kind.KUBERNETES
    )
    assert not AuditEvent.objects.filter(action="organization.updated").exists()
