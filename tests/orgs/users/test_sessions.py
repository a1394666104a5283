"""Where a person is signed in, and how that ends."""

import re

import pytest
from django.test import Client
from factories import PASSWORD, make_user

from orgs.audit.models import AuditEvent
from orgs.users.sessions import browser_of

PAGE = "/settings/sessions/"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0"
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Version/19.0 Safari/604.1"
)


@pytest.fixture
def ada(db):
    return make_user("ada@example.org")


def signed_in(person, agent=FIREFOX):
    """A browser that went through the sign-in page."""
    client = Client(HTTP_USER_AGENT=agent)
    client.post("/accounts/login/", {"login": person.email, "password": PASSWORD})
    assert client.get("/settings/").status_code == 200
    return client


@pytest.fixture
def laptop(ada):
    return signed_in(ada)


@pytest.fixture
def phone(ada):
    return signed_in(ada, PHONE)


def works(client) -> bool:
    return client.get("/settings/").status_code == 200


def last_action() -> str:
    return AuditEvent.objects.latest("number").action


def test_anonymous_has_to_sign_in(client, db):
    assert client.get(PAGE).url == f"/accounts/login/?next={PAGE}"
    assert client.post(f"{PAGE}end/").url.startswith("/accounts/login/")


def test_sessions_of_others_are_neither_shown_nor_ended(laptop, ada):
    other = signed_in(make_user("dana@example.org"), PHONE)
    page = laptop.get(PAGE).content.decode()
    assert "iPhone" not in page
    row = make_user("x@example.org").usersession_set.model.objects.get(user__email="dana@example.org")
    assert laptop.post(f"{PAGE}{row.pk}/end/").status_code == 404
    assert works(other)


def test_page_shows_browser_address_and_which_is_this_one(laptop, phone):
    page = laptop.get(PAGE).content.decode()
    rows = re.findall(r"<li>.*?</li>", page.partition("Signed in")[2], re.DOTALL)
    assert [("Firefox on Linux" in row, "This browser" in row, "127.0.0.1" in row) for row in rows] == [
        (True, True, True),
        (False, False, True),
    ]
    assert "Safari on iPhone" in rows[1]


@pytest.mark.parametrize("more", [1, 3])
def test_any_number_of_sessions_takes_the_same_queries(ada, laptop, more, django_assert_num_queries):
    for _ in range(more):
        signed_in(ada, PHONE)
    with django_assert_num_queries(5):  # session, person, rows, sessions, organizations in the frame
        assert laptop.get(PAGE).content.decode().count("iPhone</b>") == more


def test_ending_one_leaves_the_others(laptop, phone, ada):
    tablet = signed_in(ada, PHONE.replace("iPhone", "iPad"))
    row = ada.usersession_set.get(user_agent=PHONE)
    laptop.post(f"{PAGE}{row.pk}/end/")
    assert (works(laptop), works(phone), works(tablet)) == (True, False, True)
    assert last_action() == "person.session_ended"
    assert "Safari on iPhone" not in laptop.get(PAGE).content.decode()


def test_ending_this_one_asks_as_signing_out_does(laptop, ada):
    row = ada.usersession_set.get()
    assert laptop.post(f"{PAGE}{row.pk}/end/").url == "/accounts/logout/"
    assert works(laptop)


def test_signing_out_everywhere_ends_also_sessions_that_have_no_row(laptop, phone, ada):
    unlisted = Client()
    unlisted.force_login(ada)
    laptop.post(f"{PAGE}end/")
    assert (works(laptop), works(phone), works(unlisted)) == (True, False, False)
    assert last_action() == "person.signed_out_everywhere"
    assert laptop.get(PAGE).content.decode().count('</b> <span class="pill t-ok">') == 1
    assert ada.usersession_set.count() == 1
    assert works(signed_in(ada))


def test_a_new_password_ends_the_other_sessions(laptop, phone):
    new = {"oldpassword": PASSWORD, "password1": "another horse staple", "password2": "another horse staple"}
    laptop.post("/accounts/password/change/", new)
    assert (works(laptop), works(phone)) == (True, False)
    assert last_action() == "person.password_changed"


def test_a_new_address_ends_the_other_sessions(laptop, phone, ada, mailoutbox):
    laptop.post("/accounts/reauthenticate/", {"password": PASSWORD})
    laptop.post("/accounts/email/", {"email": "new@example.org", "action_add": ""})
    assert works(phone)
    laptop.post(re.search(r"/accounts/confirm-email/\S+", mailoutbox[0].body)[0])
    assert (works(laptop), works(phone)) == (True, False)
    event = AuditEvent.objects.latest("number")
    assert (event.action, event.before, event.after, event.actor) == (
        "person.email_changed",
        {"email": "ada@example.org"},
        {"email": "new@example.org"},
        ada,
    )


def test_a_link_opened_in_another_browser_ends_all_sessions(laptop, phone, ada, mailoutbox):
    laptop.post("/accounts/reauthenticate/", {"password": PASSWORD})
    laptop.post("/accounts/email/", {"email": "new@example.org", "action_add": ""})
    Client().post(re.search(r"/accounts/confirm-email/\S+", mailoutbox[0].body)[0])
    assert (works(laptop), works(phone)) == (False, False)


def test_a_reset_password_ends_all_sessions(laptop, phone, ada, client, mailoutbox):
    client.post("/accounts/password/reset/", {"email": ada.email})
    link = re.search(r"/accounts/password/reset/key/\S+", mailoutbox[0].body)[0]
    form = client.get(link).url
    client.post(form, {"password1": "another horse staple", "password2": "another horse staple"})
    assert (works(laptop), works(phone)) == (False, False)
    event = AuditEvent.objects.latest("number")
    assert (event.action, event.actor, event.ip) == ("person.password_reset", ada, "127.0.0.1")


def test_an_address_changed_by_a_superuser_ends_all_sessions(laptop, ada, superuser, as_user):
    ada.email = "moved@example.org"
    data = {"email": ada.email, "name": "Ada", "is_active": "on"}
    as_user(superuser).post(f"/admin/users/user/{ada.pk}/change/", data)
    ada.refresh_from_db()
    assert ada.email == "moved@example.org"
    assert not works(laptop)


def test_the_row_is_written_at_most_once_in_five_minutes(laptop, ada):
    before = ada.usersession_set.get().last_seen_at
    laptop.get("/settings/")
    assert ada.usersession_set.get().last_seen_at == before
    session = laptop.session
    session["noted_at"] -= 301
    session.save()
    laptop.get("/settings/", HTTP_HX_REQUEST="true")
    assert ada.usersession_set.get().last_seen_at == before
    laptop.get("/settings/")
    assert ada.usersession_set.get().last_seen_at > before


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (FIREFOX, "Firefox on Linux"),
        (PHONE, "Safari on iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/150.0 Safari/537.36 Edg/150.0", "Edge on Windows"),
        ("curl/8.1", "curl"),
        ("", "A browser"),
    ],
)
def test_browsers_are_named(agent, name):
    assert browser_of(agent) == name
