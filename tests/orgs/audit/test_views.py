from datetime import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from factories import make_member, make_org, make_team

from orgs.audit import filters, views
from orgs.audit.models import AuditEvent
from orgs.audit.sentences import SENTENCES
from orgs.audit.verify import verify
from orgs.users.models import Actor, Origin


@pytest.fixture
def address(org):
    return reverse("audit:list", args=[org.slug])


def record(org, person, action="team.created", label="risk", origin=None, **fields):
    team = org.teams.filter(label=label).first() or make_team(org, label)
    return AuditEvent.objects.record(
        action, team, by=person and Actor(person, origin or Origin()), organization=org, **fields
    )


@pytest.mark.parametrize("role", ["editor", "viewer", "member"])
def test_only_admins_read_it(org, as_user, address, role):
    assert as_user(make_member(org, role)).get(address).status_code == 403
    assert not AuditEvent.objects.exists(), "a refused page is not a refused change"


def test_events_of_another_organization_are_not_shown(org, owner, as_user, address):
    other = make_org("Other")
    record(other, make_member(other, "admin"), label="theirs")
    assert "theirs" not in as_user(owner).get(address).content.decode()


def test_one_sentence_with_details(org, owner, as_user, address):
    record(
        org,
        owner,
        "team.updated",
        origin=Origin("page", "192.0.2.7", "req-1"),
        before={"name": "risk", "role": ""},
        after={"name": "fraud", "role": "admin"},
    )
    page = as_user(owner).get(address).content.decode()
    assert "<b><bdi>Ada Okafor</bdi></b> changed team <b><bdi>risk</bdi></b>" in page
    assert '<td class="del">risk</td><td class="add">fraud</td>' in page
    assert '<td class="del">none</td><td class="add">Admin</td>' in page
    assert "192.0.2.7" in page and "req-1" in page


def test_names_are_escaped(org, owner, as_user, address):
    record(org, owner, label="<script>alert(1)</script>")
    assert "<script>alert" not in as_user(owner).get(address).content.decode()


@pytest.mark.parametrize(
    ("query", "labels"),
    [
        ({}, ["c", "b", "a"]),
        ({"action": "team.deleted"}, ["b"]),
        ({"outcome": "refused"}, ["c"]),
        ({"actor": "system"}, ["b"]),
        ({"q": "A"}, ["c", "a"]),
        ({"q": "nothing"}, []),
        ({"action": "no.such"}, []),
        ({"target": "team"}, ["c", "b", "a"]),
        ({"target": "tenant"}, []),
        ({"object": "team:no-such"}, []),
        ({"object": "nonsense"}, []),
        ({"since": "2000-01-01", "until": "2999-12-31"}, ["c", "b", "a"]),
        ({"since": "2999-12-31"}, []),
        ({"until": "2000-01-01"}, []),
        ({"since": "yesterday"}, []),
        ({"until": "9999-12-31"}, []),
        ({"since": "0001-01-01"}, []),
    ],
)
def test_filters(org, as_user, address, query, labels):
    owner = make_member(org, "admin", name="Mara")
    record(org, owner, label="a")
    record(org, None, "team.deleted", label="b")
    record(org, owner, "access.refused", label="c", outcome="refused")
    events = as_user(owner).get(address, query).context["events"]
    assert [one.event.target_label for one in events] == labels


def test_filter_by_person(org, owner, editor, as_user, address):
    record(org, owner, label="a")
    record(org, editor, label="b")
    events = as_user(owner).get(address, {"actor": str(editor.pk)}).context["events"]
    assert [one.event.actor for one in events] == [editor]


def test_list_of_people_is_short_and_holds_the_chosen_one(org, owner, as_user, address, monkeypatch):
    monkeypatch.setattr(filters, "PEOPLE", 2)
    people = [make_member(org) for _ in range(4)]
    for person in people:
        record(org, person)
    client = as_user(owner)
    for person in people:
        page = client.get(address, {"actor": str(person.pk)})
        assert [one.event.actor for one in page.context["events"]] == [person]
        assert page.content.decode().count('<option value="') <= 3 + 1 + 1 + len(SENTENCES) + 3 + 3
    stranger = make_member(make_org())
    assert not client.get(address, {"actor": str(stranger.pk)}).context["events"]


def test_days_are_those_of_our_time_zone_and_included(org, owner, as_user, address, settings):
    settings.TIME_ZONE = "Pacific/Auckland"
    for label, at in (
        ("a", "2026-11-22T10:59:59Z"),
        ("b", "2026-11-22T11:00:00Z"),
        ("c", "2026-11-23T11:00:00Z"),
    ):
        event = record(org, owner, label=label)
        AuditEvent._base_manager.filter(pk=event.pk).update(at=datetime.fromisoformat(at))
    query = {"since": "2026-11-23", "until": "2026-11-23"}
    assert [one.event.target_label for one in as_user(owner).get(address, query).context["events"]] == ["b"]


def test_everything_about_one_object_is_a_link_away(org, owner, as_user, address):
    first, other = record(org, owner, label="a"), record(org, owner, label="b")
    client = as_user(owner)
    link = f"?object=team:{first.target_id}"
    assert link in client.get(address).content.decode()
    page = client.get(address + link)
    assert [one.event for one in page.context["events"]] == [first] and other
    assert "One object only" in page.content.decode()


def test_links_of_the_files_keep_the_filters(org, owner, as_user, address):
    record(org, owner)
    query = {"q": "risk", "outcome": "done", "before": "99"}
    page = as_user(owner).get(address, query).content.decode()
    for suffix in ("csv", "jsonl"):
        assert f'href="{address}export.{suffix}?q=risk&amp;outcome=done"' in page
    headers = {"HX-Request": "true", "HX-Target": "events"}
    assert (
        'id="exports" hx-swap-oob="true"'
        in as_user(owner).get(address, query, headers=headers).content.decode()
    )
    assert "hx-swap-oob" not in page


def test_page_tells_only_of_checks_that_happened(org, owner, as_user, address):
    record(org, owner)
    client = as_user(owner)
    page = client.get(address).content.decode()
    assert "The chain has not been checked yet" in page and "Chain checked" not in page
    verify()
    page = client.get(address).content.decode()
    assert "Chain checked" in page and "has not been checked" not in page
    AuditEvent._base_manager.update(action="team.deleted")
    verify()
    page = client.get(address).content.decode()
    assert "Chain broken" in page and "#1 was changed" in page and "Chain checked" not in page


def test_older_events_do_not_move_when_new_ones_come(org, owner, as_user, address, monkeypatch):
    monkeypatch.setattr(views, "PAGE", 2)
    first, second, third = (record(org, owner, label=label) for label in "abc")
    client = as_user(owner)
    page = client.get(address)
    assert [one.event for one in page.context["events"]] == [third, second]
    record(org, owner, label="d")
    older = client.get(address, {"before": page.context["older"]})
    assert [one.event for one in older.context["events"]] == [first]
    assert older.context["older"] is None


@pytest.mark.parametrize("before", ["x", "-1", "9" * 30])
def test_a_strange_position_is_no_error(owner, as_user, address, before):
    newest = as_user(owner).get(address)
    page = as_user(owner).get(address, {"before": before})
    assert page.status_code == 200
    assert [one.event for one in page.context["events"]] == [one.event for one in newest.context["events"]]


def test_htmx_gets_the_events_only(org, owner, as_user, address):
    record(org, owner)
    headers = {"HX-Request": "true", "HX-Target": "events"}
    body = as_user(owner).get(address, headers=headers).content.decode()
    assert body.lstrip().startswith('<div id="events"')


def test_asks_as_often_for_three_as_for_one(org, owner, as_user, address):
    client, counts = as_user(owner), []
    client.get(address)
    for more in (1, 2):
        for _ in range(more):
            record(org, make_member(org))
        with CaptureQueriesContext(connection) as asked:
            client.get(address)
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_refused_change_is_recorded_once_with_the_right(org, viewer, as_user):
    as_user(viewer).post(reverse("teams:create", args=[org.slug]), {"label": "mine"})
    event = AuditEvent.objects.get()
    assert (event.actor, event.organization, event.target_label) == (viewer, org, "Acme AI")
    assert event.after == {"right": "team:manage", "page": "teams:create"}
    assert event.ip == "127.0.0.1"


def test_outsider_leaves_no_row(org, outsider, as_user):
    as_user(outsider).post(reverse("teams:create", args=[org.slug]), {"label": "mine"})
    assert not AuditEvent.objects.exists()
