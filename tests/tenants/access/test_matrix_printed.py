"""The printed permission matrix says what the decisions say, right by right."""

from collections import defaultdict

import pytest
from django.urls import reverse
from factories import make_grant, make_member, make_role

from orgs.access.gate import permissions_of
from orgs.permissions import Permission
from orgs.roles.models import Role
from orgs.roles.predefined_permissions import RESOURCES, actions_of, rights_that_exist
from orgs.roles.printed import sheets
from tenants.access.decisions import allowed
from tenants.access.gate import tenant_permissions_of
from tenants.models.tenant_permissions import codenames_of


def printed(org, level) -> dict[str, dict[str, bool]]:
    """Role -> right -> whether the page says so."""
    found = defaultdict(dict)
    for sheet in sheets(org.roles.filter(level=level), level):
        for group in sheet.groups:
            for line in group.lines:
                for role, marks in zip(sheet.roles, line.cells, strict=True):
                    for mark in marks:
                        assert mark.right not in found[role.slug]
                        found[role.slug][mark.right] = mark.given
    return dict(found)


@pytest.fixture
def custom(org):
    make_role(org, "Model reviewer", base="viewer", rights={"model:promote", "secret:create"})
    make_role(org, "Inviter", level="organization", rights={"invitation:manage"})


def test_every_right_of_every_tenant_role_is_what_the_server_is_told(org, tenant, custom):
    found = printed(org, Role.Level.TENANT)
    assert set(found) == {role.slug for role in org.roles.tenant_level()}
    for slug, rights in found.items():
        assert set(rights) == rights_that_exist("tenant")
        person = make_member(org)
        make_grant(tenant, person, slug)
        answers = {
            (resource, action): allowed(person.pk, tenant, action, [resource])[resource]
            for resource in RESOURCES
            for action in actions_of(resource)
        }
        assert answers == {(r, a): rights[f"{r}:{a}"] for r, a in answers}
        given = {right for right, yes in rights.items() if yes}
        assert codenames_of(given) == tenant_permissions_of(person, tenant)


def test_every_right_of_every_organization_role_is_what_decides(org, custom):
    found = printed(org, Role.Level.ORGANIZATION)
    assert "inviter" in found
    for slug, rights in found.items():
        assert set(rights) == set(Permission)
        given = permissions_of(make_member(org, slug), org)
        assert {right for right, yes in rights.items() if yes} == given


def test_page_is_for_those_who_see_roles(org, viewer, member, as_user):
    path = reverse("roles:matrix", args=[org.slug])
    assert as_user(member).get(path).status_code == 403
    assert as_user(viewer).get(path).status_code == 200


def test_page_shows_own_roles_with_their_base_and_tells_what_letters_mean(org, viewer, custom, as_user):
    page = as_user(viewer).get(reverse("roles:matrix", args=[org.slug])).content.decode()
    assert "<small>custom, on Viewer</small>" in page
    assert "<dt>P</dt><dd>promote</dd>" in page
    assert 'media="print"' in page
    assert '<span class="sr">create, read, update, delete, share, promote</span>' in page
    roles = as_user(viewer).get(reverse("roles:list", args=[org.slug])).content.decode()
    assert reverse("roles:matrix", args=[org.slug]) in roles


def test_many_roles_are_put_on_several_sheets_with_the_same_queries(org, viewer, as_user, count_queries):
    client, path = as_user(viewer), reverse("roles:matrix", args=[org.slug])
    few = count_queries(lambda: client.get(path))
    for number in range(5):
        make_role(org, f"Own {number}", base="viewer")
    assert count_queries(lambda: client.get(path)) == few
    assert "1 of 2" in client.get(path).content.decode()
