"""Addresses in mails, answers and copied links come from ZENPRO_URL, whatever Host says."""

import re

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from factories import PASSWORD, make_user

from orgs.mails.models import Mail

FORGED = "evil.example.net"
HEADERS = {"HTTP_HOST": FORGED, "HTTP_X_FORWARDED_HOST": FORGED, "HTTP_FORWARDED": f"host={FORGED}"}
PORTS = ["127.0.0.1:1", "127.0.0.1:2", "localhost:3", "127.0.0.1:8000"]


@pytest.fixture(autouse=True)
def everything_is_allowed(settings):
    """The worst case: an operator has let every host in."""
    settings.ALLOWED_HOSTS = ["*"]
    settings.ZENPRO_URL = "https://zenpro.example.org"
    settings.MAIL_IS_SET_UP = True
    cache.clear()


def forging(person=None) -> Client:
    client = Client(**HEADERS)
    if person:
        client.force_login(person)
    return client


def the_mail() -> str:
    [sent] = mail.outbox
    return "\n".join([sent.subject, sent.body, *(str(part) for part in sent.alternatives)])


def assert_ours(text: str) -> None:
    assert FORGED not in text
    links = re.findall(r"https?://\S+", text)
    assert all(link.startswith("https://zenpro.example.org/") for link in links), links


def test_the_link_that_resets_a_password(db):
    make_user("ada@example.org")
    forging().post("/accounts/password/reset/", {"email": "ada@example.org"})
    assert "https://zenpro.example.org/accounts/password/reset/key/" in the_mail()
    assert_ours(the_mail())


def test_the_mail_to_an_unknown_address(db):
    forging().post("/accounts/password/reset/", {"email": "nobody@example.org"})
    assert "zenpro.example.org" in the_mail()
    assert_ours(the_mail())


def test_the_link_that_confirms_an_address(db):
    ada = make_user("ada@example.org")
    client = forging(ada)
    question = client.post("/accounts/email/", {"email": "new@example.org", "action_add": ""})
    client.post(question.url, {"password": PASSWORD})
    assert "https://zenpro.example.org/accounts/confirm-email/" in the_mail()
    assert_ours(the_mail())


@pytest.mark.parametrize("known", [False, True])
def test_mails_of_open_sign_up(db, settings, known):
    settings.ZENPRO_OPEN_SIGNUP = True
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    if known:
        ada = make_user("ada@example.org")
        EmailAddress.objects.create(user=ada, email=ada.email, verified=True, primary=True)
    words = {"email": "ada@example.org", "password1": PASSWORD, "password2": PASSWORD}
    forging().post("/accounts/signup/", words)
    assert "zenpro.example.org" in the_mail()
    assert_ours(the_mail())


def test_invitations(owner, org):
    page = forging(owner).post(
        f"/o/{org.slug}/invitations/new/", {"addresses": "a@example.org", "role": "member"}
    )
    assert "https://zenpro.example.org/invite/" in page.content.decode()
    assert FORGED not in page.content.decode()
    assert_ours(Mail.objects.get().read()["text"])
    assert FORGED not in Mail.objects.get().read()["html"]


def test_the_page_on_which_a_computer_is_let_in(db):
    answer = forging().post(
        "/api/auth/device_authorization", {"client_id": "b7f0b4f4-6a3e-4f0b-8f57-1d5a2a1c4a11"}
    )
    assert answer.json()["verification_uri"] == "https://zenpro.example.org/devices/verify"
    assert FORGED not in answer.content.decode()


def test_links_to_copy(owner, org):
    path = reverse("explain:question", args=[org.slug])
    client = forging(owner)
    for address in (path, f"{path}?person={owner.email}", "/settings/", "/api/v1/docs"):
        assert FORGED not in client.get(address).content.decode(), address


def test_another_host_or_port_is_no_fresh_start_for_guessing_a_password(db):
    """The limit of a person holds for the whole installation; Host is whatever the guesser writes."""
    make_user("ada@example.org")
    wrong = {"login": "ada@example.org", "password": "guessed"}
    answers = [
        Client(HTTP_HOST=PORTS[number % 4], REMOTE_ADDR=f"192.0.2.{number}").post("/accounts/login/", wrong)
        for number in range(6)
    ]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
