"""The addresses that servers and clients print lead to our pages."""

from uuid import uuid4

import pytest
from factories import make_grant

RUN = uuid4()
PROJECT = uuid4()


@pytest.fixture
def addresses(org, tenant):
    """{address: where it leads}"""
    page, run = f"/o/{org.slug}/t/forecast/", f"/o/{org.slug}/t/forecast/runs/{RUN}/"
    new, old = f"/workspaces/{tenant.workspace_name}", f"/organizations/{org.pk}/tenants/{tenant.pk}"
    return {
        new: page,
        f"{new}/projects/{PROJECT}/runs/{RUN}": run,
        f"{new}/projects/{PROJECT}/model-versions/{RUN}": page,
        f"{new}/projects/{PROJECT}/deployments/{RUN}": page,
        f"{new}/stacks?id={RUN}": page,
        f"{new}/components/{RUN}": page,
        f"{new}/runs/nonsense": page,
        old: page,
        f"{old}/runs/{RUN}": run,
        f"{old}/runs/{RUN}/dag": run,
    }


def test_addresses_lead_to_our_pages(as_user, tenant, member, addresses):
    make_grant(tenant, member, "viewer")
    client = as_user(member)
    assert {address: client.get(address).url for address in addresses} == addresses


def test_one_must_sign_in_first_and_comes_back(client, addresses):
    for address in addresses:
        assert client.get(address).url.startswith("/accounts/login/?next=/")


def test_what_one_may_not_see_is_not_found(as_user, tenant, other, member, outsider, addresses):
    for user in (member, outsider):
        client = as_user(user)
        assert {client.get(address).status_code for address in addresses} == {404}
    assert client.get(f"/workspaces/{other.workspace_name}").status_code == 302
    org = other.organization_id
    assert client.get(f"/organizations/{org}/tenants/{tenant.pk}").status_code == 404
    assert client.get("/workspaces/no-such-tenant").status_code == 404


def test_deleted_tenants_are_not_found(as_user, owner, tenant, addresses):
    tenant.desired_state, tenant.deleted_at = "deleted", tenant.created_at
    tenant.save()
    assert {as_user(owner).get(address).status_code for address in addresses} == {404}


def test_organizations(as_user, org, owner, outsider):
    address = f"/organizations/{org.pk}"
    assert as_user(owner).get(address).url == f"/o/{org.slug}/"
    assert as_user(outsider).get(address).status_code == 404
