"""The disk budget of a tenant: where it is told, and what it refuses."""

import pytest
from django.utils import timezone
from factories import make_grant, make_key, make_member, make_template, make_tenant

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.hosting.local import space
from tenants.run_templates import actions
from tenants.run_templates.document.configuration import default_configuration
from tenants.run_templates.models import TemplateRun
from tenants.usage import disk_budget
from tests.tenants.api.conftest import Caller
from tests.tenants.runs.fakes import churn
from zenpro_site.common.refusals import Refused

G = 1024**3


@pytest.fixture(autouse=True)
def budget(settings):
    settings.ZENPRO_TENANT_DISK = 20 * G


@pytest.fixture
def tenant(org):
    return make_tenant(org, "forecast", name="forecast")


@pytest.fixture
def template(tenant):
    snapshot = churn("snapshot")
    return make_template(tenant, snapshot=snapshot, default_configuration=default_configuration(snapshot))


@pytest.fixture
def operator(org, tenant):
    person = make_member(org)
    make_grant(tenant, person, "operator")
    return person


@pytest.fixture
def full_machine(monkeypatch):
    monkeypatch.setattr(space, "free_bytes", lambda folder: space.MIN_FREE - 1)


def uses(tenant, size, **fields):
    type(tenant).objects.filter(pk=tenant.pk).update(
        disk_bytes=int(size), disk_measured_at=timezone.now(), **fields
    )
    tenant.refresh_from_db()


def plain(response) -> str:
    return response.content.decode().replace("\xa0", " ")


def test_a_full_tenant_begins_no_run(tenant, template, operator):
    uses(tenant, 20 * G)
    with pytest.raises(actions.LimitReached, match="forecast uses 20.GB of 20.GB on disk"):
        actions.queue_run(template=template, configuration={}, by=Actor(operator))
    assert not TemplateRun.objects.exists()
    uses(tenant, 20 * G - 1)
    actions.queue_run(template=template, configuration={}, by=Actor(operator))
    assert TemplateRun.objects.count() == 1


def test_a_full_machine_begins_no_run(template, operator, full_machine):
    with pytest.raises(Refused, match="disk of the machine is nearly full"):
        actions.queue_run(template=template, configuration={}, by=Actor(operator))
    assert not TemplateRun.objects.exists()


def test_the_form_says_so(as_user, tenant, template, operator):
    uses(tenant, 21.5 * G)
    response = as_user(operator).post(f"{template.get_absolute_url()}run/", {"do": "run"})
    assert response.status_code == 422
    assert "forecast uses 21.5 GB of 20 GB on disk." in plain(response)
    assert not TemplateRun.objects.exists()


def test_the_api_says_so(org, tenant, template, operator, full_machine):
    call, path = Caller(make_key(operator), org), f"tenants/forecast/templates/{template.pk}/runs"
    answer = call.post(path)
    assert (answer.status_code, "nearly full" in answer.json()["detail"]) == (409, True)
    uses(tenant, 20 * G)
    answer = call.post(path)
    assert (answer.status_code, "on disk" in answer.json()["detail"]) == (402, True)
    assert not TemplateRun.objects.exists()


def test_no_limit_and_own_limits(tenant, settings):
    uses(tenant, 500 * G)
    assert disk_budget.refusal_of_budget(tenant)
    uses(tenant, 500 * G, disk_budget=600 * G)
    assert disk_budget.refusal_of_budget(tenant) == ""
    uses(tenant, 500 * G, disk_budget=0)
    assert disk_budget.refusal_of_budget(tenant) == ""
    settings.ZENPRO_TENANT_DISK = 0
    uses(tenant, 500 * G, disk_budget=None)
    assert disk_budget.refusal_of_budget(tenant) == ""


def test_a_disk_without_room_for_files_is_full(monkeypatch, tmp_path):
    assert space.shortage(tmp_path / "not" / "there") == ""
    real = space.os.statvfs
    monkeypatch.setattr(space, "MIN_FILES", real(tmp_path).f_favail + 1)
    assert "no room for more files" in space.shortage(tmp_path)


def test_people_see_it_on_the_tenants_pages(as_user, org, owner, tenant):
    client = as_user(owner)
    assert "on disk" not in plain(client.get(tenant.get_absolute_url()))
    uses(tenant, 1.2 * G)
    assert "1.2 GB of 20 GB" in plain(client.get(tenant.get_absolute_url()))
    for page in (f"/o/{org.slug}/t/forecast/usage/", f"/o/{org.slug}/usage/"):
        assert "1.2 GB of 20 GB" in plain(client.get(page))
    uses(tenant, 19 * G)
    assert "Nearly used up" in plain(client.get(f"/o/{org.slug}/t/forecast/usage/"))
    assert "Nearly used up" in plain(client.get(tenant.get_absolute_url()))


def test_superusers_give_a_tenant_more(as_user, org, tenant, owner, superuser):
    path = f"/o/{org.slug}/t/forecast/usage/limits/"
    as_user(owner).post(path, {"disk": "900"})
    tenant.refresh_from_db()
    assert tenant.disk_budget is None
    assert "On disk" not in plain(as_user(owner).get(path))
    assert "On disk" in plain(as_user(superuser).get(path))
    assert as_user(superuser).post(path, {"disk": "50", "model": "3"}).status_code == 302
    tenant.refresh_from_db()
    assert (tenant.disk_budget, tenant.quotas.get().limit) == (50 * G, 3)
    event = AuditEvent.objects.filter(action="tenant.disk_changed").get()
    assert (event.before, event.after) == ({"limit": "20 GB"}, {"limit": "50 GB"})
    as_user(superuser).post(path, {"disk": ""})
    tenant.refresh_from_db()
    assert tenant.disk_budget is None
    as_user(superuser).post(path, {"disk": "0"})
    tenant.refresh_from_db()
    assert (tenant.disk_budget, disk_budget.budget_of(tenant)) == (0, None)
    assert as_user(superuser).post(path, {"disk": "-1"}).status_code == 422
