"""The log as a file: only for those who may read it, as a stream, safe to open, and recorded."""

import csv
import json
import re
from io import StringIO

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from factories import make_member, make_org, make_team

from orgs.audit import verify
from orgs.audit.chain import digest
from orgs.audit.export import FORMULA
from orgs.audit.models import AuditEvent
from orgs.users.models import Actor, Origin

FORMS = ["csv", "jsonl"]


@pytest.fixture
def take(org, owner, as_user):
    """take("csv", q="x"): the text of the file, taken by the Admin."""

    def get(form, **query):
        response = as_user(owner).get(address(org, form), query)
        assert response.status_code == 200 and response.streaming
        return b"".join(response.streaming_content).decode()

    return get


def address(org, form: str) -> str:
    return reverse(f"audit:export_{form}", args=[org.slug])


def record(org, label="risk", action="team.created", **fields):
    return AuditEvent.objects.record(action, make_team(org, label), organization=org, **fields)


def table(text: str) -> list[dict]:
    return list(csv.DictReader(StringIO(text)))


def objects(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("role", ["editor", "viewer", "member"])
def test_only_admins_take_it(org, as_user, role, form):
    record(org)
    assert as_user(make_member(org, role)).get(address(org, form)).status_code == 403
    assert AuditEvent.objects.count() == 1


@pytest.mark.parametrize("form", FORMS)
def test_strangers_find_nothing(org, outsider, as_user, client, form):
    assert client.get(address(org, form)).status_code == 302
    assert as_user(outsider).get(address(org, form)).status_code == 404
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("method", ["post", "head", "put", "delete"])
def test_it_is_only_read(org, owner, as_user, method):
    assert getattr(as_user(owner), method)(address(org, "csv")).status_code == 405
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("form", FORMS)
def test_events_of_another_organization_are_not_in_it(org, take, form):
    record(make_org("Other"), "theirs")
    record(org, "ours")
    text = take(form)
    assert "ours" in text and "theirs" not in text


@pytest.mark.parametrize("start", FORMULA)
def test_no_cell_is_a_formula(org, take, start):
    record(org, f"{start}1+1")
    for row in csv.reader(StringIO(take("csv"))):
        assert not [cell for cell in row if cell.startswith(FORMULA)]


def test_a_formula_in_the_fields_of_an_event_stays_inside_json(org, take):
    record(org, after={"=1+1": "=2"})
    (row,) = table(take("csv"))
    assert row["after"] == '{"=1+1": "=2"}'


def test_quotes_and_line_breaks_survive(org, take):
    record(org, 'a "b", c\nd <e> & f')
    (row,) = table(take("csv"))
    assert row["target_label"] == 'a "b", c\nd <e> & f'
    assert row["sentence"] == 'ZenPro created team a "b", c\nd <e> & f'


def test_oldest_first_with_all_that_is_needed_to_check_the_chain(org, owner, take):
    by = Actor(owner, Origin("page", "192.0.2.7", "req-1"))
    first, second = record(org, "a", by=by), record(org, "b", before={"x": 1}, after={"x": 2})
    rows = objects(take("jsonl"))
    assert [row["number"] for row in rows] == [first.number, second.number]
    assert rows[0]["actor_label"] == "Ada Okafor" and rows[0]["ip"] == "192.0.2.7"
    assert (rows[1]["before"], rows[1]["after"]) == ({"x": 1}, {"x": 2})
    for row, event in zip(rows, (first, second), strict=True):
        again = AuditEvent(**{name: value for name, value in row.items() if name not in ("sentence", "at")})
        again.at = event.at
        assert digest(again) == row["hash"] and row["at"] == event.at.isoformat()


@pytest.mark.parametrize(
    ("query", "labels"),
    [
        ({}, ["a", "b"]),
        ({"q": "a"}, ["a"]),
        ({"outcome": "refused"}, ["b"]),
        ({"actor": "system"}, ["a", "b"]),
        ({"action": "team.deleted"}, ["b"]),
        ({"target": "team"}, ["a", "b"]),
        ({"since": "2999-01-01"}, []),
        ({"since": "nonsense"}, []),
        ({"before": "1"}, ["a", "b"]),
    ],
)
def test_it_holds_what_the_page_shows(org, take, query, labels):
    record(org, "a")
    record(org, "b", "team.deleted", outcome="refused")
    assert [row["target_label"] for row in table(take("csv", **query))] == labels


def test_taking_it_away_is_an_event(org, owner, take):
    record(org, "a")
    record(org, "b")
    text = take("jsonl", q="a")
    event = AuditEvent.objects.latest("id")
    assert (event.action, event.actor, event.organization, event.via) == (
        "audit.exported",
        owner,
        org,
        "page",
    )
    assert event.after == {"form": "JSON lines", "filters": {"q": "a"}, "events": 1}
    assert "audit.exported" not in text
    assert not verify.verify().broken


@pytest.mark.parametrize(("form", "kind"), [("csv", "text/csv"), ("jsonl", "application/jsonl")])
def test_browsers_save_it_with_the_day_in_its_name(org, owner, as_user, form, kind):
    response = as_user(owner).get(address(org, form))
    assert response["Content-Type"].startswith(kind) and response["Cache-Control"] == "no-store"
    name = rf'attachment; filename="audit-acme-ai-\d{{4}}-\d\d-\d\d\.{form}"'
    assert re.fullmatch(name, response["Content-Disposition"])


def test_long_logs_are_read_in_chunks(org, owner, as_user, monkeypatch):
    monkeypatch.setattr(verify.in_chunks, "__defaults__", ("pk", 2))
    for number in range(5):
        record(org, f"team {number}")
    response = as_user(owner).get(address(org, "csv"))
    with CaptureQueriesContext(connection) as asked:
        text = b"".join(response.streaming_content).decode()
    assert [row["target_label"] for row in table(text)] == [f"team {number}" for number in range(5)]
    assert len(asked) == 3 and all("LIMIT 2" in query["sql"] for query in asked)


@pytest.mark.parametrize("form", FORMS)
def test_asks_as_often_for_three_as_for_one(org, take, form):
    counts = []
    take(form)
    for more in (1, 2):
        for _ in range(more):
            record(org, None, by=Actor(make_member(org)))
        with CaptureQueriesContext(connection) as asked:
            take(form)
        counts.append(len(asked))
    assert counts[0] == counts[1]
