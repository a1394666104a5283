"""Where a tenant is to live is chosen only where there is a cluster; its page shows what the cluster shows."""

import pytest
from factories import make_grant, make_tenant

from orgs.audit.models import AuditEvent
from tenants.hosting.base import SupervisorGone
from tenants.hosting.bounded import CallPlaces
from tenants.hosting.kubernetes import cluster_page as module
from tenants.hosting.kubernetes import page_calls
from tenants.hosting.kubernetes.database_names import database_of
from tenants.hosting.kubernetes.hosting import KubernetesHosting
from tenants.hosting.kubernetes.naming import name_of
from tenants.hosting.kubernetes.servers import ClusterServers
from tenants.models import Tenant
from zenpro_site.kubernetes_settings import KubernetesSettings

from .clusters import ClusterStandIn, DatabasesStandIn
from .made import PLACE, condition, event, stranger

FORM = {
    "name": "Ours",
    "slug": "ours",
    "version": "0.98.0",
    "where": "kubernetes",
    "access-TOTAL_FORMS": 0,
    "access-INITIAL_FORMS": 0,
}
API = {"name": "Ours", "slug": "ours"}


@pytest.fixture
def offered(settings):
    settings.ZENPRO_KUBERNETES = KubernetesSettings(config="in-cluster", url="https://*.zenml.example.org")


@pytest.fixture
def no_cluster(settings):
    settings.ZENPRO_KUBERNETES = None


def choices(client, org) -> list[str]:
    page = client.get(f"/o/{org.slug}/t/new/").content.decode()
    return [value for value in ("here", "kubernetes", "elsewhere") if f'name="where" value="{value}"' in page]


def post(client, org, **values):
    return client.post(f"/o/{org.slug}/t/new/", FORM | values)


def ask_api(client, org, **values):
    path = f"/api/v1/organizations/{org.slug}/tenants"
    return client.post(path, API | values, content_type="application/json")


def test_without_a_cluster_no_one_is_offered_one(as_user, org, owner, no_cluster):
    client = as_user(owner)
    assert choices(client, org) == ["here", "elsewhere"]
    assert post(client, org).status_code == 422
    answer = ask_api(client, org, home="kubernetes")
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", "home"])
    assert not Tenant.objects.exists()


def test_with_one_it_can_be_chosen(as_user, org, owner, offered):
    client = as_user(owner)
    assert choices(client, org) == ["here", "kubernetes", "elsewhere"]
    assert post(client, org).status_code == 302
    assert Tenant.objects.get().kind == Tenant.Kind.KUBERNETES
    assert AuditEvent.objects.get(action="tenant.created").after["place"] == "In the Kubernetes cluster"


def test_this_machine_stays_what_is_proposed(as_user, org, owner, offered):
    page = as_user(owner).get(f"/o/{org.slug}/t/new/").content.decode()
    assert 'value="here" checked' in page and 'value="kubernetes" checked' not in page
    post(as_user(owner), org, where="here")
    assert Tenant.objects.get().kind == Tenant.Kind.LOCAL


def test_a_form_with_errors_keeps_the_choice(as_user, org, owner, offered):
    page = post(as_user(owner), org, name="").content.decode()
    assert 'value="kubernetes" checked' in page and 'value="here" checked' not in page


@pytest.mark.parametrize(
    ("sent", "home"),
    [({}, "machine"), ({"home": "machine"}, "machine"), ({"home": "kubernetes"}, "kubernetes")],
)
def test_the_api_takes_it_too(as_user, org, owner, offered, sent, home):
    answer = ask_api(as_user(owner), org, **sent)
    assert (answer.status_code, answer.json()["home"]) == (201, home)


def test_a_server_that_someone_else_runs_has_no_home_here(as_user, org, owner, offered):
    values = {"server_url": "https://x.example.org", "home": "kubernetes"}
    answer = ask_api(as_user(owner), org, **values)
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", "home"])
    assert not Tenant.objects.exists()


# -- its page


@pytest.fixture
def tenant(org, member, viewer):
    found = make_tenant(org, kind="kubernetes", slug="ours")
    make_grant(found, member, "admin")
    make_grant(found, viewer, "viewer")
    return found


@pytest.fixture
def cluster(monkeypatch):
    found = ClusterStandIn()
    monkeypatch.setattr(module, "servers", lambda: ClusterServers(found, PLACE))
    return found


def page_of(client, tenant):
    return client.get(f"{tenant.get_absolute_url()}cluster/")


def test_it_shows_pods_and_events(as_user, tenant, member, cluster):
    name = name_of(tenant.pk)
    labels = {"zenpro.io/tenant": str(tenant.pk), "app.kubernetes.io/instance": name}
    full = condition("PodScheduled", "False", "Unschedulable", "0/3 nodes <b>are</b> available")
    cluster.put("Deployment", {"metadata": {"name": name, "labels": labels}, "spec": {"replicas": 1}})
    pod = {"metadata": {"name": f"{name}-1", "labels": labels}, "spec": {"nodeName": "node-7"}}
    cluster.put("Pod", pod | {"status": {"phase": "Pending", "conditions": [full]}})
    cluster.put(
        "Event", event("FailedScheduling", "too small", name=f"{name}-1") | {"metadata": {"name": "e"}}
    )
    response = page_of(as_user(member), tenant)
    (row,) = response.context["page"].pods
    assert (row.name, row.phase, row.is_ready, row.node) == (f"{name}-1", "Pending", False, "node-7")
    text = response.content.decode()
    for words in (f"{name}-1", "node-7", "FailedScheduling", "too small", PLACE.namespace):
        assert words in text
    assert "No node has room: 0/3 nodes &lt;b&gt;are&lt;/b&gt; available" in text


def test_it_says_where_its_database_lies(as_user, tenant, member, cluster, monkeypatch):
    assert "On its volume" in page_of(as_user(member), tenant).content.decode()
    tenant.take_database_server()
    there = ClusterServers(cluster, PLACE, databases=DatabasesStandIn())
    monkeypatch.setattr(module, "servers", lambda: there)
    text = page_of(as_user(member), tenant).content.decode()
    assert database_of(tenant.pk) in text and "On db.example.org" in text
    assert tenant.opened_secrets()["database_password"] not in text and "On its volume" not in text
    assert there.databases.asked == []
    there.databases = None
    assert "No database server is set" in page_of(as_user(member), tenant).content.decode()


def test_it_says_when_the_cluster_does_not_answer_or_shows_something_else(as_user, tenant, member, cluster):
    cluster.put("Deployment", stranger() | {"metadata": {"name": name_of(tenant.pk)}})
    assert "that is not this tenant" in page_of(as_user(member), tenant).context["page"].sentence
    cluster.fails["get"] = SupervisorGone("The cluster does not answer: late")
    assert page_of(as_user(member), tenant).context["page"].trouble == "The cluster does not answer: late"


def test_a_page_that_shows_everything_already_is_told_so(as_user, tenant, member, cluster, monkeypatch):
    monkeypatch.setattr(module, "tick", lambda live: 0)  # "5 min ago" grows old
    client = as_user(member)
    asks_again = {"headers": {"HX-Request": "true", "HX-Target": "cluster"}}
    first = page_of(client, tenant)
    again = f"{first.request['PATH_INFO']}?seen={first.context['seen']}"
    assert client.get(again, **asks_again).status_code == 204
    cluster.fails["get"] = SupervisorGone("The cluster does not answer: late")
    assert "The cluster does not answer: late" in client.get(again, **asks_again).content.decode()


def test_a_slow_cluster_holds_few_threads(as_user, tenant, member, cluster, monkeypatch):
    """Whoever finds all places taken is told so, and no one asks the cluster for them."""
    monkeypatch.setattr(page_calls, "PLACES", CallPlaces(each=1, together=1, patience=0))
    with page_calls.for_a_page(tenant.pk):
        assert page_of(as_user(member), tenant).context["page"].trouble == page_calls.SLOW
        with pytest.raises(SupervisorGone, match="slowly"):
            KubernetesHosting(module.servers()).tail_log(tenant)
    assert page_of(as_user(member), tenant).context["page"].trouble == ""


def test_it_says_when_there_is_no_cluster_any_more(as_user, tenant, member, monkeypatch):
    monkeypatch.setattr(module, "servers", lambda: None)
    assert module.NOT_SET in page_of(as_user(member), tenant).content.decode()


def test_it_is_for_those_who_run_the_tenant(as_user, tenant, viewer, outsider, cluster):
    assert page_of(as_user(viewer), tenant).status_code == 403
    assert page_of(as_user(outsider), tenant).status_code == 404
    assert cluster.asked == []


def test_a_tenant_of_another_kind_has_none(as_user, org, member):
    here = make_tenant(org)
    make_grant(here, member, "admin")
    assert page_of(as_user(member), here).url == here.get_absolute_url()


def test_the_overview_says_where_it_lives_and_leads_there(as_user, tenant, member, viewer):
    path = f"{tenant.get_absolute_url()}cluster/"
    shown = as_user(member).get(tenant.get_absolute_url()).content.decode()
    assert "Runs in the Kubernetes cluster" in shown and path in shown
    assert path not in as_user(viewer).get(tenant.get_absolute_url()).content.decode()
