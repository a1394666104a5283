"""A statement that is made once answers as the query set does that it was made from."""

from datetime import timedelta
from threading import Thread

import pytest
from django.db import connection
from django.db.models import Count, F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from factories import make_member, make_org, make_tenant

from orgs.models import Membership, Organization
from orgs.users.models import User
from tenants.models import Tenant
from zenpro_site.common.lasting import lasting
from zenpro_site.common.prepared import NOW, Given, Prepared

PERSON = Given("user", User._meta.pk)
ORGANIZATION = Given("organization", Organization._meta.pk)


def of(user):
    mine = Membership.objects.filter(user=user).select_related("organization")
    return mine.annotate(teams=Count("organization__teams")).order_by("organization__name")


def values_of(organization):
    members = Membership.objects.filter(organization=organization).order_by()
    tenants = Tenant.objects.filter(organization=organization).order_by()
    return members.values_list("role", F("user__email")).union(tenants.values_list("slug", "name"))


def test_rows_are_what_the_query_set_gives(org, owner, viewer, django_assert_num_queries):
    make_member(make_org("Beta"), "viewer", user=owner)
    asked = Prepared(lambda: of(PERSON))
    for person, count in ((owner, 2), (viewer, 1), (owner, 2)):
        with django_assert_num_queries(1):
            found = [(row, row.organization.name, row.role, row.teams) for row in asked(user=person.pk)]
        assert found == [(row, row.organization.name, row.role, row.teams) for row in of(person)]
        assert len(found) == count


def test_tuples_of_a_union_are_what_the_query_set_gives(org, owner, viewer):
    other = make_org("Beta")
    make_tenant(org, "production")
    asked = Prepared(lambda: values_of(ORGANIZATION))
    for one in (org, other, org):
        assert sorted(asked(organization=one.pk)) == sorted(values_of(one))
    assert len(asked(organization=org.pk)) == 3


def test_each_answer_has_rows_of_its_own(owner):
    asked = Prepared(lambda: of(PERSON))
    (first,), (second,) = asked(user=owner.pk), asked(user=owner.pk)
    first.role = "changed"
    assert second.role == "admin"


def test_the_statement_is_made_once(owner, viewer):
    made = []
    asked = Prepared(lambda: made.append(1) or of(PERSON))
    assert [row.user_id for person in (owner, viewer) for row in asked(user=person.pk)] == [
        owner.pk,
        viewer.pk,
    ]
    assert made == [1]


def test_the_time_is_that_of_the_question(org, owner):
    now = timezone.now()
    org.invitations.create(email="late@example.org", role="viewer", invited_by=owner, expires_at=now)
    asked = Prepared(lambda: org.invitations.filter(lasting(at=NOW)))
    assert [len(asked(now=now + timedelta(minutes=minutes))) for minutes in (-1, 1, -1)] == [1, 0, 1]


def test_a_value_that_is_missing_is_told(owner):
    with pytest.raises(KeyError, match="user"):
        Prepared(lambda: of(PERSON))(slug="acme")


def test_a_value_that_means_something_in_sql_is_a_value(org):
    asked = Prepared(
        lambda: Organization.objects.filter(slug=Given("slug", Organization._meta.get_field("slug")))
    )
    assert asked(slug="x' OR '1'='1") == []
    assert asked(slug=org.slug) == [org]


@pytest.mark.django_db(transaction=True)
def test_each_thread_asks_on_its_own_connection():
    owner = make_member(make_org("Acme AI"), "admin")
    asked = Prepared(lambda: of(PERSON))
    assert len(asked(user=owner.pk)) == 1
    statements = []

    def ask():
        with CaptureQueriesContext(connection) as captured:
            statements.extend([len(asked(user=owner.pk)), len(captured)])
        connection.close()

    thread = Thread(target=ask)
    with CaptureQueriesContext(connection) as here:
        thread.start()
        thread.join(timeout=60)
    assert statements == [1, 1]
    assert len(here) == 0
