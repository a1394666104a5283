"""Who has access to a tenant: the list, giving and withdrawing roles, joining."""

from datetime import date, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from factories import make_grant, make_member, make_org, make_team, make_tenant, tenant_role

from orgs.audit.models import AuditEvent
from tenants.access.forms import months_later
from tenants.access.members import members_in, person_rows
from zenpro_site.common.ui import undo_of


def url(name, tenant, *args):
    return reverse(f"tenants:{name}", args=[tenant.organization.slug, tenant.slug, *args])


def give(client, tenant, holder, role, **extra):
    data = {"holder": holder, "role": tenant_role(tenant.organization, role).pk, **extra}
    return client.post(url("grant_give", tenant), data)


def person(user):
    return f"person:{user.membership.pk}"


def roles_of(tenant, user):
    return {grant.role.slug for grant in tenant.grants.filter(membership=user.membership)}


def follow_undo(client, page):
    """Press Undo in the toast of a page."""
    *_, message = page.context["messages"]
    undo = undo_of(message)
    data = {}
    for name, value in undo["fields"]:
        data.setdefault(name, []).append(value)
    assert client.post(undo["url"], data).status_code == 302


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
    assert tenant.grants.count() == 1


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


def test_quick_choices_of_an_end(owner, org, tenant, as_user):
    today, client = timezone.localdate(), as_user(owner)
    expected = {"": None, "week": today + timedelta(days=7), "month": months_later(today, 1)}
    for ends, day in expected.items():
        somebody = make_member(org)
        give(client, tenant, person(somebody), "viewer", ends=ends, expires_on="")
        end = tenant.grants.get(membership=somebody.membership).expires_at
        assert (timezone.localdate(end) if end else None) == day


def test_three_months_after_the_last_of_november():
    assert months_later(date(2026, 11, 30), 3) == date(2027, 2, 28)
    assert months_later(date(2026, 9, 15), 3) == date(2026, 12, 15)


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"expires_on": "2020-01-01"}, "This day is in the past."),
        ({"ends": "day", "expires_on": "2020-01-01"}, "This day is in the past."),
        ({"ends": "day", "expires_on": ""}, "Choose a day."),
        ({"ends": "tomorrow"}, "not one of the available choices"),
    ],
)
def test_end_that_cannot_be_is_refused_at_its_field(owner, member, tenant, as_user, extra, words):
    answer = give(as_user(owner), tenant, person(member), "viewer", **extra)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not tenant.grants.exists()


def test_a_second_role_is_added_and_undo_takes_it_back(owner, member, tenant, as_user):
    client = as_user(owner)
    make_grant(tenant, member, "viewer")
    page = give(client, tenant, person(member), "operator")
    assert roles_of(tenant, member) == {"viewer", "operator"}
    follow_undo(client, client.get(page.url))
    assert roles_of(tenant, member) == {"viewer"}


def test_giving_what_is_held_changes_the_end_and_undo_brings_the_old_one_back(owner, member, tenant, as_user):
    client = as_user(owner)
    give(client, tenant, person(member), "viewer", expires_on="2099-12-31")
    page = give(client, tenant, person(member), "viewer")
    assert tenant.grants.get().expires_at is None
    follow_undo(client, client.get(page.url))
    assert timezone.localdate(tenant.grants.get().expires_at) == date(2099, 12, 31)


def test_withdrawn_role_comes_back_with_its_end(owner, member, tenant, as_user):
    client = as_user(owner)
    make_grant(tenant, member, "operator")
    give(client, tenant, person(member), "viewer", expires_on="2099-12-31")
    grant = tenant.grants.get(role__slug="viewer")
    confirm = client.get(url("grant_withdraw", tenant, grant.pk)).content.decode()
    assert "1 person loses" not in confirm  # Operators read as well
    page = client.post(url("grant_withdraw", tenant, grant.pk))
    assert roles_of(tenant, member) == {"operator"}
    follow_undo(client, client.get(page.url))
    assert timezone.localdate(tenant.grants.get(role__slug="viewer").expires_at) == date(2099, 12, 31)


# -- what a change would do, before it is saved


def test_effect_of_giving_is_said_and_nothing_is_written(org, owner, member, tenant, as_user):
    team = make_team(org, members=[member, make_member(org), owner])
    make_grant(tenant, owner, "admin")
    data = {"holder": f"team:{team.uuid}", "role": tenant_role(org, "viewer").pk, "review": "1"}
    client = as_user(owner)
    whole = client.post(url("grant_give", tenant), data).content.decode()
    part = client.post(
        url("grant_give", tenant), data, HTTP_HX_REQUEST="true", HTTP_HX_TARGET="effect"
    ).content.decode()
    for page in (whole, part):
        assert "2 people get access to production" in page
        assert "1 person keeps what they have." in page
    assert "<form" not in part
    assert tenant.grants.count() == 1
    assert not done().exists()


def test_effect_of_withdrawing_is_said(owner, member, tenant, as_user):
    grant = make_grant(tenant, member, "viewer")
    page = as_user(owner).get(url("grant_withdraw", tenant, grant.pk)).content.decode()
    assert "1 person loses all access to production" in page
    assert "Dana Petrova" in page
    assert tenant.grants.exists()


def test_form_is_filled_in_by_its_address(org, owner, member, tenant, as_user):
    query = {"holder": person(member), "role": tenant_role(org, "operator").pk}
    page = as_user(owner).get(url("grant_give", tenant), query).content.decode()
    assert "1 person gets access to production" in page
    assert f'value="{person(member)}" selected' in page


def test_effect_needs_the_same_queries_for_a_large_team(org, owner, tenant, as_user, count_queries):
    client, numbers = as_user(owner), []
    team = make_team(org, members=[make_member(org)])
    data = {"holder": f"team:{team.uuid}", "role": tenant_role(org, "viewer").pk, "review": "1"}
    for more in (0, 3):
        team.user_set.add(*(make_member(org) for _ in range(more)))
        numbers.append(count_queries(lambda: client.post(url("grant_give", tenant), data)))
    assert numbers[0] == numbers[1]


# -- all roles of one holder


def set_roles(client, tenant, holder, *slugs, **extra):
    kind, key = ("team", holder.uuid) if hasattr(holder, "uuid") else ("person", holder.membership.pk)
    roles = [str(tenant_role(tenant.organization, slug).pk) for slug in slugs]
    return client.post(url(f"{kind}_roles", tenant, key), {"role": roles or "", **extra})


def until(org, slug):
    return f"until_{tenant_role(org, slug).pk}"


def test_roles_of_people_of_elsewhere_are_not_found(owner, tenant, as_user):
    other = make_org("Other")
    assert set_roles(as_user(owner), tenant, make_member(other), "viewer").status_code == 404
    assert set_roles(as_user(owner), tenant, make_team(other), "viewer").status_code == 404


def test_change_is_one_step_and_undo_brings_everything_back(org, owner, member, tenant, as_user):
    client = as_user(owner)
    give(client, tenant, person(member), "viewer", expires_on="2099-12-31")
    make_grant(tenant, member, "operator")
    page = set_roles(client, tenant, member, "developer")
    assert roles_of(tenant, member) == {"developer"}
    assert done().latest("id").action == "grant.changed"
    follow_undo(client, client.get(page.url))
    assert roles_of(tenant, member) == {"viewer", "operator"}
    ends = dict(tenant.grants.values_list("role__slug", "expires_at"))
    assert (timezone.localdate(ends["viewer"]), ends["operator"]) == (date(2099, 12, 31), None)


def test_form_of_all_roles_offers_the_usual_ends(owner, member, tenant, as_user):
    page = as_user(owner).get(url("person_roles", tenant, member.membership.pk)).content.decode()
    week = timezone.localdate() + timedelta(days=7)
    assert f'<option value="{week}" label="In 1 week">' in page
    assert page.count('list="quick-ends"') == tenant.organization.roles.tenant_level().count()


def test_no_role_takes_all_away(owner, member, tenant, as_user):
    make_grant(tenant, member, "viewer")
    page = set_roles(as_user(owner), tenant, member)
    assert "no longer has a role here" in as_user(owner).get(page.url).content.decode()
    assert not tenant.grants.exists()


def test_day_left_alone_keeps_its_second_and_that_of_others_does_not_matter(
    org, owner, member, tenant, as_user
):
    soon = timezone.now() + timedelta(days=3)
    make_grant(tenant, member, "viewer", expires_at=soon)
    extra = {until(org, "viewer"): f"{timezone.localdate(soon)}", until(org, "admin"): "1999-01-01"}
    set_roles(as_user(owner), tenant, member, "viewer", "operator", **extra)
    assert tenant.grants.get(role__slug="viewer").expires_at == soon
    assert roles_of(tenant, member) == {"viewer", "operator"}


def test_past_day_and_role_of_elsewhere_are_refused(org, owner, member, tenant, as_user):
    client = as_user(owner)
    assert (
        set_roles(client, tenant, member, "viewer", **{until(org, "viewer"): "1999-01-01"}).status_code == 422
    )
    wrong = {"role": tenant_role(make_org("Other"), "viewer").pk}
    answer = client.post(url("person_roles", tenant, member.membership.pk), wrong)
    assert answer.status_code == 422
    assert not tenant.grants.exists()


def test_effect_of_a_change_is_said(org, owner, member, tenant, as_user):
    team = make_team(org, members=[member])
    make_grant(tenant, team, "viewer")
    page = set_roles(as_user(owner), tenant, team, "developer", review="1").content.decode()
    assert "1 person gains create, update, share and" in page
    page = set_roles(as_user(owner), tenant, team, "viewer", review="1").content.decode()
    assert "No one gains or loses any rights." in page
    assert tenant.grants.get().role.slug == "viewer"


def test_withdraw_ends_the_role_and_offers_undo(owner, member, tenant, as_user):
    grant = make_grant(tenant, member, "viewer")
    answer = as_user(owner).post(url("grant_withdraw", tenant, grant.pk), follow=True)
    assert not tenant.grants.exists()
    assert "no longer has the Viewer role" in answer.content.decode()
    assert done().get().action == "grant.withdrawn"


def test_org_admin_joins_and_it_is_recorded_and_shown(owner, tenant, as_user):
    client = as_user(owner)
    assert "Join with a role" in client.get(url("members", tenant)).content.decode()
    client.post(url("join", tenant), {"role": tenant_role(tenant.organization, "developer").pk})
    assert tenant.grants.get().role.slug == "developer"
    assert done().get().action == "tenant.joined"
    page = client.get(url("members", tenant)).content.decode()
    assert "Joined on their own" in page
    assert "Join with a role" not in page


def test_superuser_outside_the_organization_is_told_why_they_cannot_join(superuser, tenant, as_user):
    answer = as_user(superuser).post(
        url("join", tenant), {"role": tenant_role(tenant.organization, "viewer").pk}
    )
    assert answer.status_code == 422
    assert "not a member" in answer.content.decode()


# -- the list


def test_strongest_source_decides_and_all_are_listed(org, owner, member, tenant):
    make_grant(tenant, member, "viewer", giver=owner)
    make_grant(tenant, make_team(org, "risk-ml", members=[member]), "editor")
    row = next(row for row in person_rows(tenant, members_in(tenant)) if row.user == member)
    assert (row.role.slug, row.elsewhere.slug) == ("editor", "editor")
    assert [grant.role.slug for grant in row.direct] == ["viewer"]
    assert [(source.kind, source.note) for source in row.sources] == [
        ("team", ""),
        ("direct", "Direct, by Ada Okafor"),
    ]


def test_org_admin_without_a_role_is_listed_without_one(owner, tenant):
    row = person_rows(tenant, members_in(tenant))[0]
    assert (row.user, row.role, row.sources[0].kind) == (owner, None, "organization")


def test_expired_grants_are_not_listed(member, tenant):
    make_grant(tenant, member, "viewer", expires_at=timezone.now() - timedelta(days=1))
    assert member not in [row.user for row in person_rows(tenant, members_in(tenant))]


def test_role_that_ends_names_what_is_left(org, member, tenant):
    make_grant(tenant, member, "admin", expires_at=timezone.now() + timedelta(days=5))
    make_grant(tenant, make_team(org, members=[member]), "viewer")
    row = next(row for row in person_rows(tenant, members_in(tenant)) if row.user == member)
    assert row.ends is not None
    assert row.then == "Viewer"


def test_creator_did_not_join_on_their_own(owner, tenant):
    tenant.created_by = owner
    tenant.save()
    make_grant(tenant, owner, "admin", giver=owner)
    assert person_rows(tenant, members_in(tenant))[0].sources[0].note == "Created the tenant"


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
    assert url("person_roles", tenant, member.membership.pk) not in page
    assert "withdraw" not in page


def test_roles_are_chips_with_their_end_and_a_hint_counts_those_that_end_soon(owner, member, tenant, as_user):
    make_grant(tenant, member, "viewer")
    make_grant(tenant, member, "operator", expires_at=timezone.now() + timedelta(days=6))
    page = as_user(owner).get(url("members", tenant)).content.decode()
    assert page.count('class="chip grant"') == 2
    assert "1 role expires within 7 days." in page
    for grant in tenant.grants.all():
        assert url("grant_withdraw", tenant, grant.pk) in page


def test_long_list_has_pages(org, owner, tenant, as_user, monkeypatch):
    monkeypatch.setattr("tenants.access.pages.member_views.PAGE_SIZE", 2)
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
