"""A tenant's server and a person's client, as they call us."""

from datetime import timedelta

import pytest
from factories import make_tenant

from tenants.credentials.models import AccessToken


class Caller:
    """JSON calls below /api with one bearer token."""

    def __init__(self, client, token="", **headers):
        self.client, self.headers = client, {**headers}
        if token:
            self.headers["Authorization"] = f"Bearer {token}"

    def __call__(self, method, path, body=None, **options):
        """`query` is a list of pairs, or a dict."""
        headers = {**self.headers, **options.pop("headers", {})}
        data = {} if body is None else {"data": body, "content_type": "application/json"}
        query = options.pop("query", None)
        call = getattr(self.client, method.lower())
        return call(f"/api{path}", query_params=query, headers=headers, **data)


@pytest.fixture
def tenant(org):
    return make_tenant(org, "forecast")


@pytest.fixture
def other(outsider):
    """A tenant of another organization."""
    return make_tenant(outsider.membership.organization, "elsewhere")


def server_token(tenant) -> str:
    return AccessToken.objects.issue(kind="server", tenant=tenant, lifetime=timedelta(hours=1))


@pytest.fixture
def server(client, tenant):
    """Calls as the tenant's own server makes them."""
    headers = {"zenml-server-id": str(tenant.pk), "zenml-server-version": "0.98.0"}
    return Caller(client, server_token(tenant), **headers)


@pytest.fixture
def person(client):
    """person(user)(method, path): calls with a person's token."""

    def make(user, tenant=None):
        token = AccessToken.objects.issue(
            kind="user", user=user, tenant=tenant, lifetime=timedelta(minutes=1)
        )
        return Caller(client, token)

    return make
