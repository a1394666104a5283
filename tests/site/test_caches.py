"""What pages say stays out of caches; files that everybody may read stay in."""

from types import SimpleNamespace

import pytest
from django.test import Client

from orgs.users.first_sign_in import make_path
from tenants.hosting.base import TenantUnreachable
from tenants.runs import connection
from tests.guards.walk import admin_pages, all_pages
from tests.guards.world import World
from tests.tenants.runs.fakes import FakeTenantClient


def is_kept_nowhere(response) -> bool:
    return "no-store" in response.headers.get("Cache-Control", "")


@pytest.mark.parametrize(
    "path",
    ["/accounts/login/", "/nowhere", "/invite/unknown/", "/accounts/password/reset/key/1-x/", "/?q=%00"],
)
def test_pages_for_strangers(db, client, path):
    assert is_kept_nowhere(client.get(path))


def test_pages_with_a_token(client, superuser):
    assert is_kept_nowhere(client.get(make_path(superuser)))


def test_a_page_that_breaks(db, as_user, owner, monkeypatch):
    monkeypatch.setattr("orgs.users.views.waiting_for", lambda person: 1 / 0)
    client = as_user(owner)
    client.raise_request_exception = False
    answer = client.get("/settings/")
    assert answer.status_code == 500 and is_kept_nowhere(answer)


@pytest.mark.thorough
@pytest.mark.any_database
def test_every_page_of_somebody_signed_in(superuser, as_user, monkeypatch):
    silent = FakeTenantClient()
    silent.error = TenantUnreachable("It does not answer.")  # at once: nobody waits for a server that is none
    monkeypatch.setattr(connection, "_clients", SimpleNamespace(get=lambda *args: silent))
    client, values, wrong = as_user(superuser), World("Acme AI").values, []
    client.raise_request_exception = False
    for entry in (*all_pages(), *admin_pages()):
        answer = client.get(entry.path(dict.fromkeys(entry.parameters, "x") | values))
        if not is_kept_nowhere(answer):
            wrong.append(f"{entry.route}: {answer.status_code} {answer.headers.get('Cache-Control')}")
        client.force_login(superuser)  # one of the pages signs out
    assert not wrong, "\n".join(wrong)


def test_files_stay_cached(settings, tmp_path):
    (tmp_path / "app.0123456789ab.css").write_text("body {}")
    settings.STATIC_ROOT, settings.STATIC_URL = tmp_path, "/static/"
    settings.WHITENOISE_AUTOREFRESH = False
    settings.WHITENOISE_IMMUTABLE_FILE_TEST = r"\.[0-9a-f]{12}\."
    answer = Client().get("/static/app.0123456789ab.css")
    assert answer.status_code == 200
    assert "immutable" in answer.headers["Cache-Control"]
