"""Who has access to a tenant: the list, giving and withdrawing roles, joining."""

import pytest
from django.urls import reverse
from django.utils import timezone
from factories import make_grant, make_member, make_org, make_team, make_tenant, tenant_role

from orgs.audit.models import AuditEvent
from tenants.members import people_of


def url(name, tenant, *args):
    return reverse(f"tenants:{name}", args=[tenant.organization.slug, tenant.slug, *args])


def give(client, tenant, holder, role, **extra):
    data = {"holder": holder, "role": tenant_role(tenant.organization, role).pk, **extra}
    return client.post(url("grant_give", tenant), data)


def person(user):
    return f"person:{user.membership.pk}"


def done():
    return AuditEvent.objects.filter(outcome="done")


# -- refusals


@pytest.mark.parametrize("role", ["developer", "editor", "operator", "viewer"])
def test_only_those_who_manage_access_give_and_withdraw(role, org, member, tenant, as_user):
    other = make_member(org)
    make_grant(tenant, member, role)
    grant = make_grant(tenant, other, "viewer")
    client = as_user(member)
    assert give(client, tenant, person(member), "admin").status_code == 403
    assert client.post(url("grant_withdraw", tenant, grant.pk)).status_code == 403
    assert client.post(url("join", tenant)).status_code == 403
    assert {g.role.slug for g in tenant.grants.all()} == {role, "viewer"}
    assert not done().exists()


@pytest.mark.parametrize("who", ["person", "team"])
def test_holder_of_another_organization_is_refused(who, owner, tenant, as_user):
    other = make_org("Other")
    holder = person(make_member(other)) if who == "person" else f"team:{make_team(other).uuid}"
    assert give(as_user(owner), tenant, holder, "viewer").status_code == 422
    assert not tenant.grants.exists()
    assert not done().exists()


def test_role_of_another_organization_and_organization_roles_are_refused(org, owner, member, tenant, as_user):
    wrong = [tenant_role(make_org("Other"), "viewer"), org.roles.get(level="organization", slug="admin")]
    for role in wrong:
        data = {"holder": person(member), "role": role.pk}
        assert as_user(owner).post(url("grant_give", tenant), data).status_code == 422
    assert not tenant.grants.exists()


def test_grant_of_another_tenant_is_not_found(org, owner, member, tenant, as_user):
    elsewhere = make_grant(make_tenant(org), member, "viewer")
    assert as_user(owner).post(url("grant_withdraw", tenant, elsewhere.pk)).status_code == 404
    elsewhere.refresh_from_db()


def test_org_editor_cannot_join(editor, tenant, as_user):
    assert as_user(editor).post(url("join", tenant)).status_code == 404
    make_grant(tenant, editor, "viewer")
    assert as_user(editor).post(url("join", tenant)).status_code == 403


def test_tenant_admin_who_is_no_org_admin_cannot_join(member, tenant, as_user):
    make_grant(tenant, member, "admin")
    assert as_user(member).post(url("join", tenant)).status_code == 403


# -- changes


def test_tenant_admin_gives_a_person_and_a_team_roles(org, member, tenant, as_user):
    make_grant(tenant, member, "admin")
    colleague, team = make_member(org), make_team(org)
    client = as_user(member)
    assert give(client, tenant, person(colleague), "operator").url == url("members", tenant)
    give(client, tenant, f"team:{team.uuid}", "viewer")
    assert tenant.grants.get(membership=colleague.membership).role.slug == "operator"
    assert tenant.grants.get(team=team).role.slug == "viewer"
    assert list(done().values_list("action", flat=True)) == ["grant.given", "grant.given"]


def test_role_with_a_last_day_ends_after_it(owner, member, tenant, as_user):
    give(as_user(owner), tenant, person(member), "viewer", expires_on="2099-12-31")
    ends = timezone.localtime(tenant.grants.get().expires_at)
    assert (ends.date().isoformat(), ends.hour) == ("2099-12-31", 23)


def test_role_changed_in_place_comes_back_as_a_fragment_with_undo(owner, member, tenant, as_user):
    make_grant(tenant, member, "viewer")
    data = {"holder": person(member), "role": tenant_role(tenant.organization, "editor").pk}
    answer = as_user(owner).post(
        url("grant_give", tenant), data, HTTP_HX_REQUEST="true", HTTP_HX_TARGET="members"
    )
    page = answer.content.decode()
    assert 'id="members"' in page
    assert "<html" not in page
    assert tenant.grants.get().role.slug == "editor"
    assert "Undo" in page


def test_refused_change_in_place_says_so_and_changes_nothing(owner, member, tenant, as_user):
    make_grant(tenant, member, "viewer")
    data = {"holder": person(member), "role": tenant_role(make_org("Other"), "admin").pk}
    answer = as_user(owner).post(
        url("grant_give", tenant), data, HTTP_HX_REQUEST="true", HTTP_HX_TARGET="members"
    )
    assert "Nothing was changed" in answer.content.decode()
    assert tenant.grants.get().role.slug == "viewer"


def test_withdraw_ends_the_role_and_offers_undo(owner, member, tenant, as_user):
    grant = make_grant(tenant, member, "viewer")
    answer = as_user(owner).post(url("grant_withdraw", tenant, grant.pk), follow=True)
    assert not tenant.grants.exists()
    assert "no longer has the role Viewer" in answer.content.decode()
    assert done().get().action == "grant.withdrawn"


def test_org_admin_joins_and_it_is_recorded_and_shown(owner, tenant, as_user):
    client = as_user(owner)
    assert "Join with a role" in client.get(url("members", tenant)).content.decode()
    client.post(url("join", tenant), {"role": tenant_role(tenant.organization, "developer").pk})
    assert tenant.grants.get().role.slug == "developer"
    assert done().get().action == "tenant.joined"
    page = client.get(url("members", tenant)).content.decode()
    assert "Added herself" in page
    assert "Join with a role" not in page


def test_superuser_outside_the_organization_is_told_why_she_cannot_join(superuser, tenant, as_user):
    answer = as_user(superuser).post(
        url("join", tenant), {"role": tenant_role(tenant.organization, "viewer").pk}
    )
    assert answer.status_code == 422
    assert "not a member" in answer.content.decode()


# -- the list


def test_strongest_source_decides_and_all_are_listed(org, owner, member, tenant):
    make_grant(tenant, member, "viewer", by=owner)
    make_grant(tenant, make_team(org, "risk-ml", members=[member]), "editor")
    row = next(row for row in people_of(tenant) if row.user == member)
    assert row.role.slug == "editor"
    assert not row.editable
    assert [(source.kind, source.note) for source in row.sources] == [
        ("team", ""),
        ("direct", "Direct, by Ada Okafor"),
    ]


def test_org_admin_without_a_role_is_listed_without_one(owner, tenant):
    row = people_of(tenant)[0]
    assert (row.user, row.role, row.sources[0].kind) == (owner, None, "organization")


def test_expired_grants_are_not_listed(member, tenant):
    make_grant(tenant, member, "viewer", expires_at=timezone.now() - timezone.timedelta(days=1))
    assert member not in [row.user for row in people_of(tenant)]


def test_role_that_ends_names_what_is_left(org, member, tenant):
    make_grant(tenant, member, "admin", expires_at=timezone.now() + timezone.timedelta(days=5))
    make_grant(tenant, make_team(org, members=[member]), "viewer")
    row = next(row for row in people_of(tenant) if row.user == member)
    assert row.ends is not None
    assert row.then == "Viewer"


def test_creator_did_not_add_herself(owner, tenant):
    tenant.created_by = owner
    tenant.save()
    make_grant(tenant, owner, "admin", by=owner)
    assert people_of(tenant)[0].sources[0].note == "Created the tenant"


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, ["Ada Okafor", "Chen Wei", "Dana Petrova"]),
        ({"q": "dana"}, ["Dana Petrova"]),
        ({"role": "viewer"}, ["Chen Wei"]),
        ({"q": "dana", "role": "viewer"}, []),
    ],
)
def test_list_is_filtered_by_the_address(owner, viewer, member, tenant, as_user, query, names):
    make_grant(tenant, viewer, "viewer")
    make_grant(tenant, member, "editor")
    answer = as_user(owner).get(url("members", tenant), query)
    assert [str(row.user) for row in answer.context["people"]] == names
    assert ("Clear filters" in answer.content.decode()) == (not names)


def test_viewer_sees_the_list_without_buttons(member, tenant, as_user):
    make_grant(tenant, member, "viewer")
    page = as_user(member).get(url("members", tenant)).content.decode()
    assert "Dana Petrova" in page
    assert url("grant_give", tenant) not in page
    assert "withdraw" not in page


def test_long_list_has_pages(org, owner, tenant, as_user, monkeypatch):
    monkeypatch.setattr("tenants.member_views.PAGE_SIZE", 2)
    for _ in range(3):
        make_grant(tenant, make_member(org), "viewer")
    answer = as_user(owner).get(url("members", tenant), {"page": "2"})
    assert len(answer.context["people"]) == 2
    assert "4 of 4 people" in answer.content.decode()


@pytest.mark.parametrize("show", ["people", "teams"])
def test_list_needs_the_same_queries_for_more_rows(org, owner, tenant, as_user, count_queries, show):
    client, numbers = as_user(owner), []
    for more in (1, 2):
        for _ in range(more):
            make_grant(tenant, make_member(org), "viewer")
            make_grant(tenant, make_team(org, members=[make_member(org)]), "editor")
        numbers.append(count_queries(lambda: client.get(url("members", tenant), {"show": show})))
    assert numbers[0] == numbers[1]
