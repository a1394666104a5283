"""The list of members: filters in the address, Undo, the file, and how much it asks the database."""

import csv
import io
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from factories import make_grant, make_member, make_service_account, make_team, make_tenant

from orgs.audit.models import AuditEvent
from orgs.models import Membership

ROWS = {"HX-Request": "true", "HX-Target": "rows"}
OWN_QUERIES = 8  # besides what every page of an organization asks


def members(org):
    return reverse("orgs:members", args=[org.slug])


def export(org):
    return reverse("orgs:members_export", args=[org.slug])


def text(response):
    return response.content.decode()


def names(response):
    return [row.membership.user.name for row in response.context["rows"]]


def saw(user, **ago):
    get_user_model().objects.filter(pk=user.pk).update(last_active_at=timezone.now() - timedelta(**ago))


def test_state_filters(as_user, org, owner, viewer, member):
    saw(viewer, days=3)
    viewer.is_active = False
    viewer.save(update_fields=["is_active"])
    client = as_user(owner)
    assert names(client.get(members(org), {"state": "never"})) == ["Dana Petrova"]
    assert names(client.get(members(org), {"state": "inactive"})) == ["Chen Wei"]
    assert len(names(client.get(members(org), {"state": "nonsense", "team": "nonsense"}))) == 3
    page = text(client.get(members(org), {"state": "never"}, headers=ROWS))
    assert f"{export(org)}?state=never" in page and 'hx-swap-oob="true"' in page


def test_whose_sign_in_is_weak_is_for_those_who_manage_members(as_user, org, owner, viewer, member):
    make_service_account(org)
    Authenticator.objects.create(user=member, type=Authenticator.Type.TOTP, data={})
    Authenticator.objects.create(user=viewer, type=Authenticator.Type.RECOVERY_CODES, data={})
    weak = {"state": "weak"}
    response = as_user(owner).get(members(org), weak)
    assert names(response) == ["Ada Okafor", "Chen Wei"] and "Without two-factor" in text(response)
    assert "Two-factor is on" in text(as_user(owner).get(member.membership.get_absolute_url()))
    response = as_user(viewer).get(members(org), weak)
    assert len(names(response)) == 3 and "Without two-factor" not in text(response)
    assert "wo-factor" not in text(as_user(viewer).get(member.membership.get_absolute_url()))


def test_undo_keeps_the_filters(as_user, org, owner, member):
    client = as_user(owner)
    address = reverse("orgs:member_role", args=[org.slug, member.membership.pk])
    page = text(client.post(address + "?q=dana&page=1", {"role": "editor"}, headers=ROWS))
    assert 'name="back" value="q=dana&amp;page=1"' in page
    response = client.post(address, {"role": "member", "on": "", "back": "q=dana&page=1"})
    assert response.url == members(org) + "?q=dana&page=1"


def test_back_leads_nowhere_else(as_user, org, owner, member):
    address = reverse("orgs:member_role", args=[org.slug, member.membership.pk])
    response = as_user(owner).post(address, {"role": "editor", "back": "//evil.example/"})
    assert response.url == members(org) + "?//evil.example/"


# The file


def table(response):
    return list(csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode())))


def test_the_file_honours_filters_and_what_one_may_see(as_user, org, owner, viewer, member):
    make_service_account(org)
    team = make_team(org, "risk-ml", members=[member])
    make_grant(make_tenant(org, "secret"), team, "viewer")
    saw(member, days=1)
    client = as_user(owner)
    rows = table(client.get(export(org), {"q": "dana"}))
    assert [(row["name"], row["email"], row["role"], row["teams"], row["tenants"]) for row in rows] == [
        ("Dana Petrova", member.email, "Member", "risk-ml", "1 of 1")
    ]
    assert rows[0]["active"] == "yes" and rows[0]["last_active"].startswith("20")
    assert [row["name"] for row in table(client.get(export(org)))] == [
        "Ada Okafor",
        "Chen Wei",
        "Dana Petrova",
    ]
    event = next(
        one for one in AuditEvent.objects.filter(action="member.exported") if one.after["people"] == 1
    )
    assert (event.actor, event.after["filters"]) == (owner, {"q": "dana"})
    assert table(as_user(viewer).get(export(org), {"q": "dana"}))[0]["tenants"] == "None"


def test_a_member_takes_no_list_away(as_user, org, owner, member):
    assert as_user(member).get(export(org)).status_code == 403
    assert not AuditEvent.objects.filter(outcome="done").exists()


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "＝1"])
def test_no_cell_is_a_formula(as_user, org, owner, name):
    somebody = make_member(org)
    type(somebody).objects.filter(pk=somebody.pk).update(name=name)  # no form takes some of these names
    cells = [row["name"] for row in table(as_user(owner).get(export(org)))]
    assert f"'{name}" in cells


def test_the_file_asks_as_often_for_many_as_for_few(as_user, org, owner, monkeypatch):
    client, counts = as_user(owner), []
    for _ in range(3):
        make_team(org, members=[make_member(org)])
        with CaptureQueriesContext(connection) as queries:
            table(client.get(export(org)))
        counts.append(len(queries))
    assert counts[1:] == [counts[1]] * 2
    monkeypatch.setattr("zenpro_site.pages.member_export.AT_ONCE", 2)
    assert len(table(client.get(export(org)))) == 4


# What it costs


def queries_of(client, address) -> int:
    client.get(address)
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200
    return len(queries)


@pytest.mark.thorough
def test_ten_thousand_need_as_many_queries_as_ten(as_user, org, owner):
    team, tenant, client = make_team(org), make_tenant(org), as_user(owner)
    for _ in range(9):
        person = make_member(org)
        team.user_set.add(person)
        make_grant(tenant, person)
    few = queries_of(client, members(org))
    frame = queries_of(client, reverse("orgs:leave", args=[org.slug]))
    model = get_user_model()
    people = [
        model(email=f"p{n}@example.org", username=f"p{n}", name=f"Person {n:05}", password="!")
        for n in range(10_000)
    ]
    model.objects.bulk_create(people)
    Membership.objects.bulk_create(Membership(organization=org, user=person) for person in people)
    assert queries_of(client, members(org)) == few
    assert few - frame <= OWN_QUERIES
    deep = f"{members(org)}?page=200&q=person"
    assert queries_of(client, deep) == few
    assert len(client.get(deep).context["rows"]) == 25


class TestWhoManagesEveryTenant:
    """By a team's role or as a superuser as much as by one's own: the list says what decides."""

    @pytest.fixture(autouse=True)
    def tenants(self, org):
        make_tenant(org, "a"), make_tenant(org, "b")

    def words(self, as_user, owner, org, person) -> str:
        rows = as_user(owner).get(members(org)).context["rows"]
        return {row.membership.user: row.tenants for row in rows}[person]

    def page(self, as_user, owner, person) -> str:
        return text(as_user(owner).get(person.memberships.get().get_absolute_url()))

    def test_through_a_team(self, as_user, org, owner, member):
        assert self.words(as_user, owner, org, member) == "None"
        make_team(org, "Platform", members=[member], org_role="admin")
        assert self.words(as_user, owner, org, member) == "All 2"
        assert f"{member} manages every tenant here." in self.page(as_user, owner, member)
        assert "As Member," not in self.page(as_user, owner, member)

    def test_as_a_superuser(self, as_user, org, owner, member):
        get_user_model().objects.filter(pk=member.pk).update(is_superuser=True)
        assert self.words(as_user, owner, org, member) == "All 2"

    def test_by_ones_own_role(self, as_user, org, owner, member):
        assert self.words(as_user, owner, org, owner) == "All 2"
        assert f"As Admin, {owner} manages every tenant here." in self.page(as_user, owner, owner)
        assert "manages every tenant" not in self.page(as_user, owner, member)
