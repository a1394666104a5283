"""Whether packages may be built from source: off, and only Admins allow it."""

import pytest
from django.urls import reverse
from factories import make_member, make_role, make_team

from orgs.audit.models import AuditEvent
from orgs.permissions import Permission
from tenants.hosting.local.index import PackageIndex


@pytest.fixture
def switch(org):
    return reverse("orgs:package_builds", args=[org.slug])


def settings_page(as_user, person, org) -> str:
    return as_user(person).get(reverse("orgs:settings", args=[org.slug])).content.decode()


def allowed(org) -> bool:
    org.refresh_from_db()
    return org.allows_package_builds


@pytest.mark.parametrize("role", ["editor", "viewer", "member"])
def test_who_is_no_admin_is_refused(as_user, org, switch, role):
    assert as_user(make_member(org, role)).post(switch, {"allowed": "on"}).status_code == 403
    assert not allowed(org)


def test_outsiders_find_nothing(as_user, org, outsider, switch):
    assert as_user(outsider).post(switch, {"allowed": "on"}).status_code == 404
    assert not allowed(org)


def test_a_role_that_may_change_the_settings_is_not_enough(as_user, org, switch):
    role = make_role(
        org, "Office", level="organization", base="viewer", rights=[Permission.ORGANIZATION_CHANGE]
    )
    office = make_member(org, role.slug)
    assert as_user(office).post(switch, {"allowed": "on"}).status_code == 403
    assert not allowed(org)
    assert AuditEvent.objects.get().outcome == "refused"
    page = settings_page(as_user, office, org)
    assert "Only an Admin can change this." in page
    assert 'name="allowed"' not in page


def test_an_admin_allows_it_and_takes_it_back_and_both_are_recorded(as_user, org, owner, switch):
    client = as_user(owner)
    page = settings_page(as_user, owner, org)
    assert "Not allowed" in page
    assert "runs the package author’s code" in page
    client.post(switch, {"allowed": "on"})
    client.post(switch, {"allowed": "on"})
    assert allowed(org)
    assert 'value="off"' in settings_page(as_user, owner, org)
    client.post(switch, {"allowed": "off"})
    assert not allowed(org)
    rows = AuditEvent.objects.order_by("number").values_list("action", "actor", "organization")
    assert list(rows) == [
        ("organization.package_builds_allowed", owner.pk, org.pk),
        ("organization.package_builds_ended", owner.pk, org.pk),
    ]


def test_an_admin_through_a_team_may_as_well(as_user, org, member, switch):
    make_team(org, members=[member], org_role="admin")
    as_user(member).post(switch, {"allowed": "on"})
    assert allowed(org)


def test_the_password_of_a_package_index_keeps_it_off(as_user, org, owner, switch, settings):
    settings.ZENPRO_PACKAGE_INDEX = PackageIndex(("https://reader:secret@example.org/simple",))
    page = as_user(owner).post(switch, {"allowed": "on"}, follow=True).content.decode()
    assert "needs a password" in page
    assert not allowed(org)
    assert not AuditEvent.objects.exists()
