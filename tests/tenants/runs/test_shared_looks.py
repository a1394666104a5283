"""One look at a server for all who watch, never for who may see less; and pages that have seen everything."""

import threading
from uuid import uuid4

import pytest
from django.core.cache import caches
from django.core.files.storage import storages
from django.urls import reverse
from factories import make_grant, make_member, make_role, make_template, make_template_run

from tenants.hosting.base import TenantRefused, TenantUnreachable
from tenants.run_templates.engine import runner, stored_outputs
from tenants.runs import seen, shared_looks
from tenants.runs.client import LogLine
from tenants.runs.log_files import LogFile
from tenants.runs.shared_looks import SharedLooks, circle_of, of_ended_runs, weight
from tests.tenants.runs.fakes import RUN_ID
from zenpro_site.common import shared_files
from zenpro_site.common.shared_files import ALIAS


@pytest.fixture
def clock(monkeypatch):
    """What the looks take for the time: tests set its `now`."""

    class Clock:
        now = 100.0

        def __call__(self):
            return self.now

    made = Clock()
    monkeypatch.setattr(shared_looks, "KEPT", 1.5)
    monkeypatch.setattr(shared_looks.LOOKS, "clock", made)
    monkeypatch.setattr(seen, "TICK", 10**12)
    shared_looks.LOOKS._looks.clear()
    return made


@pytest.fixture
def watch(tenant, as_user, server, clock):
    """watch(person, seen=…): what a poll of the run's page answers; server.calls starts anew."""
    server.half_way()

    def poll(person, name="run_detail", target="run", **query):
        address = reverse(f"tenants:{name}", args=[tenant.organization.slug, tenant.slug, RUN_ID])
        return as_user(person).get(address, query, HTTP_HX_REQUEST="true", HTTP_HX_TARGET=target)

    return poll


def people(org, tenant, *roles):
    made = [make_member(org) for _ in roles]
    for person, role in zip(made, roles, strict=True):
        make_grant(tenant, person, role)
    return made


def mark(answer, of="seen"):
    """What the page will say it has seen."""
    return answer.content.decode().partition(f"{of}=")[2].partition('"')[0]


# -- who shares


def test_people_who_read_everything_are_one_circle(org, tenant):
    circles = {circle_of(person, tenant) for person in people(org, tenant, "viewer", "developer", "admin")}
    assert len(circles) == 1


def test_who_may_read_less_is_alone(org, tenant):
    make_role(org, rights=["pipeline_run:read", "pipeline:read"])
    one, other = people(org, tenant, "reviewer", "reviewer")
    nobody = make_member(org)
    circles = {circle_of(person, tenant) for person in (one, other, nobody, *people(org, tenant, "viewer"))}
    assert len(circles) == 4


def test_a_right_that_is_taken_is_gone_at_the_next_look(org, tenant, watch):
    one, other = people(org, tenant, "viewer", "viewer")
    assert circle_of(one, tenant) == circle_of(other, tenant)
    tenant.grants.get(membership__user=other).delete()
    assert circle_of(one, tenant) != circle_of(other, tenant)
    watch(one)
    assert watch(other).status_code == 404


# -- what it costs


def test_twenty_watchers_are_one_look(org, tenant, watch, server):
    watchers = people(org, tenant, *["viewer", "developer"] * 10)
    for person in watchers:
        assert "every 2s" in watch(person).content.decode()
    assert server.calls == ["run", "run_dag", "step_logs"]


def test_a_look_is_short(org, tenant, watch, server, clock):
    one, other = people(org, tenant, "viewer", "viewer")
    watch(one)
    clock.now += 1.6
    watch(other)
    assert server.calls == ["run", "run_dag", "step_logs"] * 2


def test_who_may_read_less_asks_alone(org, tenant, watch, server):
    make_role(org, rights=["pipeline_run:read", "pipeline:read"])
    for person in people(org, tenant, "reviewer", "viewer"):
        watch(person)
    assert server.calls == ["run", "run_dag", "step_logs"] * 2


def test_ended_runs_are_kept_longer_but_silence_and_the_looks_of_one_person_are_not(org, tenant, monkeypatch):
    make_role(org, rights=["pipeline_run:read", "pipeline:read"])
    reviewer, viewer = people(org, tenant, "reviewer", "viewer")
    now, asked = [100.0], []
    kept = shared_looks.SharedLooks(lambda: now[0], kept=600)
    monkeypatch.setattr(shared_looks, "ENDED", kept)
    monkeypatch.setattr(shared_looks, "LOOKS", shared_looks.SharedLooks(lambda: now[0]))

    def ask():
        asked.append(now[0])
        if len(asked) == 1:
            raise TenantUnreachable("It is silent.")
        return len(asked)

    with pytest.raises(TenantUnreachable):
        of_ended_runs(viewer, tenant, "metrics", ask)
    now[0] += 5
    assert of_ended_runs(viewer, tenant, "metrics", ask) == 2
    now[0] += 500
    assert of_ended_runs(viewer, tenant, "metrics", ask) == 2
    assert of_ended_runs(reviewer, tenant, "metrics", ask) == 3
    now[0] += 5
    assert of_ended_runs(reviewer, tenant, "metrics", ask) == 4


# -- unchanged


def test_an_unchanged_poll_is_204(org, tenant, watch):
    (person,) = people(org, tenant, "viewer")
    first = watch(person)
    assert first.status_code == 200
    again = watch(person, seen=mark(first))
    assert (again.status_code, again.content) == (204, b"")


def test_what_changed_is_sent(org, tenant, watch, server, clock):
    (person,) = people(org, tenant, "viewer")
    first = mark(watch(person))
    server.dags[str(RUN_ID)]["nodes"][0]["metadata"]["status"] = "failed"
    clock.now += 2
    assert watch(person, seen=first).status_code == 200


def test_other_rights_are_other_buttons(org, tenant, watch):
    viewer, admin = people(org, tenant, "viewer", "admin")
    assert watch(admin, seen=mark(watch(viewer))).status_code == 200


def test_a_whole_page_is_always_sent(org, tenant, watch, as_user):
    (person,) = people(org, tenant, "viewer")
    address = reverse("tenants:run_detail", args=[org.slug, tenant.slug, RUN_ID])
    assert as_user(person).get(address, {"seen": mark(watch(person))}).status_code == 200


def test_times_that_go_on_are_shown_anew(org, tenant, watch, monkeypatch):
    (person,) = people(org, tenant, "viewer")
    first = mark(watch(person))
    monkeypatch.setattr(seen, "TICK", 1e-3)
    assert watch(person, seen=first).status_code == 200


# -- the output of our own runner


@pytest.fixture
def rerun(org, tenant, settings, tmp_path):
    settings.ZENPRO_DATA = tmp_path
    made = make_template_run(make_template(tenant), zenml_run_id=RUN_ID, state="running")
    runner.output_file(made.pk).parent.mkdir(parents=True)
    runner.output_file(made.pk).write_text("Importing\n<b>train</b>\n")
    return made


def test_output_is_for_those_who_see_the_run(org, tenant, watch, rerun, outsider, server):
    assert watch(outsider, "run_output", "output").status_code == 404
    (person,) = people(org, tenant, "viewer")
    server.error = TenantRefused(403, "No.")
    answer = watch(person, "run_output", "output")
    assert (answer.status_code, answer.content) == (204, b"")


def test_output_of_a_run_is_live_and_asks_once(org, tenant, watch, rerun, server):
    one, other = people(org, tenant, "viewer", "viewer")
    page = watch(one).content.decode()
    assert "&lt;b&gt;train" in page and "every 1s" in page
    server.calls.clear()
    first = watch(other, "run_output", "output")
    assert "&lt;b&gt;train" in first.content.decode() and "<html" not in first.content.decode()
    assert watch(one, "run_output", "output", seen=mark(first)).status_code == 204
    with runner.output_file(rerun.pk).open("a") as file:
        file.write("epoch 2\n")
    assert "epoch 2" in watch(one, "run_output", "output", seen=mark(first)).content.decode()
    assert server.calls == []


def test_output_of_another_machine_comes_from_the_storage(
    org, tenant, watch, rerun, server, settings, tmp_path
):
    """The page says so while it can't be read, and shows it as soon as it can."""
    place = {"BACKEND": "tests.shared_folder.SharedFolder", "OPTIONS": {"location": str(tmp_path / "shared")}}
    settings.STORAGES = {**settings.STORAGES, ALIAS: place}
    shared_files.forget_silence()
    stored_outputs.send_output(rerun.pk, False, None)
    settings.ZENPRO_DATA = tmp_path / "web"
    storages[ALIAS].fall_silent()
    (person,) = people(org, tenant, "viewer")
    page = watch(person).content.decode()
    silent = "The output can&#x27;t be read now: the object storage does not answer."
    assert silent in page and "every 1s" in page and "Nothing was printed yet." not in page
    storages[ALIAS].trouble = None
    shared_files.forget_silence()
    caches["local"].clear()
    shown = watch(person, "run_output", "output", seen=mark(watch(person))).content.decode()
    assert "&lt;b&gt;train" in shown and silent not in shown


def test_output_without_htmx_is_the_run(org, tenant, as_user, server):
    (person,) = people(org, tenant, "viewer")
    args = [org.slug, tenant.slug, RUN_ID]
    answer = as_user(person).get(reverse("tenants:run_output", args=args))
    assert (answer.status_code, answer.url) == (302, reverse("tenants:run_detail", args=args))


# -- one reader at a time


def test_one_asks_and_the_others_wait(monkeypatch):
    monkeypatch.setattr(shared_looks, "KEPT", 60)
    looks, asked, begun, go_on = SharedLooks(), [], threading.Event(), threading.Event()

    def ask():
        asked.append(1)
        begun.set()
        assert go_on.wait(30)
        return "answer"

    heard = []
    threads = [threading.Thread(target=lambda: heard.append(looks.get("key", ask))) for _ in range(8)]
    threads[0].start()
    assert begun.wait(30)
    for thread in threads[1:]:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert (heard, asked) == (["answer"] * 8, [1])


def test_silence_is_shared_and_a_refusal_is_not(clock):
    looks, calls = SharedLooks(clock), []

    def raises(error):
        calls.append(error)
        raise error

    for error in (TenantUnreachable("Silent."), TenantRefused(403, "No.")):
        for _ in range(2):
            with pytest.raises(type(error)):
                looks.get(type(error), lambda error=error: raises(error))
    assert [type(error).__name__ for error in calls] == [
        "TenantUnreachable",
        "TenantRefused",
        "TenantRefused",
    ]


def test_few_answers_are_kept(clock):
    looks = SharedLooks(clock)
    for _ in range(shared_looks.SIZE + 5):
        looks.get(uuid4(), lambda: 1)
    assert len(looks._looks) == shared_looks.SIZE


@pytest.mark.parametrize(
    "answer",
    [
        lambda: "x" * 40,
        lambda: [{"name": "x" * 40}],
        lambda: LogLine("x" * 40, 20, None),
        lambda: LogFile(b"x" * 40),
    ],
    ids=["text", "json", "dataclass", "log"],
)
def test_of_large_answers_fewer_are_kept(clock, monkeypatch, answer):
    """Logs may have megabytes: two hundred of them would take the memory of the machine."""
    monkeypatch.setattr(shared_looks, "BYTES", 3 * weight(answer()))
    looks = SharedLooks(clock)
    for key in range(5):
        assert looks.get(key, answer) is not None
    assert [*looks._looks] == [2, 3, 4]
    assert weight(answer()) > 40


def test_what_is_larger_than_all_that_is_kept_is_answered_and_not_kept(clock, monkeypatch):
    monkeypatch.setattr(shared_looks, "BYTES", 1000)
    looks = SharedLooks(clock)
    assert looks.get("small", lambda: "1") == "1"
    assert len(looks.get("large", lambda: "x" * 2000)) == 2000
    assert [*looks._looks] == ["small"]


def test_what_is_shared_inside_an_answer_weighs_once():
    part = ["x" * 1000]
    assert weight([part, part, {"again": part}]) < 2000
    assert weight(["x" * 9] * 10, most=50) >= 50


def test_what_is_over_is_forgotten(clock):
    looks = SharedLooks(clock)
    looks.get("old", lambda: "a log of megabytes")
    clock.now += 2
    looks.get("new", lambda: 1)
    assert list(looks._looks) == ["new"]
