import json

import pytest
from django.test import Client
from factories import make_key


class Caller:
    """Calls of one key: call.post("teams", name="x") below /api/v1/organizations/<slug>/, or below /api/v1 with "/"."""

    def __init__(self, key, org=None):
        self.key, self.org, self.client = key, org, Client()

    def __call__(self, method: str, path: str, query=None, **body):
        base = "/api/v1" if path.startswith("/") else f"/api/v1/organizations/{self.org.slug}/"
        return self.client.generic(
            method,
            base + path,
            json.dumps(body) if body or method in ("POST", "PATCH", "PUT") else "",
            content_type="application/json",
            query_params=query,
            headers={"Authorization": f"Bearer {self.key.secret}"} if self.key else {},
        )

    def get(self, path, **query):
        return self("GET", path, query)

    def post(self, path, **body):
        return self("POST", path, **body)

    def patch(self, path, **body):
        return self("PATCH", path, **body)

    def put(self, path, **body):
        return self("PUT", path, **body)

    def send(self, path, content: bytes):
        """Content as it is, which curl calls a form."""
        base = f"/api/v1/organizations/{self.org.slug}/"
        headers = {"Authorization": f"Bearer {self.key.secret}"}
        kind = "application/x-www-form-urlencoded"
        return self.client.post(base + path, content, content_type=kind, headers=headers)

    def delete(self, path, **query):
        return self("DELETE", path, query)


@pytest.fixture
def call_as(org):
    """call_as(person): calls with a key of that person; further arguments bind the key."""

    def call_as(person, **scope) -> Caller:
        return Caller(person and make_key(person, **scope), org)

    return call_as
