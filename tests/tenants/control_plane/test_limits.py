"""What a tenant's server sends is bounded, refused in words that it can read, and no question waits for another tenant."""

import ast
import json
from pathlib import Path
from uuid import uuid4

import pytest
from factories import make_grant

from tenants.control_plane import wire

from .conftest import Caller

ASK = "/rbac/check_permissions"


@pytest.fixture
def question(server, tenant, member):
    make_grant(tenant, member, "viewer")

    def ask(body):
        return server("POST", ASK, body, query={"user_id": str(member.pk), "action": "read"})

    return ask


def refusal(answer) -> str:
    name, message = answer.json()["detail"]
    assert name == "ValueError"
    return message


def test_ten_thousand_resources_are_answered(question):
    asked = [f"pipeline/{uuid4()}" for _ in range(wire.MOST)]
    answer = question(json.dumps(asked))
    assert answer.status_code == 200
    assert answer.json() == dict.fromkeys(asked, True)


def test_ten_thousand_types_that_nobody_knows_are_answered(question):
    letters = [
        f"{a}{b}{c}x"
        for a in "abcdefghijklmnopqrstuvwxyz"
        for b in "abcdefghijklmnopqrst"
        for c in "abcdefghij"
    ]
    answer = question(json.dumps(letters))
    assert set(answer.json().values()) == {True}, "As the nearest that a role names: a Viewer reads."


def test_more_are_refused(question):
    answer = question(json.dumps(["pipeline"] * (wire.MOST + 1)))
    assert answer.status_code == 413
    assert refusal(answer) == "The body has more than 10000 entries."


@pytest.mark.parametrize("path", [ASK, "/rbac/resource_members", "/usage-event"])
def test_a_body_of_megabytes_is_refused(server, path):
    answer = server("POST", path, b'["' + b"x" * 6_000_000 + b'"]')
    assert answer.status_code == 413
    assert refusal(answer) == "The body is too large."


@pytest.mark.parametrize(
    "body", [b"[" * 2_000_000, b'{"a":' * 400_000, b"[" + b"9" * 2_000_000 + b"]", b"NaN"]
)
@pytest.mark.parametrize("path", [ASK, "/rbac/resource_members", "/usage-event"])
def test_json_that_explodes_is_refused(server, path, body):
    answer = server("POST", path, body, query={"user_id": str(uuid4()), "action": "read"})
    assert answer.status_code == 422
    assert refusal(answer)


@pytest.mark.parametrize("path", [ASK, "/rbac/resource_members", "/usage-event"])
def test_bytes_that_are_no_text_are_refused(server, path):
    answer = server("POST", path, b"\xff\xfe", query={"user_id": str(uuid4()), "action": "read"})
    assert answer.status_code == 400
    assert refusal(answer)


def test_a_form_of_too_many_fields_is_refused(client):
    fields = "&".join(f"f{n}=1" for n in range(5000))
    answer = client.post("/api/auth/login", fields, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 400
    assert refusal(answer) == "The body cannot be read."


def test_a_large_form_is_refused(client):
    answer = client.post(
        "/api/auth/login", "a=" + "x" * 6_000_000, content_type="application/x-www-form-urlencoded"
    )
    assert answer.status_code == 413


def test_a_form_that_is_none_is_refused(client):
    answer = Caller(client)(
        "POST", "/auth/login", b"--x\r\n", headers={"Content-Type": "multipart/form-data; boundary="}
    )
    assert answer.status_code in (400, 401)
    answer = client.post("/api/auth/login", b"no form", content_type="multipart/form-data")
    assert answer.status_code == 400
    assert refusal(answer)


CONTROL_PLANE = Path(wire.__file__).parent
TENANTS = CONTROL_PLANE.parent
CALLS = {"httpx", "requests", "urllib", "connect", "client", "servers", "local", "runs"}
CALLS |= {"backend", "backends", "bounded", "health", "lookup"}


@pytest.mark.parametrize(
    "file",
    [
        *CONTROL_PLANE.glob("*.py"),
        *(TENANTS / "credentials").glob("*.py"),
        TENANTS / "access" / "decisions.py",
    ],
    ids=lambda file: f"{file.parent.name}/{file.name}",
)
def test_no_question_of_a_server_calls_a_tenant(file):
    """What answers tenants' servers can ask none of them, so that no answer ever waits for one."""
    found = [
        node
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    names = {part for node in found for part in (getattr(node, "module", None) or "").split(".")}
    names |= {part for node in found for alias in node.names for part in alias.name.split(".")}
    assert not names & CALLS
