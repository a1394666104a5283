"""Changing the address one signs in with, for accounts from wherever."""

import re

import pytest
from allauth.account.models import EmailAddress
from factories import PASSWORD, make_user

PAGE = "/accounts/email/"


@pytest.fixture
def ada(db):
    return make_user("ada@example.org")


def ask_for(client, address):
    """The password is asked for once more; then what was posted is done."""
    question = client.post(PAGE, {"email": address, "action_add": ""})
    assert question.url == "/accounts/reauthenticate/?next=%2Faccounts%2Femail%2F"
    client.post(question.url, {"password": PASSWORD})


def test_anonymous_has_to_sign_in(client, db):
    assert client.get(PAGE).url == f"/accounts/login/?next={PAGE}"


def test_page_names_the_address_in_use_as_confirmed(as_user, ada):
    page = as_user(ada).get(PAGE).content.decode()
    assert "is not confirmed yet" not in page
    assert EmailAddress.objects.values_list("email", "verified", "primary").get() == (ada.email, True, True)


def test_asking_for_another_address_changes_nothing_yet(as_user, ada):
    ask_for(as_user(ada), "new@example.org")
    ada.refresh_from_db()
    assert ada.email == "ada@example.org"


def test_the_address_in_use_cannot_be_removed(as_user, ada):
    as_user(ada).post(PAGE, {"email": ada.email, "action_remove": ""})
    ada.refresh_from_db()
    assert ada.email == "ada@example.org"


def test_without_the_password_no_link_is_sent(as_user, ada, mailoutbox):
    client = as_user(ada)
    question = client.post(PAGE, {"email": "new@example.org", "action_add": ""})
    client.post(question.url, {"password": "guessed"})
    assert mailoutbox == []
    assert EmailAddress.objects.get().email == ada.email


def test_the_link_in_the_mail_changes_it(as_user, ada, mailoutbox):
    client = as_user(ada)
    ask_for(client, "confirmed@example.org")
    link = re.search(r"/accounts/confirm-email/\S+", mailoutbox[0].body)[0]
    client.post(link)
    ada.refresh_from_db()
    assert (mailoutbox[0].to, ada.email) == (["confirmed@example.org"], "confirmed@example.org")
    assert EmailAddress.objects.get(primary=True).email == "confirmed@example.org"


def test_an_address_changed_by_a_superuser_counts(as_user, ada):
    client = as_user(ada)
    client.get(PAGE)
    ada.email = "moved@example.org"
    ada.save()
    ask_for(client, "new@example.org")
    ada.refresh_from_db()
    assert ada.email == "moved@example.org"
    assert EmailAddress.objects.get(primary=True).email == "moved@example.org"


def test_a_row_left_with_someone_else_does_not_stop_its_owner(as_user, ada):
    EmailAddress.objects.create(user=make_user("b@example.org"), email=ada.email, verified=True)
    assert as_user(ada).get(PAGE).status_code == 200
    assert EmailAddress.objects.get(email=ada.email).user == ada
