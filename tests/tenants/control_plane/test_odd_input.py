"""Whatever a server or a client sends, it gets an answer it can read, and never our error page."""

import json

import pytest
from factories import make_grant
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import Caller, server_token

ANSWERS = {200, 400, 401, 403, 404, 405, 422}
PATHS = [
    "/auth/login",
    "/users/authorize_server",
    "/workspace_status",
    "/rbac/check_permissions",
    "/rbac/allowed_resource_ids",
    "/rbac/resource_members",
    "/rbac/resources",
    "/usage-event",
    "/elsewhere",
]
KEYS = [
    "user_id",
    "team_id",
    "sharing_user_id",
    "resource",
    "resources",
    "actions",
    "action",
    "organization_id",
]
KEYS += [
    "feature",
    "total",
    "metadata",
    "workspace_id",
    "resource_id",
    "server_id",
    "client_id",
    "grant_type",
]


@pytest.fixture
def known(tenant, member):
    """Values that come near to sense, so that the odd ones get past the first check."""
    make_grant(tenant, member, "viewer")
    ids = [str(tenant.pk), str(tenant.organization_id), str(member.pk)]
    return [
        *ids,
        f"{ids[0]}:pipeline/{ids[0]}",
        f"stack/{ids[0]}",
        "read",
        "pipeline",
        "client_credentials",
        1,
    ]


def documents(values):
    leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=50), values)
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=8),
        max_leaves=12,
    )


@pytest.mark.thorough
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    database=None,
)
@given(data=st.data())
def test_odd_input_is_answered(client, tenant, known, data):
    client.raise_request_exception = False
    values = st.sampled_from(known)
    query = data.draw(
        st.dictionaries(st.sampled_from(KEYS), st.text(max_size=30) | values.map(str), max_size=5)
    )
    body = data.draw(documents(values).map(json.dumps) | st.text(max_size=30))
    method = data.draw(st.sampled_from(["GET", "POST", "PATCH", "DELETE", "PUT"]))
    path = data.draw(st.sampled_from(PATHS))
    kind = data.draw(
        st.sampled_from(["application/json", "application/x-www-form-urlencoded", "multipart/form-data"])
    )
    caller = Caller(client, server_token(tenant) if data.draw(st.integers(0, 9)) else "none")
    if method == "GET":
        response = caller(method, path, query=query)
    else:
        call = getattr(client, method.lower())
        response = call(
            f"/api{path}",
            data=body.encode(errors="replace"),
            content_type=kind,
            query_params=query,
            headers=caller.headers,
        )
    assert response.status_code in ANSWERS | {302}, response.content
