"""Re-runs of runs that were carried out elsewhere: the images they need, and what is said when those are no more."""

import hashlib
import json
from copy import deepcopy
from uuid import UUID, uuid4

import pytest
from factories import make_grant, make_template, make_template_run, make_tenant

from orgs.users.models import Actor
from tenants.hosting.base import TenantRefused, TenantUnreachable
from tenants.run_templates import actions
from tenants.run_templates.document.components import KEY
from tenants.run_templates.document.configuration import default_configuration
from tenants.run_templates.document.parsed import Document
from tenants.run_templates.engine.derive import DeriveFailed, derive, snapshot_body
from tenants.run_templates.engine.remote_stacks import (
    goes_elsewhere,
    runs_elsewhere,
    user_of_runners,
    why_no_images,
)
from zenpro_site.common.refusals import Refused

from ..agent.fake_tenant import FakeTenant
from .samples import DATA, churn_snapshot

STACK = json.loads((DATA / "kubernetes_stack.json").read_text())["stack"]  # of ZenML 0.98.0
STACK_ID, BUILD_ID = UUID(STACK["id"]), uuid4()
KEPT = {"type": "orchestrator", "name": "k8s", "flavor": "kubernetes", "settings": {}}
CHECKSUM = hashlib.md5(b"kubernetes", usedforsecurity=False).hexdigest()
ONCE_MORE = "Run the pipeline on cluster once more, and run that run again."


def remote_snapshot(build=BUILD_ID, stack=STACK_ID):
    """As the server shows one of a run on a Kubernetes stack, with what is kept beside it."""
    snapshot = churn_snapshot()
    linked = {"build": {"id": str(build)} if build else None, "stack": {"id": str(stack)}}
    snapshot["resources"] |= linked
    return snapshot | {KEY: [KEPT]}


def remote_template(org, member):
    """Of such a run, which the member can run again."""
    tenant = make_tenant(org, "prod")
    make_grant(tenant, member, "operator")
    facts = {"snapshot": remote_snapshot(), "stack_id": STACK_ID, "stack_name": "cluster"}
    return make_template(tenant, name="churn", **facts)


def remote_server():
    """A server that still has the stack, and the build for it."""
    found = FakeTenant()
    found.stacks[STACK_ID] = deepcopy(STACK)
    found.builds[BUILD_ID] = {"metadata": {"stack_checksum": CHECKSUM}}
    return found


@pytest.fixture
def template(org, member):
    return remote_template(org, member)


@pytest.fixture
def server(monkeypatch):
    found = remote_server()
    monkeypatch.setattr(actions, "connect", lambda person, tenant: found)
    return found


def body_of(template):
    return snapshot_body(template, default_configuration(template.snapshot))


def orchestrators(server):
    return server.stacks[STACK_ID]["metadata"]["components"]["orchestrator"]


def test_the_images_of_the_recorded_run_are_used_again_on_their_own_stack(template):
    assert (body_of(template)["build"], body_of(template)["stack"]) == (str(BUILD_ID), str(STACK_ID))
    template.stack_id = uuid4()
    assert body_of(template)["build"] is None
    template.snapshot = churn_snapshot()
    assert body_of(template)["build"] is None


def test_runners_of_a_tenant_are_one_user_that_is_not_the_server(template):
    """ZenML 0.98 takes a server whose id is the user's for a local one, and runs no remote stack on it."""
    first, second = user_of_runners(template.tenant_id), user_of_runners(uuid4())
    assert first == user_of_runners(template.tenant_id)
    assert len({first, second, template.tenant_id}) == 3


@pytest.mark.parametrize(
    ("recorded", "key"),
    [({}, "orchestrator:k8s"), ({"orchestrator.kubernetes": {"timeout": 9}}, "orchestrator.kubernetes")],
    ids=["nothing recorded", "recorded by flavor"],
)
def test_the_runner_waits_for_no_end_of_a_run_elsewhere(template, recorded, key):
    template.snapshot["metadata"]["pipeline_configuration"]["settings"] = deepcopy(recorded)
    sent = body_of(template)["pipeline_configuration"]["settings"]
    assert sent == {key: {**recorded.get(key, {}), "synchronous": False}}


@pytest.mark.parametrize("kept", [[], None, "odd", [{"type": "orchestrator", "flavor": "databricks"}]])
def test_what_can_not_be_told_so_is_left_as_recorded(template, kept):
    template.snapshot[KEY] = kept
    recorded = template.snapshot["metadata"]["pipeline_configuration"]
    assert body_of(template)["pipeline_configuration"] == recorded


def lose_build(template, server):
    del server.builds[BUILD_ID]


def never_had_one(template, server):
    template.snapshot = remote_snapshot(build=None)


def other_stack(template, server):
    template.snapshot = remote_snapshot(stack=uuid4())


def lose_stack(template, server):
    del server.stacks[STACK_ID]


def rename_component(template, server):
    orchestrators(server)[0]["name"] = "k9s"


def other_integration(template, server):
    store = server.stacks[STACK_ID]["metadata"]["components"]["artifact_store"][0]
    store["body"]["integration"] = "s3"


GONE = f"The images of this run are gone: their build was deleted. {ONCE_MORE}"
REFUSALS = {
    "build deleted": (lose_build, GONE),
    "build deleted before": (never_had_one, GONE),
    "built for another stack": (
        other_stack,
        f"The images of this run were built for another stack. {ONCE_MORE}",
    ),
    "stack deleted": (
        lose_stack,
        "The stack cluster, for which the images of this run were built, is gone.",
    ),
    "component gone": (
        rename_component,
        "The stack cluster no longer has the orchestrator k8s, for which the images of this run were built.",
    ),
    "stack changed": (
        other_integration,
        f"The stack cluster has changed since the images of this run were built. {ONCE_MORE}",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_would_find_no_images_is_refused_before_anything_is_queued_or_begun(
    name, template, server, member
):
    spoil, sentence = REFUSALS[name]
    spoil(template, server)
    template.save()
    with pytest.raises(Refused) as refused:
        actions.queue_run(template=template, configuration={}, by=Actor(member))
    assert (str(refused.value), template.runs.count()) == (sentence, 0)
    run = make_template_run(template, member, configuration=default_configuration(template.snapshot))
    with pytest.raises(DeriveFailed) as failed:
        derive(run, server)
    assert (failed.value.reason, server.log, server.snapshots) == (sentence, [], {})


def test_a_sweep_without_images_is_refused_as_a_whole(template, server, member):
    lose_build(template, server)
    with pytest.raises(Refused, match=r"images of this run are gone"):
        actions.queue_sweep(template=template, document=Document.of(template), fields=[], by=Actor(member))
    assert (template.sweeps.count(), template.runs.count()) == (0, 0)


@pytest.mark.parametrize(
    "error", [TenantUnreachable("away"), TenantRefused(403, "No.")], ids=["unreachable", "refused"]
)
def test_where_no_one_can_tell_it_is_queued_and_asked_again_by_the_agent(template, server, member, error):
    server.down = error
    run = actions.queue_run(template=template, configuration={}, by=Actor(member))
    with pytest.raises(type(error)):
        derive(run, server)
    server.down = None
    derive(run, server)
    assert server.log == ["create_snapshot", "create_run"]
    assert server.only_run.body["snapshot"] in server.snapshots
    assert next(iter(server.snapshots.values()))["metadata"]["build"] == str(BUILD_ID)


@pytest.mark.parametrize("odd", [{}, {"metadata": None}, {"metadata": {"stack_checksum": None}}])
def test_a_build_that_says_nothing_is_not_held_against_a_run(template, server, odd, member):
    server.builds[BUILD_ID] = odd
    assert actions.queue_run(template=template, configuration={}, by=Actor(member)).number == 1


def test_what_was_recorded_without_images_asks_the_tenant_nothing(template, member, monkeypatch):
    monkeypatch.setattr(actions, "connect", lambda *_: pytest.fail("the tenant was asked"))
    template.snapshot = churn_snapshot()
    template.save()
    assert actions.queue_run(template=template, configuration={}, by=Actor(member)).number == 1


ODD = (["x"], {"x": 1}, None, 7, True, "x" * 100_000 + "\u202e", float("nan"))


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: type(odd).__name__)
def test_whatever_a_server_says_of_a_stack_ends_in_a_sentence(template, server, odd):
    odd_one = {"name": odd, "body": {"flavor_name": odd, "integration": odd}}
    server.stacks[STACK_ID] = {"metadata": {"components": {"orchestrator": [odd_one, odd], "x": odd}}}
    for build in ({"metadata": {"stack_checksum": odd}}, {"metadata": odd}):
        server.builds[BUILD_ID] = build
        assert len(why_no_images(template, lambda: server)) < 500
    assert runs_elsewhere(template, server) in (True, False)


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: type(odd).__name__)
def test_whatever_was_kept_of_a_stack_ends_in_a_sentence(template, server, odd):
    for name in ("type", "name", "flavor"):
        template.snapshot[KEY] = [KEPT | {name: odd}, odd]
        said = why_no_images(template, lambda: server)
        assert len(said) < 500 and "\u202e" not in said
        assert goes_elsewhere(template) and isinstance(body_of(template), dict)
