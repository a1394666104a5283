import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from factories import make_grant, make_member, make_team, make_tenant


@pytest.fixture
def address(org):
    return reverse("roles:list", args=[org.slug])


def test_member_may_not_read_it(member, as_user, address):
    assert as_user(member).get(address).status_code == 403


def test_viewer_sees_roles_of_both_levels(viewer, as_user, address):
    page = as_user(viewer).get(address).content.decode()
    for anchor in ("organization-admin", "organization-member", "tenant-operator", "tenant-viewer"):
        assert f'id="{anchor}"' in page
    assert "Read, create pipeline runs and snapshots" in page


def test_says_who_uses_a_role(org, owner, as_user, address):
    tenant, team = make_tenant(org), make_team(org, org_role="viewer")
    make_grant(tenant, team, "developer")
    make_grant(tenant, make_member(org), "developer")
    make_grant(make_tenant(org, desired_state="deleted", deleted_at="2026-01-01T00:00Z"), owner, "operator")
    context = as_user(owner).get(address).context
    used = {role.slug: (role.people, role.teams) for role in context["organization_roles"]}
    assert used == {"admin": (1, 0), "editor": (0, 0), "viewer": (0, 1), "member": (1, 0)}
    on_tenants = {role.slug: (role.people, role.teams) for role in context["tenant_roles"]}
    assert on_tenants["developer"] == (1, 1)
    assert on_tenants["operator"] == (0, 0)


def test_people_with_a_role_on_two_tenants_count_once(org, owner, as_user, address):
    for _ in range(2):
        make_grant(make_tenant(org), owner, "viewer")
    roles = {role.slug: role for role in as_user(owner).get(address).context["tenant_roles"]}
    assert roles["viewer"].people == 1


@pytest.mark.parametrize(
    ("query", "slug"), [("", "admin"), ("?role=operator", "operator"), ("?role=x", "admin")]
)
def test_grid_of_one_role(owner, as_user, address, query, slug):
    assert as_user(owner).get(address + query).context["shown"].slug == slug


def test_asks_as_often_for_more_people(org, owner, as_user, address):
    client, counts = as_user(owner), []
    client.get(address)
    for more in (1, 2):
        for _ in range(more):
            make_grant(make_tenant(org), make_member(org), "viewer")
        with CaptureQueriesContext(connection) as asked:
            client.get(address)
        counts.append(len(asked))
    assert counts[0] == counts[1]
