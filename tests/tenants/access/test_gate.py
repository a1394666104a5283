"""The statements of the gate that are made once decide as the query sets do that say the rule."""

from datetime import timedelta

from django.utils import timezone
from factories import make_grant, make_member, make_org, make_team, make_tenant, make_user

from orgs.access.gate import permissions_of
from tenants.access import gate
from tenants.access.gate import listed, tenant_permissions_of, tenants_visible_to
from tenants.models.tenant_permissions import TenantPermission


def frame(user, org):
    """What `enter` has put on a request."""
    return type("Request", (), {"user": user, "org": org, "org_permissions": permissions_of(user, org)})()


def test_the_tenants_of_a_frame_are_those_that_are_visible(org, owner, editor, viewer, outsider):
    tenants = [make_tenant(org, name, name=name) for name in ("b", "a", "d", "c")]
    make_tenant(org, "gone", desired_state="deleted", deleted_at=timezone.now())
    make_tenant(make_org("Third"), "elsewhere")
    in_team, nobody = make_member(org), make_member(org)
    make_grant(tenants[0], viewer, "viewer")
    make_grant(tenants[2], make_team(org, "crew", members=[in_team]), "developer")
    wanted = {
        owner: "abcd",
        make_user(superuser=True): "abcd",
        viewer: "b",
        in_team: "d",
        nobody: "",
        outsider: "",
    }
    for person, names in wanted.items():
        rights = permissions_of(person, org)
        shown = listed(frame(person, org))
        assert [one.name for one in shown] == list(names)
        assert set(shown) == set(tenants_visible_to(person, org, rights))
        assert [one.seen for one in shown] == [len(names)] * len(names)


def test_the_one_that_is_open_comes_first_and_counts_with_the_others(org, owner):
    for number in range(gate.LISTED + 3):
        make_tenant(org, f"t{number:02}", name=f"T{number:02}")
    shown = listed(frame(owner, org), "t14")
    assert [one.slug for one in shown] == ["t14", *(f"t{number:02}" for number in range(gate.LISTED - 1))]
    assert {one.seen for one in shown} == {15}


def test_a_role_ends_at_its_time_although_the_statement_is_older(org, viewer, monkeypatch):
    tenant = make_tenant(org, "production")
    now = timezone.now()
    make_grant(tenant, viewer, "viewer", expires_at=now + timedelta(hours=1))
    assert listed(frame(viewer, org)) == [tenant]
    assert TenantPermission.VIEW in tenant_permissions_of(viewer, tenant)
    monkeypatch.setattr(gate.timezone, "now", lambda: now + timedelta(hours=2))
    assert listed(frame(viewer, org)) == []
    assert tenant_permissions_of(viewer, tenant) == frozenset()
