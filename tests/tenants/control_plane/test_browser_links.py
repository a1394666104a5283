"""The addresses that servers and clients print lead to our pages."""

from uuid import uuid4

import pytest
from factories import PASSWORD, make_grant

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
        f"{new}/": page,
        f"{new}/projects/{PROJECT}": page,
        f"{new}/projects/{PROJECT}/runs": f"{page}runs/",
        old: page,
        f"{old}/": page,
        f"{old}/stacks?id={RUN}": page,
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


NO_PAGE = {
    "stacks?id={}": "ZenPro has no page for stacks. In a terminal: zenml stack describe {}",
    "components/{}": "ZenPro has no page for stack components. In a terminal: zenml stack list --component_id {}",
    "projects/p/model-versions/{}": (
        "ZenPro has no page for model versions. In a terminal: zenml model version list --id {}"
    ),
    "projects/p/deployments/{}": (
        "ZenPro has no page for deployments. In a terminal: zenml deployment describe {}"
    ),
    "stacks?id=<b>": "ZenPro has no page for stacks.",
}


def test_what_has_no_page_is_told(as_user, tenant, member):
    make_grant(tenant, member, "viewer")
    for address, said in NO_PAGE.items():
        for start in (
            f"/workspaces/{tenant.workspace_name}",
            f"/organizations/{tenant.organization_id}/tenants/{tenant.pk}",
        ):
            page = as_user(member).get(f"{start}/{address}".format(RUN), follow=True)
            assert [str(message) for message in page.context["messages"]] == [said.format(RUN)], address
            assert page.redirect_chain[-1][0] == f"/o/{tenant.organization.slug}/t/forecast/"


def test_after_signing_in_one_is_there(client, tenant, member):
    make_grant(tenant, member, "viewer")
    address = f"/workspaces/{tenant.workspace_name}/projects/{PROJECT}/runs/{RUN}"
    login = client.get(address).url
    page = client.post(login, {"login": member.email, "password": PASSWORD})
    assert (page.status_code, page.url) == (302, address)
    assert client.get(page.url).url.endswith(f"/t/forecast/runs/{RUN}/")


def test_deleted_tenants_are_not_found(as_user, owner, tenant, addresses):
    tenant.desired_state, tenant.deleted_at = "deleted", tenant.created_at
    tenant.save()
    assert {as_user(owner).get(address).status_code for address in addresses} == {404}


def test_organizations(as_user, org, owner, outsider):
    address = f"/organizations/{org.pk}"
    for rest in ("", "/", "/settings/members"):
        assert as_user(owner).get(address + rest).url == f"/o/{org.slug}/"
    assert as_user(outsider).get(address).status_code == 404
