"""Links that let somebody in are in no log, whatever is said about the page behind them."""

import io
import json
import logging
import logging.config

import pytest
from django.test import RequestFactory
from django.urls import reverse
from structlog.processors import JSONRenderer
from structlog.stdlib import ProcessorFormatter

from zenpro_site.logs import without_tokens
from zenpro_site.settings import LOGGING

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
        f"GET /accounts/login/?next=%2Faccounts%2Fconfirm-email%2F{TOKEN}%2F",
        f"GET /devices/verify?device_id=1&user_code={TOKEN}",
        f"GET /accounts/login/?next=/devices/verify%3Fdevice_id%3D1%26user_code%3D{TOKEN}%26x%3D1",
        f"Authorization: Bearer ZENPROKEY_{TOKEN}",
        f"the token zpu_{TOKEN} is not valid",
    ],
)
def test_tokens_become_an_ellipsis(text):
    said = without_tokens(None, "", {"event": text, "code": 404})
    assert TOKEN not in said["event"] and "…" in said["event"]
    assert said["code"] == 404


@pytest.mark.parametrize(
    "value",
    [
        {"deep": [f"/invite/{TOKEN}/", {f"/invite/{TOKEN}/": 1}]},
        (f"/invite/{TOKEN}/",),
        RequestFactory().get(f"/invite/{TOKEN}/"),
        ValueError(f"/invite/{TOKEN}/"),
        f"/invite/{TOKEN}/".encode(),
    ],
)
def test_tokens_are_found_in_whatever_is_logged(value):
    said = without_tokens(None, "", {"event": "x", "what": value})
    line = JSONRenderer()(None, "", said)
    assert TOKEN not in line and "\\u2026" in line
    json.loads(line)


def test_what_gunicorn_says_passes_the_same_way(written):
    logging.config.dictConfig(LOGGING)
    [handler] = logging.getLogger("gunicorn.error").handlers
    before = handler.setStream(written)
    logging.getLogger("gunicorn.error").error("Error handling request /invite/%s/", TOKEN)
    handler.setStream(before)
    assert "Error handling request" in written.getvalue() and TOKEN not in written.getvalue()


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
