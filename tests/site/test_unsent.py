"""Without a mail server no link is written anywhere; pages and the log say where to get one."""

import io

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.management import CommandError, call_command
from factories import PASSWORD, make_org, make_service_account, make_user

from orgs.audit.models import AuditEvent
from tests.site.test_logs import written  # noqa: F401 - a fixture


@pytest.fixture
def no_server(settings):
    settings.MAIL_IS_SET_UP = False
    settings.EMAIL_BACKEND = "zenpro_site.unsent.Backend"
    settings.ZENPRO_URL = "https://zenpro.example.org"


def test_the_backend_of_an_installation_without_a_mail_server():
    from zenpro_site import settings

    assert not settings.MAIL_IS_SET_UP
    assert settings.EMAIL_BACKEND == "zenpro_site.unsent.Backend"


def test_a_reset_writes_no_link_and_says_so(db, client, no_server, written, capsys):  # noqa: F811
    make_user("ada@example.org")
    answer = client.post("/accounts/password/reset/", {"email": "ada@example.org"}, follow=True)
    assert "No email was sent" in answer.content.decode()
    said = written.getvalue() + "".join(capsys.readouterr())
    assert "EMAIL_URL" in said and "sign_in_link" in said
    assert "/accounts/password/reset/key/" not in said and "example.org/" not in said
    assert mail.outbox == []


def test_the_page_to_reset_names_the_way(db, client, no_server, settings):
    assert "No mail server is set up here" in client.get("/accounts/password/reset/").content.decode()
    settings.MAIL_IS_SET_UP = True
    assert "send a link to your address" in client.get("/accounts/password/reset/").content.decode()


def test_a_change_of_address_writes_no_link(db, as_user, no_server, written):  # noqa: F811
    ada = make_user("ada@example.org")
    client = as_user(ada)
    question = client.post("/accounts/email/", {"email": "new@example.org", "action_add": ""})
    client.post(question.url, {"password": PASSWORD})
    assert EmailAddress.objects.filter(email="new@example.org", verified=False).exists()
    assert "confirm-email" not in written.getvalue()
    assert "No mail server" in client.get("/accounts/email/").content.decode()


class TestSignInLink:
    def link(self, address) -> str:
        out = io.StringIO()
        call_command("sign_in_link", address, stdout=out)
        return out.getvalue().strip()

    def test_it_signs_in_once_and_is_recorded(self, db, client, no_server):
        ada = make_user("ada@example.org")
        link = self.link("ADA@example.org")
        assert link.startswith("https://zenpro.example.org/first-sign-in/")
        path = link.removeprefix("https://zenpro.example.org")
        assert client.post(path).status_code == 302
        assert client.session["_auth_user_id"] == str(ada.pk)
        assert client.post(path).status_code == 404
        event = AuditEvent.objects.get(action="person.link_made")
        assert (event.target_id, event.actor) == (str(ada.pk), None)

    def test_nobody_who_cannot_sign_in_gets_one(self, db):
        gone = make_user("gone@example.org", is_active=False)
        robot = make_service_account(make_org())
        for address in (
            "nobody@example.org",
            gone.email,
            robot.user.email if hasattr(robot, "user") else robot.email,
        ):
            with pytest.raises(CommandError, match="^No one"):
                self.link(address)
