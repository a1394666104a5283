"""What the audit page filters by is found by an index, however long the log has grown."""

import pytest
from django.db import connection

from orgs.audit.filters import EventFilter

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(
        connection.vendor != "sqlite",
        reason="With few rows PostgreSQL reads them all whatever there is; SQLite plans by the statement alone.",
    ),
]


@pytest.mark.parametrize(
    "asked, index",
    [
        ({}, "audit_by_organization"),
        ({"action": "team.created"}, "audit_by_action"),
        ({"object": "team:7"}, "audit_by_target"),
        ({"since": "2026-11-01", "until": "2026-11-02"}, "audit_by_day"),
    ],
    ids=["all", "an action", "an object", "days"],
)
def test_an_index_finds_them(org, asked, index):
    found = EventFilter(asked, organization=org).found()
    assert f"USING INDEX {index}" in found[:51].explain()
