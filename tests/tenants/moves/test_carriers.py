"""Where carriers bring databases and fetch them: with the ticket of the move, of the way and of the hour, once."""

import hashlib
import sqlite3
import stat
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone
from factories import make_tenant

from tenants.models import TenantMove
from tenants.moves.carriages import carriage_of, folder_of, forget
from tenants.moves.tickets import make_ticket


@pytest.fixture(autouse=True)
def data(settings, tmp_path):
    settings.ZENPRO_DATA, settings.ZENPRO_MOVE_SIZE = tmp_path, 100_000
    return tmp_path


@pytest.fixture
def move(org):
    return a_move(org)


def a_move(org, step="taking"):
    now, homes = timezone.now(), {"origin": "kubernetes", "destination": "local"}
    return TenantMove.objects.create(
        tenant=make_tenant(org), began_at=now, step_since=now, step=step, **homes
    )


@pytest.fixture
def database(tmp_path):
    file = tmp_path / "zenml.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE project (name TEXT)")
    return file.read_bytes()


def send(client, move, ticket, body, **headers):
    headers = {"X-Content-SHA256": hashlib.sha256(body).hexdigest()} | headers
    headers |= {"Authorization": f"Bearer {ticket}"} if ticket else {}
    return client.put(path(move), body, content_type="application/octet-stream", headers=headers)


def fetch(client, move, ticket, way="get"):
    return getattr(client, way)(path(move), headers={"Authorization": f"Bearer {ticket}"})


def path(move) -> str:
    return f"/api/moves/{move.pk}/database"


def test_a_database_arrives_once(client, move, database):
    ticket = make_ticket(move.pk, "out")
    assert send(client, move, ticket, database).status_code == 204
    sent = carriage_of(move).sent
    assert sent.read_bytes() == database and stat.S_IMODE(sent.stat().st_mode) == 0o600
    assert send(client, move, ticket, database).status_code == 404
    forget(move)
    assert not folder_of(move.pk).exists()


def test_a_database_is_fetched_once(client, move, database):
    TenantMove.objects.update(step="putting")
    carriage = carriage_of(move)
    carriage.file.parent.mkdir(parents=True)
    carriage.file.write_bytes(database)
    ticket = carriage.ticket("in")
    assert b"".join(fetch(client, move, ticket).streaming_content) == database
    assert fetch(client, move, ticket).status_code == 404


def test_whoever_has_no_ticket_finds_nothing(client, move, database, org):
    ticket, other = make_ticket(move.pk, "out"), a_move(org)
    wrong = [
        send(client, move, "", database),
        send(client, move, "made-up", database),
        send(client, other, ticket, database),
        fetch(client, move, ticket),
        fetch(client, move, ticket, "post"),
        fetch(client, move, ticket, "head"),
        fetch(client, move, ticket, "delete"),
        client.put(path(move), database, headers={"Authorization": f"Basic {ticket}"}),
        client.put(f"/api/moves/{uuid4()}/database", database, headers={"Authorization": f"Bearer {ticket}"}),
    ]
    assert [answer.status_code for answer in wrong] == [404] * len(wrong)
    assert not folder_of(move.pk).exists()
    assert send(client, move, ticket, database).status_code == 204


ENDED = {
    "an hour later": {"ticket_until": timezone.now() - timedelta(seconds=1)},
    "a step later": {"step": "putting"},
    "a move that is over": {"ended_at": timezone.now()},
}


@pytest.mark.parametrize("how", ENDED)
def test_tickets_end(client, move, database, how):
    ticket = make_ticket(move.pk, "out")
    TenantMove.objects.update(**ENDED[how])
    assert send(client, move, ticket, database).status_code == 404


def test_a_new_ticket_ends_the_one_before_and_none_is_kept(client, move, database):
    old, new = make_ticket(move.pk, "out"), make_ticket(move.pk, "out")
    assert new not in str(TenantMove.objects.values().get(pk=move.pk))
    assert send(client, move, old, database).status_code == 404
    assert send(client, move, new, database).status_code == 204


@pytest.mark.parametrize("extra", [b"x" * 100_000, None], ids=["too large", "not whole"])
def test_nothing_stays_of_what_is_too_large_or_not_whole(client, move, database, extra):
    ticket = make_ticket(move.pk, "out")
    body = database + extra if extra else database[:-1]
    answer = send(client, move, ticket, body, **{"X-Content-SHA256": hashlib.sha256(database).hexdigest()})
    assert answer.status_code == (413 if extra else 422)
    assert list(folder_of(move.pk).iterdir()) == []
    assert send(client, move, ticket, database).status_code == 404  # it is spent


def test_what_does_not_begin_as_a_database_is_none(client, move):
    assert send(client, move, make_ticket(move.pk, "out"), b"#!/bin/sh\n" * 10).status_code == 422


def test_a_link_in_place_of_the_copy_is_not_followed(client, move, tmp_path):
    TenantMove.objects.update(step="putting")
    (tmp_path / "keys.json").write_text("secret")
    carriage_of(move).file.parent.mkdir(parents=True)
    carriage_of(move).file.symlink_to(tmp_path / "keys.json")
    with pytest.raises(OSError, match="symbolic links"):
        fetch(client, move, make_ticket(move.pk, "in"))
