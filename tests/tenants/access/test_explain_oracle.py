"""The explainer against the decisions: same answers, paths that carry, and changes that grant."""

from collections import Counter
from copy import copy

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orgs.models import Membership
from orgs.roles.predefined_permissions import actions_of
from tenants.access.decisions import allowed
from tenants.access.explain.effective import rights_of
from tenants.access.explain.reasons import DASHBOARD_RIGHTS, Path, Question, Remedy, Standing, explain
from tenants.access.gate import can
from tenants.models import TenantGrant
from tests.examples import as_many

from .test_decisions_oracle import (
    ACTIONS,
    OBJECTS,
    PEOPLE,
    SCOPES,
    TENANTS,
    TYPES,
    build,
    cast,  # noqa: F401 - a fixture
    worlds,
)

tally = Counter()
# Once in ten worlds each, as chance alone may leave it out: something has to come first, and the answer is yes.
SOMETIMES = {0: {"is_active": False}, 5: {"is_superuser": True, "is_active": True}}


def questions(people, tenants, action):
    for user in people:
        for tenant in tenants:
            for kind in TYPES:
                for one in (None, OBJECTS[0], OBJECTS[2]):
                    scope = SCOPES[tally["asked"] % len(SCOPES)]
                    tally["asked"] += 1
                    yield Question(
                        user, tenant, action, kind, one and str(one), str(scope) if scope and one else None
                    )


def answer(question: Question) -> bool:
    if question.resource == "tenant":
        return can(fresh(question.user), DASHBOARD_RIGHTS[question.action], question.tenant)
    return allowed(question.user.pk, question.tenant, question.action, [question.text])[question.text]


def fresh(user):
    """As the next request would read them: guardian remembers on the object."""
    return type(user).objects.get(pk=user.pk)


def changed(user, **facts):
    type(user).objects.filter(pk=user.pk).update(**facts)
    return fresh(user)


def withdraw(path: Path, question: Question) -> None:
    if path.kind == "superuser":
        type(question.user).objects.filter(pk=question.user.pk).update(is_superuser=False)
    elif path.kind == "share":
        copy(path.share).delete()  # a copy, as deleting takes the number away from the object
    elif path.kind == "organization":
        loser = path.team or Membership.objects.get(
            user=question.user, organization=question.tenant.organization
        )
        setattr(loser, "org_role" if path.team else "role", "" if path.team else "member")
        loser.save()
    else:
        TenantGrant.objects.withdraw(copy(path.grant))


def make(change: Remedy, question: Question) -> None:
    organization, user = question.tenant.organization, question.user
    if change.kind == "reactivate":
        type(user).objects.filter(pk=user.pk).update(is_active=True)
    elif change.kind == "join":
        Membership.objects.create(organization=organization, user=user)
    elif change.kind == "team":
        change.team.user_set.add(user)
    else:
        holder = change.team or Membership.objects.filter(user=user, organization=organization).first()
        if holder is None:
            return
        TenantGrant.objects.give(tenant=question.tenant, role=change.role, holder=holder)


def after(question: Question, *steps) -> bool:
    """The answer once these are done, which nobody remembers."""
    with transaction.atomic():
        for do, what in steps:
            do(what, question)
        result = answer(question)
        transaction.set_rollback(True)
    return result


def check(question: Question) -> None:
    told = explain(question)
    assert told.yes == answer(question)
    assert told.yes == bool(told.paths)
    if told.yes:
        for kept in told.paths:
            assert after(question, *((withdraw, path) for path in told.paths if path != kept)), kept
        assert not after(question, *((withdraw, path) for path in told.paths))
    elif told.first or told.ways:
        for way in told.ways or [None]:
            changes = [*told.first, way] if way else told.first
            assert after(question, *((make, change) for change in changes)), changes
        for left in told.first:
            others = [*told.first, *told.ways[:1]]
            assert not after(question, *((make, change) for change in others if change != left)), left
    tally.update(yes=told.yes, paths=len(told.paths), ways=len(told.ways), first=len(told.first))


def check_effective(user, tenant, action) -> None:
    given = rights_of(Standing(user, [tenant]), tenant)
    answers = allowed(user.pk, tenant, action, TYPES[:3])
    for kind, yes in answers.items():
        if action in actions_of(kind):
            assert yes == (f"{kind}:{action}" in given)


@pytest.mark.thorough
@settings(
    max_examples=as_many(50),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    database=None,
)
@given(world=worlds(least=3), action=st.sampled_from(ACTIONS), person=st.integers(0, PEOPLE - 1))
def test_verdict_paths_and_changes_are_true(cast, world, action, person):  # noqa: F811
    with transaction.atomic():
        build(cast, world)
        user, tenant = cast["people"][person], cast["tenants"][person % TENANTS]
        for question in questions([user], [tenant], action):
            check(question)
        check_effective(user, tenant, action)
        tally["worlds"] += 1
        if fact := SOMETIMES.get(tally["worlds"] % 10):
            for question in questions([changed(user, **fact)], [tenant], action):
                check(question)
        transaction.set_rollback(True)


def test_enough_was_explained():
    """The property above is worth something only when all kinds of answers occur."""
    if tally:
        assert all(tally[name] > 20 for name in ("yes", "paths", "ways", "first")), tally
