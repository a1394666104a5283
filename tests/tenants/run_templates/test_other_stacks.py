"""Re-runs that go to another stack than their run did: which ones can be chosen, and what is sent there."""

import json
from copy import deepcopy
from uuid import UUID, uuid4

import pytest
from django.urls import reverse
from factories import make_grant, make_key, make_template_run

from orgs.users.models import Actor
from tenants.api import runs
from tenants.hosting.base import TenantUnreachable
from tenants.run_templates import actions
from tenants.run_templates.continuing import _stack_warning
from tenants.run_templates.document.configuration import default_configuration
from tenants.run_templates.document.field_rules import MORE, FieldRule, RuleKind
from tenants.run_templates.document.parsed import Document
from tenants.run_templates.engine.derive import DeriveFailed, derive
from tenants.run_templates.engine.other_stacks import choice_for, may_be_chosen
from tenants.run_templates.models import TemplateRun
from tests.tenants.runs.fakes import FakeTenantClient
from zenpro_site.common.refusals import Refused

from .samples import churn_snapshot
from .test_remote_stacks import BUILD_ID, STACK, STACK_ID, remote_server, remote_template

BIG = "big-cluster"


def component(kind, name, flavor, integration="built-in"):
    body = {"type": kind, "flavor_name": flavor, "integration": integration}
    return {"id": str(uuid4()), "name": name, "body": body}


def add_stack(server, name=BIG, **components):
    """Like the run's own, with an orchestrator of its own and what else is given."""
    made = deepcopy(STACK) | {"id": str(uuid4()), "name": name}
    found = made["metadata"]["components"]
    found["orchestrator"] = [component("orchestrator", f"k8s-{name}", "kubernetes", "kubernetes")]
    found |= components
    server.stacks[UUID(made["id"])] = made
    return made


@pytest.fixture
def template(org, member):
    found = remote_template(org, member)
    found.default_configuration = default_configuration(found.snapshot)
    found.save()
    return found


@pytest.fixture
def server(monkeypatch):
    found = remote_server()
    monkeypatch.setattr(actions, "connect", lambda person, tenant: found)
    return found


def queue(template, member, stack):
    return actions.queue_run(
        template=template, configuration=Document.of(template), by=Actor(member), stack=stack
    )


def reasons(template, server):
    return {one.name: one.refusal for one in choice_for(template, server).refused}


# -- which ones


def test_a_stack_that_can_use_images_and_code_can_be_chosen(template, server):
    made = add_stack(server)
    add_stack(server, "here", orchestrator=[component("orchestrator", "default", "local")])
    (found,) = choice_for(template, server).allowed
    assert (found.id, found.name, found.orchestrator) == (UUID(made["id"]), BIG, f"k8s-{BIG}")
    assert not choice_for(template, server).refused


@pytest.mark.parametrize(
    ("components", "why"),
    [
        ({"artifact_store": [component("artifact_store", "s3", "s3", "s3")]}, "code of the run could not be"),
        ({"artifact_store": []}, "code of the run could not be"),
        (
            {"container_registry": [component("container_registry", "ecr", "aws")]},
            "images could not be pulled",
        ),
        ({"alerter": [component("alerter", "slack", "slack", "slack")]}, "other packages"),
    ],
    ids=["store", "no store", "registry", "packages"],
)
def test_others_say_why_not(template, server, components, why):
    add_stack(server, **components)
    assert why in reasons(template, server)[BIG] and not choice_for(template, server).allowed


def test_what_steps_ask_for_has_to_be_there(template, server):
    next(iter(template.snapshot["metadata"]["step_configurations"].values()))["config"]["step_operator"] = (
        "gpu"
    )
    gpu = [component("step_operator", "gpu", "kubernetes", "kubernetes")]
    server.stacks[STACK_ID]["metadata"]["components"]["step_operator"] = gpu
    server.builds[BUILD_ID] = {"metadata": {"stack_checksum": None}}
    add_stack(server)
    assert reasons(template, server)[BIG].startswith("It lacks the step operator that the step")
    add_stack(server, "other", step_operator=gpu)
    assert [one.name for one in choice_for(template, server).allowed] == ["other"]


def test_a_tenant_with_one_stack_of_the_kind_says_so(template, server):
    assert choice_for(template, server).why_one == (
        "No other stack of the tenant has an orchestrator of the flavor kubernetes."
    )


def test_odd_stacks_are_none(template, server):
    server.stacks |= {"a": {"id": "odd"}, "b": {"metadata": {"components": [1]}, "id": str(uuid4())}}
    choice = choice_for(template, server)
    assert (choice.allowed, choice.refused) == ((), ())


def test_a_run_without_images_has_nothing_to_choose(template):
    assert may_be_chosen(template)
    template.snapshot = churn_snapshot()
    assert not may_be_chosen(template)


# -- what is asked for, and sent


def test_a_run_goes_to_the_stack_that_was_chosen(template, server, member):
    made = add_stack(server)
    template.snapshot["metadata"]["pipeline_configuration"]["settings"] = {
        "orchestrator:k8s": {"timeout": 9},
        "docker": {},
    }
    template.save()
    run = queue(template, member, UUID(made["id"]))
    assert (run.stack, run.code_id) == (BIG, template.code_id)
    derive(run, server)
    (sent,) = (one["metadata"] for one in server.snapshots.values())
    assert (sent["stack"], sent["build"]) == (made["id"], str(BUILD_ID))
    assert sent["pipeline_configuration"]["settings"] == {
        f"orchestrator:k8s-{BIG}": {"timeout": 9, "synchronous": False},
        "docker": {},
    }


def test_settings_recorded_under_the_other_name_replace_none(template, server, member):
    """They were never in force, and what a rule locks is in those of the template's own orchestrator."""
    made = add_stack(server)
    settings = {"orchestrator:k8s": {"timeout": 9}, f"orchestrator:k8s-{BIG}": {"timeout": 1}}
    template.snapshot["metadata"]["pipeline_configuration"]["settings"] = settings
    template.save()
    derive(queue(template, member, UUID(made["id"])), server)
    (sent,) = (one["metadata"] for one in server.snapshots.values())
    assert sent["pipeline_configuration"]["settings"] == {
        f"orchestrator:k8s-{BIG}": {"timeout": 9, "synchronous": False}
    }


LOCKED = FieldRule(MORE, RuleKind.LOCKED, reason="It is sized for its stack.").as_json()


def test_a_template_that_locks_all_beside_its_parameters_keeps_its_stack(template, server, member):
    made = add_stack(server)
    template.field_rules = [LOCKED]
    template.save()
    with pytest.raises(Refused, match="It is sized for its stack."):
        queue(template, member, UUID(made["id"]))
    assert queue(template, member, None).stack == "cluster"


@pytest.mark.parametrize("stack", [None, STACK_ID], ids=["none", "its own"])
def test_its_own_stack_is_no_choice(template, server, member, stack):
    run = queue(template, member, stack)
    assert (run.stack_id, run.stack) == (None, "cluster")


def no_such_stack(template, server):
    return uuid4()


def another_store(template, server):
    store = [component("artifact_store", "s3", "s3")]
    return UUID(add_stack(server, artifact_store=store)["id"])


def silent(template, server):
    made = add_stack(server)
    server.down = TenantUnreachable("The server cannot be reached.")
    return UUID(made["id"])


def no_images(template, server):
    template.snapshot = churn_snapshot()
    return UUID(add_stack(server)["id"])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (no_such_stack, "stack is gone"),
        (another_store, "artifact store is another one"),
        (silent, "can't be looked at"),
        (no_images, "this run has none"),
    ],
)
def test_nothing_is_queued_for_a_stack_that_can_not_be(template, server, member, change, why):
    stack = change(template, server)
    with pytest.raises(Refused, match=why):
        queue(template, member, stack)
    assert not TemplateRun.objects.exists()


def test_a_stack_that_changed_meanwhile_gets_nothing(template, server, member):
    made = add_stack(server)
    run = queue(template, member, UUID(made["id"]))
    made["metadata"]["components"]["artifact_store"] = []
    with pytest.raises(DeriveFailed, match=f"can't go to {BIG}"):
        derive(run, server)
    assert not server.snapshots


def test_a_run_that_is_continued_where_it_was_is_told_of_no_other_stack(template, member):
    stack = uuid4()
    there = make_template_run(template, member, stack_id=stack, stack_name=BIG)
    assert _stack_warning(stack, there) == ()
    assert _stack_warning(STACK_ID, there) == (
        f"It ran on another stack than {BIG}, where this run goes on.",
    )
    assert _stack_warning(STACK_ID, make_template_run(template, member)) == ()


# -- the form


@pytest.fixture
def page(template, member, as_user, monkeypatch):
    """(client of the member, the server of the pages, address of the form)"""
    client = FakeTenantClient()
    client.stacks[str(STACK_ID)], client.builds[str(BUILD_ID)] = deepcopy(STACK), {"metadata": {}}
    monkeypatch.setattr("tenants.runs.reading.connect", lambda user, tenant: client)
    monkeypatch.setattr(actions, "connect", lambda person, tenant: client)
    make_grant(template.tenant, member, "editor")
    where = [template.tenant.organization.slug, template.tenant.slug, template.pk]
    return as_user(member), client, reverse("run_templates:run", args=where)


def test_the_form_offers_it_and_stands_at_the_stack_of_the_run_before(page, template, member):
    client, server, url = page
    made = add_stack(server)
    add_stack(server, "far", artifact_store=[])
    text = client.get(url).content.decode()
    assert f'<option value="{made["id"]}">{BIG}</option>' in text
    assert "Not on far" in text and "code of the run could not be read" in text
    make_template_run(template, member, stack_id=made["id"], stack_name=BIG)
    assert f'<option value="{made["id"]}" selected>' in client.get(f"{url}?from=1").content.decode()


def test_the_form_says_why_there_is_one_stack(page, template):
    client, server, url = page
    text = client.get(url).content.decode()
    assert "No other stack of the tenant" in text and '<select name="stack"' not in text
    server.error = TenantUnreachable("The server cannot be reached.")
    answer = client.get(url)
    assert answer.status_code == 200 and "be looked at now" in answer.content.decode()


def test_the_form_of_a_template_that_keeps_its_stack_offers_none(page, template):
    client, server, url = page
    add_stack(server)
    template.field_rules = [LOCKED]
    template.save()
    text = client.get(url).content.decode()
    assert "It is sized for its stack." in text and '<select name="stack"' not in text


def test_what_was_chosen_is_run(page, template):
    client, server, url = page
    stack = UUID(add_stack(server)["id"])
    server.stacks[str(stack)] = server.stacks[stack]
    shown = client.get(url).context["editor"].document_json
    answer = client.post(url, {"document": shown, "shown": "form", "do": "run", "stack": str(stack)})
    assert answer.status_code == 302, answer.content.decode()[:400]
    assert TemplateRun.objects.get().stack_name == BIG


def test_the_api_takes_it(template, server, member, client):
    """Only where the run can go there; a stack that can't be is a conflict, and nothing is queued."""
    path = f"/api/v1/organizations/{template.tenant.organization.slug}/tenants/{template.tenant.slug}"
    headers = {"Authorization": f"Bearer {make_key(member).secret}"}

    def start(stack):
        body = json.dumps({"stack": str(stack)})
        address = f"{path}/templates/{template.pk}/runs"
        return client.post(address, body, content_type="application/json", headers=headers)

    refused = start(uuid4())
    assert "This stack is gone." in refused.content.decode() and refused.status_code in (409, 422)
    made = start(add_stack(server)["id"])
    assert (made.status_code, made.json()["stack"]) == (201, BIG)
    assert TemplateRun.objects.count() == 1


def test_the_api_continues_a_run_on_its_stack(template, server, member, client, monkeypatch):
    """As the form does, unless the template's own is named."""
    stack = UUID(add_stack(server)["id"])
    make_template_run(template, member, state="failed", stack_id=stack, stack_name=BIG)
    monkeypatch.setattr(runs, "connect", lambda person, tenant: server)
    monkeypatch.setattr(runs, "continued_with", lambda *args: (Document.of(template), None))
    where = [template.tenant.organization.slug, template.tenant.slug, template.pk]
    address = "/api/v1/organizations/{}/tenants/{}/templates/{}/runs".format(*where)
    headers = {"Authorization": f"Bearer {make_key(member).secret}"}

    def start(**body):
        sent = json.dumps({"continues": 1, **body})
        return client.post(address, sent, content_type="application/json", headers=headers).json()["stack"]

    assert (start(), start(stack=str(STACK_ID))) == (BIG, "cluster")
