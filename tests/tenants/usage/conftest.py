import pytest
from factories import make_tenant

from tenants.control_plane.actions import record_usage
from tenants.usage.models import Quota


@pytest.fixture
def tenant(org):
    return make_tenant(org, "forecast", name="forecast")


def created(tenant, feature, *ids, times=1):
    """The server reports these as created; `times=2` as it does for a run that has begun."""
    for each in ids:
        for _ in range(times):
            record_usage(tenant=tenant, feature=feature, total=1, resource_id=each)


def deleted(tenant, feature, *ids):
    for each in ids:
        record_usage(tenant=tenant, feature=feature, total=-1, resource_id=each)


def limit(org, feature, most, tenant=None):
    return Quota.objects.create(organization=org, tenant=tenant, feature=feature, limit=most)
