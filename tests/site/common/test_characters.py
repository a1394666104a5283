"""NUL and halves of surrogate pairs are refused on every page and in both APIs; no database ever sees them."""

import json

import pytest
from django.test import Client

from tests.guards.walk import admin_pages, all_pages
from tests.guards.world import World
from zenpro_site.common.characters import FILES, storable

PAGE, API, WIRE = "/accounts/login/", "/api/v1/organizations", "/api/auth/login"


def reason(response) -> str:
    assert response.status_code == 400
    if response["Content-Type"].startswith("text/html"):
        page = response.content.decode()
        assert "cannot be understood" in page or "is too large" in page
        return page
    detail = response.json()["detail"]
    return detail if isinstance(detail, str) else detail[1]


@pytest.mark.parametrize("path", [PAGE, API, WIRE, "/", "/livez", "/nowhere", "/admin/"])
class TestWherever:
    def test_in_the_query(self, db, client, path):
        assert "NUL" in reason(client.get(f"{path}?q=%00"))
        assert "NUL" in reason(client.get(f"{path}?a=1&%00=b"))

    def test_in_the_query_by_another_charset(self, db, client, path):
        answer = client.get(path, QUERY_STRING="q=%2B2AA-", CONTENT_TYPE="text/plain; charset=utf-7")
        assert "surrogate" in reason(answer)

    def test_in_a_form(self, db, client, path):
        assert "NUL" in reason(client.post(path, {"name": "a\0b"}))
        assert "NUL" in reason(client.post(path, {"na\0me": "a"}))
        form = "name=a%00b"
        assert "NUL" in reason(client.post(path, form, content_type="application/x-www-form-urlencoded"))

    def test_in_a_header_or_cookie(self, db, path):
        assert "NUL" in reason(Client(HTTP_X_REQUEST_ID="a\0b").get(path))
        assert "NUL" in reason(Client(HTTP_COOKIE='sessionid="\\000aaaaaaaaaaaa"').get(path))

    @pytest.mark.parametrize(
        "body", ['{"name": "\\u0000"}', '{"name": ["\\ud800"]}', '{"\\uDFFF": 1}', "\0", "[\0"]
    )
    def test_in_json(self, db, client, path, body):
        assert "NUL" in reason(client.post(path, body, content_type="application/json"))

    def test_in_json_as_bytes(self, db, client, path):
        for body in (b'{"name": "\xed\xa0\x80"}', '{"name": "x"}'.encode("utf-16")):
            assert "surrogate" in reason(client.post(path, body, content_type="application/json"))


@pytest.mark.parametrize(
    "path", ["/o/a%00b/members/", "/invite/a%00b/", "/api/v1/organizations/a%00b", "/api/organizations/%00"]
)
def test_in_the_path(db, client, path):
    assert "NUL" in reason(client.get(path))


def test_a_broken_form_is_told(db, client):
    kind = "multipart/form-data; boundary=x" + "y" * 300
    assert "cannot be understood" in reason(client.post(PAGE, b"rubbish", content_type=kind))
    assert "cannot be read" in reason(client.post(API, b"rubbish", content_type=kind))


def test_what_is_too_large_is_told(db, client, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE, settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 100, 3
    for values in ({"a": "x" * 200}, dict.fromkeys("abcdef", "x")):
        assert "html" in client.post(PAGE, values)["Content-Type"]
        assert reason(client.post(PAGE, values))
    assert client.post(API, "x" * 200, content_type="application/json").status_code == 413


def test_in_either_api_the_answer_has_its_form(db, client):
    assert isinstance(client.get(f"{API}?q=%00").json()["detail"], str)
    name, sentence = client.get("/api/workspaces?url=%00").json()["detail"]
    assert name == "ValueError" and "NUL" in sentence


@pytest.mark.parametrize("name", ["Zoë 😀", "Ada‍", "名前", "ﷺ", "a\tb"])
def test_whole_characters_pass(owner, as_user, name):
    """An emoji is two escapes in JSON that belong together."""
    answer = as_user(owner).post("/settings/", {"name": name})
    assert answer.status_code in (302, 422)
    body = json.dumps({"name": name})
    answer = as_user(owner).post(API, body, content_type="application/json")
    assert answer.status_code in (401, 403, 422)
    assert "surrogate" not in answer.content.decode()


def test_any_depth_is_looked_at():
    deep = "a"
    for _ in range(5_000):
        deep = [{"x": deep}]
    assert storable(deep)
    assert not storable([deep, [{"x": ("y", {"\0": 1})}]])


@pytest.mark.thorough
def test_no_page_reads_it(superuser, as_user):
    client, values, wrong = as_user(superuser), World("Acme AI").values, []
    client.raise_request_exception = False
    for entry in (*all_pages(), *admin_pages()):
        path = entry.path(dict.fromkeys(entry.parameters, "x") | values)
        for answer in (client.get(f"{path}?q=%00&page=%00"), client.post(path, {"name": "\0"})):
            is_file = FILES.fullmatch(path) is not None and answer.wsgi_request.method == "POST"
            if answer.status_code not in (
                (401, 404) if is_file else (400,)
            ):  # it comes without a key or a ticket
                wrong.append(f"{entry.route}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)
