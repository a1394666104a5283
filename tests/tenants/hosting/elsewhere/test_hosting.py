"""What the agent can do with a server that someone else runs: look, and nothing else."""

import math

import pytest
from django.utils import timezone

from tenants.hosting.backends import backend_for, spec_of
from tenants.hosting.base import ServerError, ServerState, ServerStatus
from tenants.hosting.elsewhere.hosting import AT_ONCE, BEFORE_CALL, EVERY
from tenants.hosting.elsewhere.models import Enrollment
from tenants.hosting.elsewhere.server import environment_block
from tenants.models import Tenant


@pytest.fixture
def hosting(tenant):
    return backend_for(tenant)


def test_nothing_is_started(tenant, hosting):
    for action in (hosting.start, hosting.restart, lambda tenant: hosting.provision(tenant, None)):
        with pytest.raises(ServerError, match="Someone else runs this server"):
            action(tenant)


def test_nothing_is_stopped_or_removed_and_no_account_or_run_touched(tenant, hosting, server):
    server.start(environment_block(spec_of(tenant)))
    hosting.stop(tenant)
    hosting.retire(tenant)
    assert hosting.end_orphans([]) == []
    assert not hosting.shut_out(tenant, tenant.pk, lambda: True)
    assert hosting.end_run(tenant, tenant.pk, "stopped", "because") is None
    assert hosting.healthy(tenant) and hosting.is_gone(tenant)


def test_its_data_and_log_are_not_here(tenant, hosting, server):
    assert hosting.has_data(tenant) and hosting.data_at(tenant) == hosting.address(tenant) == server.url
    assert (hosting.places(tenant), hosting.tail_log(tenant), hosting.cpu_seconds(tenant)) == ([], [], 0.0)


def test_a_server_that_does_not_answer_as_this_tenant(tenant, hosting, server):
    server.start(environment_block(spec_of(tenant)))
    server.environment = {}
    state = hosting.state(tenant)
    assert not hosting.healthy(tenant) and state.status == ServerStatus.STARTING
    assert hosting.explain_failure(tenant) == state.hint
    assert "does not run with the lines of this tenant" in state.hint


def test_when_people_want_something_else_by_now_nothing_follows(tenant, hosting, server):
    server.start(environment_block(spec_of(tenant)))
    assert hosting.state(tenant) == ServerState(ServerStatus.RUNNING)
    Tenant.objects.filter(pk=tenant.pk).update(server_url="https://corrected.example.org")
    assert hosting.state(tenant) == ServerState(ServerStatus.ABSENT)


def test_it_is_looked_at_more_often_once_it_called(tenant, hosting):
    tenant.enrollment = Enrollment(tenant=tenant)
    paces = [hosting.look_every(tenant)]
    for field in ("looked_at", "called_at"):
        setattr(tenant.enrollment, field, timezone.now())
        paces.append(hosting.look_every(tenant))
    assert paces == [AT_ONCE, BEFORE_CALL, EVERY]


def test_deactivated_it_is_not_looked_at_any_more(tenant, hosting):
    tenant.desired_state = Tenant.DesiredState.DEACTIVATED
    for status, pace in (("available", AT_ONCE), ("failed", AT_ONCE), ("deactivated", math.inf)):
        tenant.status = status
        assert hosting.look_every(tenant) == pace
