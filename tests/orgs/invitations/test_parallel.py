"""Fifty people press the button of one invitation at once, at two running web processes."""

import re
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import httpx
import pytest
from django.contrib.auth import get_user_model

from orgs.audit.models import AuditEvent
from tests.tenants.control_plane.test_two_workers import processes  # noqa: F401

PEOPLE = 50
HIDDEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')


def press_at_once(ports, path, fields) -> list[httpx.Response]:
    """Everyone opens the page, then all of them post."""
    barrier = Barrier(PEOPLE)

    def press(number):
        with httpx.Client(base_url=f"http://127.0.0.1:{ports[number % 2]}", timeout=60) as browser:
            token = HIDDEN.search(browser.get(path).text)[1]
            barrier.wait(60)
            return browser.post(path, data={"csrfmiddlewaretoken": token, **fields(number)})

    with ThreadPoolExecutor(PEOPLE) as pool:
        return list(pool.map(press, range(PEOPLE)))


@pytest.mark.zenml
@pytest.mark.postgres
def test_of_50_accepts_at_once_exactly_one_works(processes, org, send, team):  # noqa: F811
    result = send(teams=[team])
    path = f"/invite/{result.token}/"
    fields = lambda number: {"name": f"Linus {number}", "password": "tremendously long words"}
    answers = press_at_once(processes, path, fields)
    joined = [answer for answer in answers if answer.headers.get("Location") == org.get_absolute_url()]
    assert len(joined) == 1
    assert {answer.status_code for answer in answers if answer not in joined} <= {302, 404}
    [person] = get_user_model().objects.filter(email="linus@example.org")
    assert org.memberships.filter(user=person).count() == 1 and list(team.user_set.all()) == [person]
    assert AuditEvent.objects.filter(action="invitation.accepted").count() == 1
    assert httpx.get(f"http://127.0.0.1:{processes[0]}{path}", timeout=60).status_code == 404
