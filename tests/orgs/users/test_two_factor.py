"""Authenticator apps, recovery codes, and being asked who you are once more. Passkeys: test_browser.py."""

import re
import time

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.test import Client
from factories import PASSWORD, make_user

from orgs.access.factors import has_two_factor
from orgs.audit.models import AuditEvent

from .totp import code_of

INDEX = "/accounts/2fa/"
ACTIVATE = "/accounts/2fa/totp/activate/"
CODES = "/accounts/2fa/recovery-codes/"
REAUTHENTICATE = "/accounts/reauthenticate/"


@pytest.fixture
def ada(db):
    return make_user("ada@example.org")


@pytest.fixture
def confirmed(as_user, ada):
    """Ada's browser, with the password just typed once more."""
    client = as_user(ada)
    client.post(REAUTHENTICATE, {"password": PASSWORD})
    return client


@pytest.fixture
def key(confirmed, django_capture_on_commit_callbacks):
    """The key of an app that Ada has set up."""
    key = key_on(confirmed.get(ACTIVATE))
    with django_capture_on_commit_callbacks(execute=True):
        answer = confirmed.post(ACTIVATE, {"code": code_of(key)})
    assert answer.url == CODES
    return key


def key_on(page) -> str:
    return re.search(r'id="authenticator_secret"[^>]*value="(\w+)"', page.content.decode())[1]


def password_given(person) -> Client:
    client = Client()
    answer = client.post("/accounts/login/", {"login": person.email, "password": PASSWORD})
    client.answer = answer
    return client


def is_signed_in(client) -> bool:
    return client.get("/settings/").status_code == 200


def actions() -> list[str]:
    return list(AuditEvent.objects.order_by("number").values_list("action", flat=True))


def next_code(key) -> str:
    """Digits that were not used yet."""
    return code_of(key, time.time() + 30)


@pytest.mark.parametrize("path", [INDEX, ACTIVATE, CODES, f"{CODES}generate/", f"{INDEX}webauthn/add/"])
def test_anonymous_has_to_sign_in(client, db, path):
    assert client.get(path).url.startswith("/accounts/login/")


@pytest.mark.parametrize("path", [ACTIVATE, f"{INDEX}webauthn/add/"])
def test_setting_up_asks_for_the_password_once_more(as_user, ada, path):
    client = as_user(ada)
    assert client.get(path).url == f"{REAUTHENTICATE}?next={path.replace('/', '%2F')}"
    assert client.post(path, {"code": "123456"}).status_code == 302
    assert not has_two_factor(ada)


def test_a_wrong_password_does_not_confirm(as_user, ada):
    client = as_user(ada)
    client.post(REAUTHENTICATE, {"password": "something else"})
    assert client.get(ACTIVATE).url.startswith(f"{REAUTHENTICATE}?next=")


def test_someone_without_a_password_is_not_asked_for_one(as_user, ada):
    ada.set_unusable_password()
    ada.save()
    answer = as_user(ada).get(ACTIVATE)
    assert answer.status_code == 200
    assert 'name="code"' in answer.content.decode()


def test_a_mailbox_is_not_enough_to_confirm(as_user, ada):
    EmailAddress.objects.create(user=ada, email=ada.email, verified=True)
    client = as_user(ada)
    assert client.get(f"{REAUTHENTICATE}code/").status_code == 403
    assert f"{REAUTHENTICATE}code/" not in client.get(REAUTHENTICATE).content.decode()
    assert client.get(f"{REAUTHENTICATE}code/confirm/").status_code == 403


def test_wrong_digits_set_nothing_up(confirmed, ada):
    key = key_on(confirmed.get(ACTIVATE))
    page = confirmed.post(ACTIVATE, {"code": code_of(key, 0)})
    assert "This code is wrong" in page.content.decode()
    assert key_on(page) == key
    assert not has_two_factor(ada)
    assert actions() == []


def test_the_page_needs_neither_inline_styles_nor_data_urls(confirmed):
    page = confirmed.get(ACTIVATE).content.decode()
    assert '<svg class="qr"' in page
    assert " style=" not in page
    assert "data:" not in page


def test_an_app_is_set_up_with_its_digits_and_codes_to_recover(key, confirmed, ada):
    assert has_two_factor(ada)
    assert actions() == ["two_factor.app_added"]
    page = confirmed.get(CODES).content.decode()
    assert len(set(re.findall(r"<li>(\d{8})</li>", page))) == 10
    assert "10 of 10 left" in page
    download = confirmed.get(f"{CODES}download/")
    assert download["Content-Disposition"] == 'attachment; filename="recovery-codes.txt"'
    assert len(re.findall(r"^\d{8}$", download.content.decode(), re.MULTILINE)) == 10


def test_keys_are_stored_encrypted(key, ada):
    stored = str(list(Authenticator.objects.values_list("data", flat=True)))
    assert key not in stored
    assert stored.count("gAAAA") == 2


def test_the_password_alone_no_longer_signs_in(key, ada):
    client = password_given(ada)
    assert client.answer.url == "/accounts/2fa/authenticate/"
    assert not is_signed_in(client)


def test_password_and_digits_sign_in_once(key, ada):
    client, other = password_given(ada), password_given(ada)
    digits = next_code(key)
    client.post("/accounts/2fa/authenticate/", {"code": digits})
    assert is_signed_in(client)
    other.post("/accounts/2fa/authenticate/", {"code": digits})
    assert not is_signed_in(other)


def test_the_page_wanted_follows_the_second_step(key, ada):
    client = Client()
    client.post("/accounts/login/?next=/settings/sessions/", {"login": ada.email, "password": PASSWORD})
    answer = client.post("/accounts/2fa/authenticate/", {"code": next_code(key)})
    assert answer.url == "/settings/sessions/"


def test_a_recovery_code_signs_in_once(key, confirmed, ada):
    code = re.search(r"<li>(\d{8})</li>", confirmed.get(CODES).content.decode())[1]
    client, other = password_given(ada), password_given(ada)
    client.post("/accounts/2fa/authenticate/", {"code": code})
    assert is_signed_in(client)
    other.post("/accounts/2fa/authenticate/", {"code": code})
    assert not is_signed_in(other)
    assert "9 of 10 left" in confirmed.get(CODES).content.decode()


def test_new_recovery_codes_end_the_old(key, confirmed, ada):
    old = set(re.findall(r"<li>(\d{8})</li>", confirmed.get(CODES).content.decode()))
    confirmed.post(f"{CODES}generate/")
    new = set(re.findall(r"<li>(\d{8})</li>", confirmed.get(CODES).content.decode()))
    assert len(new) == 10
    assert not old & new
    assert actions()[-1] == "two_factor.codes_made"


def test_removing_the_app_ends_the_codes_as_well(key, confirmed, ada):
    confirmed.post("/accounts/2fa/totp/deactivate/")
    assert not Authenticator.objects.filter(user=ada).exists()
    assert actions()[1:] == ["two_factor.app_removed"]
    assert is_signed_in(password_given(ada))


def test_digits_confirm_that_it_is_really_them(key, ada):
    client = Client()
    client.force_login(ada)
    assert client.get(CODES).status_code == 302
    client.post("/accounts/2fa/reauthenticate/", {"code": next_code(key)})
    assert client.get(CODES).status_code == 200


def test_passkeys_of_others_are_neither_renamed_nor_removed(confirmed):
    other = passkey(make_user())
    for verb in ("edit", "remove"):
        assert (
            confirmed.post(f"/accounts/2fa/webauthn/keys/{other.pk}/{verb}/", {"name": "x"}).status_code
            == 404
        )
    other.refresh_from_db()
    assert str(other) == "Laptop"


def test_a_passkey_is_renamed_and_removed(confirmed, ada):
    mine = passkey(ada)
    confirmed.post(f"/accounts/2fa/webauthn/keys/{mine.pk}/edit/", {"name": "Key ring"})
    confirmed.post(f"/accounts/2fa/webauthn/keys/{mine.pk}/remove/")
    assert not has_two_factor(ada)
    told = list(AuditEvent.objects.order_by("number").values_list("action", "before", "after"))
    assert told == [
        ("two_factor.passkey_renamed", {"passkey": "Laptop"}, {"passkey": "Key ring"}),
        ("two_factor.passkey_removed", {"passkey": "Key ring"}, {}),
    ]


def passkey(person) -> Authenticator:
    return Authenticator.objects.create(
        user=person, type="webauthn", data={"name": "Laptop", "credential": {}}
    )


def test_recovery_codes_alone_are_no_second_factor(ada):
    Authenticator.objects.create(user=ada, type="recovery_codes", data={})
    assert not has_two_factor(ada)
    passkey(ada)
    assert has_two_factor(ada)


def test_the_address_can_be_changed_with_two_factor_on(key, confirmed, ada, mailoutbox):
    confirmed.post("/accounts/email/", {"email": "other@example.org", "action_add": ""})
    confirmed.post(re.search(r"/accounts/confirm-email/\S+", mailoutbox[0].body)[0])
    ada.refresh_from_db()
    assert ada.email == "other@example.org"


def test_passkeys_are_offered_where_browsers_have_them(confirmed):
    def sign_in(**where):
        return "Sign in with a passkey" in Client().get("/accounts/login/", **where).content.decode()

    assert [sign_in(HTTP_HOST=host) for host in ("localhost:8000", "127.0.0.1:8000")] == [True, False]
    assert "Passkeys need HTTPS" in confirmed.get(INDEX, HTTP_HOST="127.0.0.1").content.decode()
    assert "Passkeys need HTTPS" not in confirmed.get(INDEX, HTTP_HOST="localhost").content.decode()


def test_a_superuser_takes_a_lost_factor_away(key, ada, superuser):
    client = Client()
    client.force_login(superuser)
    row = Authenticator.objects.get(user=ada, type="totp")
    page = f"/admin/mfa/authenticator/{row.pk}/"
    assert key not in client.get(f"{page}change/").content.decode()
    client.post(f"{page}delete/", {"post": "yes"})
    assert not Authenticator.objects.filter(user=ada).exists()
    event = AuditEvent.objects.latest("number")
    assert (event.action, event.actor, event.target_id) == ("two_factor.taken_away", superuser, str(ada.pk))
    assert is_signed_in(password_given(ada))
