"""Sign-in limits: for the person and for the address, in all processes of the installation."""

import re
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection, connections
from django.test import Client
from factories import PASSWORD, make_user

from orgs.users.limits import in_words
from zenpro_site.settings import CACHES

pytestmark = pytest.mark.zenml  # real processes, though not ZenML's

OFTEN_PERSON, OFTEN_ADDRESS = 5, 10
HOME, OFFICE, CAFE = "192.0.2.1", "192.0.2.2", "192.0.2.3"


def try_in(email: str, address: str, password: str = "guessed", path: str = "/accounts/login/"):
    """A browser at the address tries to sign in."""
    client = Client(REMOTE_ADDR=address)
    return client.post(path, {"login": email, "password": password})


def status_of(*attempt) -> int:
    return try_in(*attempt).status_code


@pytest.fixture
def shared_cache(transactional_db, settings):
    """The cache of the real settings: a table of the database."""
    settings.CACHES = CACHES
    call_command("createcachetable", verbosity=0)
    cache.clear()
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE zenpro_cache")


def in_another_process(attempts: list[tuple]) -> list[int]:
    """Statuses of the attempts, made in a process of its own."""
    connections.close_all()
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        return pool.submit(_all, attempts).result()


def _all(attempts: list[tuple]) -> list[int]:
    connections.close_all()
    try:
        return [status_of(*attempt) for attempt in attempts]
    finally:
        connections.close_all()


def test_failures_in_one_process_count_in_another_for_the_person(shared_cache):
    ada, dana = make_user("ada@example.org"), make_user("dana@example.org")
    assert in_another_process([(ada.email, HOME)] * OFTEN_PERSON) == [200] * OFTEN_PERSON
    more = [(ada.email, OFFICE), (ada.email.upper(), CAFE, PASSWORD), (dana.email, HOME, PASSWORD)]
    assert in_another_process(more) == [429, 429, 302]


def test_failures_in_one_process_count_in_another_for_the_address(shared_cache):
    ada = make_user("ada@example.org")
    attempts = [(f"person{number}@example.org", HOME) for number in range(OFTEN_ADDRESS)]
    assert in_another_process(attempts) == [200] * OFTEN_ADDRESS
    assert in_another_process([(ada.email, HOME, PASSWORD), (ada.email, OFFICE, PASSWORD)]) == [429, 302]


def test_many_addresses_do_not_push_a_limit_out_of_the_cache():
    assert CACHES["default"]["OPTIONS"]["MAX_ENTRIES"] >= 100_000


def test_the_refusal_says_how_long_to_wait(db):
    for _ in range(OFTEN_PERSON):
        assert "not correct" in try_in("ada@example.org", HOME).content.decode()
    refused = try_in("ada@example.org", HOME)
    page = refused.content.decode()
    assert refused.status_code == 429
    assert "Wait 5 minutes, then try again." in page
    assert "ZenPro" in page
    assert 290 <= int(refused["Retry-After"]) <= 300


def test_sign_ins_that_succeed_do_not_count(db):
    ada = make_user("ada@example.org")
    assert [status_of(ada.email, HOME, PASSWORD) for _ in range(OFTEN_PERSON + 1)] == [302] * (
        OFTEN_PERSON + 1
    )


def test_too_many_requests_of_one_address_are_refused_in_our_look(db):
    person = "ada@example.org"
    answers = [Client(REMOTE_ADDR=HOME).post("/accounts/login/", {"login": person}) for _ in range(31)]
    assert answers[-2].status_code == 200
    assert answers[-1].status_code == 429
    assert "Too many attempts" in answers[-1].content.decode()
    assert re.search(r"Wait (1 minute|\d\d seconds), then try again.", answers[-1].content.decode())


def test_the_administration_is_behind_the_same_sign_in(client, superuser):
    assert client.get("/admin/").url == "/admin/login/?next=/admin/"
    assert client.get("/admin/login/?next=/admin/").url == "/accounts/login/?next=/admin/"
    answer = client.post("/admin/login/?next=/admin/", {"username": superuser.email, "password": PASSWORD})
    assert answer.url == "/accounts/login/?next=/admin/"
    assert client.get("/settings/").status_code == 302  # not signed in
    for _ in range(OFTEN_PERSON):
        try_in(superuser.email, HOME, path="/accounts/login/?next=/admin/")
    assert status_of(superuser.email, HOME, PASSWORD, "/accounts/login/?next=/admin/") == 429


def test_confirming_a_password_is_limited_too(as_user, db):
    client = as_user(make_user("ada@example.org"))
    answers = [
        client.post("/accounts/reauthenticate/", {"password": "guessed"}) for _ in range(OFTEN_PERSON + 1)
    ]
    assert [answer.status_code for answer in answers] == [200] * OFTEN_PERSON + [429]


@pytest.mark.parametrize(
    ("proxies", "forwarded", "counted"),
    [
        (0, "203.0.113.9", HOME),  # anyone can write the header
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "10.0.0.1, 203.0.113.9", "203.0.113.9"),
        (2, "203.0.113.9, 10.0.0.1", "203.0.113.9"),
        (2, "203.0.113.9", HOME),  # came past the outer one
        (1, "nonsense", None),
        (1, "", HOME),
    ],
)
def test_address_behind_proxies(client, db, settings, proxies, forwarded, counted):
    settings.ZENPRO_PROXIES = proxies
    answer = client.get("/livez", REMOTE_ADDR=HOME, HTTP_X_FORWARDED_FOR=forwarded)
    assert answer.wsgi_request.origin.ip == counted


def test_waiting_in_words():
    assert [in_words(seconds) for seconds in (1, 59, 60, 61, 300)] == [
        "1 second",
        "59 seconds",
        "1 minute",
        "2 minutes",
        "5 minutes",
    ]
