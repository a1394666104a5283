"""All steps of a run, page after page, for as long as a page of ours can wait."""

import pytest

from tenants.hosting.base import TenantUnreachable
from tenants.runs.client import MAX_PAGE
from tenants.runs.step_pages import PATIENCE, paged, paged_in_time

FULL = ["step"] * MAX_PAGE


class Server:
    """Answers full pages, each after some seconds."""

    def __init__(self, seconds, silent_after=99):
        self.seconds, self.silent_after, self.now, self.calls = seconds, silent_after, 0.0, 0

    def __call__(self, page):
        self.calls, self.now = self.calls + 1, self.now + self.seconds
        if page > self.silent_after:
            raise TenantUnreachable("The server does not answer in time.")
        return FULL

    def clock(self):
        return self.now


@pytest.mark.parametrize(("seconds", "calls"), [(0.1, 10), (2.0, 5), (4.0, 2), (8.0, 1)])
def test_a_slow_server_is_not_asked_for_the_rest(seconds, calls):
    server = Server(seconds)
    steps, whole = paged_in_time(server, 10, server.clock)
    assert (server.calls, len(steps), whole) == (calls, calls * MAX_PAGE, calls == 10)
    assert server.now <= PATIENCE


def test_what_was_read_before_a_server_fell_silent_is_there():
    server = Server(0.1, silent_after=2)
    assert paged_in_time(server, 10, server.clock) == (2 * FULL, False)
    with pytest.raises(TenantUnreachable):
        paged_in_time(Server(0.1, silent_after=0), 10)


def test_few_steps_are_all_of_them():
    assert paged_in_time(lambda page: ["step"], 10) == (["step"], True)


def test_who_has_to_know_all_waits():
    server = Server(8.0)
    assert len(paged(server, 10)) == 10 * MAX_PAGE
