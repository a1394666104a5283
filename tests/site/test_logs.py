"""Links that let somebody in are in no log, whatever is said about the page behind them."""

import io
import logging

import pytest
from django.urls import reverse
from structlog.stdlib import ProcessorFormatter

from zenpro_site.logs import without_tokens

TOKEN = "aZ3_-secretsecretsecretsecretsecret"


@pytest.mark.parametrize(
    "text",
    [
        f"POST /invite/{TOKEN}/",
        f"Not Found: /invite/{TOKEN}/",
        f"GET /accounts/login/?next=/invite/{TOKEN}/",
        f"GET /accounts/login/?next=%2Finvite%2F{TOKEN}%2F",
        f"GET /first-sign-in/MQ/{TOKEN}/",
        f"GET /accounts/password/reset/key/1-{TOKEN}/",
        f"GET /accounts/confirm-email/{TOKEN}/",
        f"GET /accounts/oidc/company/login/callback/?state={TOKEN}&code={TOKEN}",
    ],
)
def test_tokens_become_an_ellipsis(text):
    said = without_tokens(None, "", {"event": text, "code": 404})
    assert TOKEN not in said["event"] and "…" in said["event"]
    assert said["code"] == 404


@pytest.mark.parametrize(
    "text", ["GET /o/acme/invitations/?q=a", "POST /o/acme/teams/", "Not Found: /invite/"]
)
def test_other_text_stays(text):
    assert without_tokens(None, "", {"event": text}) == {"event": text}


@pytest.fixture
def written():
    """What our own handler writes during the test."""
    handlers = [one for one in logging.getLogger().handlers if isinstance(one.formatter, ProcessorFormatter)]
    [handler], written = handlers, io.StringIO()
    before = handler.setStream(written)
    yield written
    handler.setStream(before)


def test_requests_that_are_refused_do_not_log_the_token(db, client, written):
    client.handler.enforce_csrf_checks = True
    for method in (client.get, client.post):
        assert method(reverse("invitations:accept", args=[TOKEN])).status_code in (403, 404)
    logging.getLogger("anybody").warning("looked at /invite/%s/", TOKEN)
    said = written.getvalue()
    for words in ("Forbidden", "Not Found", "looked at", "request_finished"):
        assert words in said
    assert TOKEN not in said
