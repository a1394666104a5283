"""The choice of a home and the page of a cluster in a real browser."""

import pytest
from factories import make_grant, make_member, make_org, make_tenant
from playwright.sync_api import expect

from tenants.hosting.kubernetes import cluster_page as module
from tenants.hosting.kubernetes.naming import labels_of, name_of
from tenants.hosting.kubernetes.servers import ClusterServers
from tests.browsing import LOOKS, picture, problems
from zenpro_site.kubernetes_settings import KubernetesSettings

from .clusters import ClusterStandIn
from .made import PLACE, condition, event

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def tenant(settings, monkeypatch):
    settings.ZENPRO_KUBERNETES = KubernetesSettings(config="in-cluster", url="https://*.zenml.example.org")
    made = make_tenant(make_org("Acme AI"), "production", kind="kubernetes")
    make_grant(made, make_member(made.organization, "admin"), "admin")
    monkeypatch.setattr(module, "servers", lambda: ClusterServers(cluster_of(made), PLACE))
    return made


def cluster_of(tenant) -> ClusterStandIn:
    found, name = ClusterStandIn(), name_of(tenant.pk)
    labels = labels_of(tenant.pk, PLACE.installation)
    full = condition(
        "PodScheduled", "False", "Unschedulable", "0/3 nodes are available: 3 Insufficient memory."
    )
    found.put("Deployment", {"metadata": {"name": name, "labels": labels}, "spec": {"replicas": 1}})
    metadata = {"name": f"{name}-6c9f7d5b8-x2x9z", "labels": labels}
    found.put("Pod", {"metadata": metadata, "status": {"phase": "Pending", "conditions": [full]}})
    told = event("FailedScheduling", full["message"], name=metadata["name"]) | {"type": "Warning"}
    found.put("Event", told | {"metadata": {"name": "e"}})
    return found


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_the_cluster_of_a_tenant(visits, tenant, width, scheme):
    person = tenant.grants.get().membership.user
    page = visits.open(f"{tenant.get_absolute_url()}cluster/", person, width, scheme)
    expect(page.get_by_text("No node has room: 0/3 nodes are available")).to_be_visible()
    picture(page, f"cluster-{width}")
    assert problems(page) == []


def test_a_home_is_chosen_and_no_address_asked_for(visits, tenant):
    person = tenant.grants.get().membership.user
    page = visits.open(f"/o/{tenant.organization.slug}/t/new/", person)
    address = page.get_by_label("Address of the server")
    page.get_by_role("radio", name="A server someone else runs").check()
    expect(address).to_be_visible()
    page.get_by_role("radio", name="Kubernetes").check()
    expect(address).to_be_hidden()
    picture(page, "home")
    assert problems(page) == []
