from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from django.db import connection
from factories import make_grant, make_template, make_template_run, make_tenant

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.hosting.base import TenantNotFound, TenantUnreachable
from tenants.run_templates import actions, code_actions
from tenants.run_templates.actions import InvalidConfiguration, TemplateRefused
from tenants.run_templates.document.configuration import default_configuration
from tenants.run_templates.engine.code import code_folder
from tenants.run_templates.models import RunTemplate, TemplateRun
from tests.tenants.runs.fakes import RUN_ID, FakeTenantClient
from zenpro_site.common.refusals import Refused

from .samples import churn_snapshot

CHURN = Path(__file__).parents[3] / "examples" / "churn"


@pytest.fixture
def tenant(org, member):
    tenant = make_tenant(org, "prod")
    make_grant(tenant, member, "developer")
    return tenant


@pytest.fixture
def server(monkeypatch, settings, tmp_path):
    settings.ZENPRO_DATA, settings.ZENPRO_CODE_ROOTS = tmp_path, []
    server = FakeTenantClient()
    monkeypatch.setattr(actions, "connect", lambda user, tenant: server)
    return server


@pytest.fixture
def template(tenant):
    snapshot = churn_snapshot()
    return make_template(
        tenant, "churn", snapshot=snapshot, default_configuration=default_configuration(snapshot)
    )


def added(tenant, person, location=CHURN):
    facts = {"pipeline": "churn", "snapshot": churn_snapshot(), "location": str(location)}
    return code_actions.add_folder(tenant=tenant, by=Actor(person), **facts)


def create(tenant, person, **changed):
    values = {"run_id": RUN_ID, "name": "nightly", "description": "Every night", "requirements": ""}
    values["code"] = changed.pop("code", None) or added(tenant, person)
    return actions.create_template(tenant=tenant, by=Actor(person), **{**values, **changed})


def events():
    return list(AuditEvent.objects.values_list("action", flat=True))


# Create, change, delete


@pytest.mark.parametrize(
    ("changed", "field", "message"),
    [
        ({"name": "churn"}, "name", "This tenant already has a template with that name."),
        ({"requirements": "-e ."}, "requirements", "options are not supported"),
        ({"requirements": "a\nb @ http://x/${Y}.zip"}, "requirements", "Line 2 (“b @ http://x/${Y}.zip”)"),
    ],
)
def test_create_is_refused_at_its_field_and_writes_nothing(
    tenant, member, server, template, changed, field, message
):
    with pytest.raises(TemplateRefused) as refusal:
        create(tenant, member, **changed)
    assert refusal.value.field == field
    assert message in str(refusal.value)
    assert RunTemplate.objects.get() == template
    assert events() == ["code.added"]


def test_a_version_whose_runs_cannot_run_again_gets_no_template(tenant, member, server):
    tenant.zenml_version = "0.84.3"
    with pytest.raises(TemplateRefused, match=r"needs ZenML 0\.85 or later; prod has 0\.84\.3\."):
        create(tenant, member)
    assert not RunTemplate.objects.exists()


def test_create_takes_only_code_that_every_step_is_in(tenant, member, server):
    """A folder too deep: what is below it cannot be found by its name."""
    version = added(tenant, member, CHURN / "churn")
    with pytest.raises(TemplateRefused, match="comes from churn/steps.py, which is not in this code"):
        create(tenant, member, code=version)
    other = added(tenant, member)
    other.pipeline_name = "another"
    with pytest.raises(TemplateRefused, match="the code of another pipeline"):
        create(tenant, member, code=other)
    assert not RunTemplate.objects.exists()


def test_create_lets_the_tenants_own_answer_through(tenant, member, server):
    with pytest.raises(TenantNotFound):
        create(tenant, member, run_id=uuid4())
    server.error = TenantUnreachable("The server cannot be reached.")
    with pytest.raises(TenantUnreachable):
        create(tenant, member)
    assert not RunTemplate.objects.exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_run_that_recorded_what_is_no_json_is_refused(tenant, member, server, value, monkeypatch):
    monkeypatch.setattr(server, "snapshot", lambda snapshot_id: {**churn_snapshot(), "odd": [value]})
    with pytest.raises(TemplateRefused, match="values that can't be stored"):
        create(tenant, member)
    assert not RunTemplate.objects.exists()


@pytest.mark.parametrize("text", ["a\0b", "\ud800", {"\0": 1}])
def test_a_run_with_characters_that_the_database_does_not_keep_is_refused(
    tenant, member, server, text, monkeypatch
):
    monkeypatch.setattr(server, "snapshot", lambda snapshot_id: {**churn_snapshot(), "odd": [text]})
    if connection.vendor == "postgresql":
        with pytest.raises(TemplateRefused, match="characters that can't be stored"):
            create(tenant, member)
        assert not RunTemplate.objects.exists()
    else:
        assert create(tenant, member).snapshot["odd"] == [text]


def test_a_template_keeps_the_run_its_snapshot_and_its_code(tenant, member, server):
    template = create(tenant, member)
    assert template.snapshot == churn_snapshot()
    assert template.default_configuration == default_configuration(churn_snapshot())
    assert (template.pipeline_name, template.stack_name) == ("churn", "default")
    assert template.source_run_id == RUN_ID
    assert template.created_by == member
    assert (code_folder(template.code.code_hash) / "churn" / "steps.py").is_file()
    assert (code_folder(template.code.code_hash) / "data" / "customers.csv").is_file()
    assert events() == ["template.created", "code.added"]


def test_two_at_once_with_one_name_are_told_apart_by_the_database(tenant, member, server, monkeypatch):
    create(tenant, member)
    monkeypatch.setattr(actions, "_check_name", lambda *args: None)
    with pytest.raises(TemplateRefused) as refusal:
        create(tenant, member)
    assert refusal.value.field == "name"
    assert events() == ["template.created", "code.added"]


def test_update_changes_words_and_requirements(template, member):
    actions.update_template(
        template=template, name="weekly", description="d", requirements="pandas", by=Actor(member)
    )
    template.refresh_from_db()
    assert (template.name, template.description, template.requirements) == ("weekly", "d", "pandas")
    event = AuditEvent.objects.get()
    assert (event.action, event.before["name"], event.after["name"]) == (
        "template.updated",
        "churn",
        "weekly",
    )


def test_whoever_changes_the_requirements_is_kept(template, member):
    words = {"template": template, "name": "weekly", "description": "d", "by": Actor(member)}
    actions.update_template(**words, requirements="")
    template.refresh_from_db()
    assert (template.requirements_changed_by, template.requirements_changed_at) == (None, None)
    actions.update_template(**words, requirements="pandas")
    template.refresh_from_db()
    assert template.requirements_changed_by == member
    assert template.requirements_changed_at is not None


def test_update_refuses_requirements_that_are_no_packages(template, member):
    with pytest.raises(TemplateRefused) as refusal:
        actions.update_template(
            template=template, name="weekly", description="", requirements="x @ file:/a", by=Actor(member)
        )
    assert refusal.value.field == "requirements"
    template.refresh_from_db()
    assert (template.name, template.requirements) == ("churn", "")
    assert events() == []


def test_update_to_a_taken_name_is_refused(template, tenant, member):
    make_template(tenant, "weekly")
    with pytest.raises(TemplateRefused) as refusal:
        actions.update_template(
            template=template, name="weekly", description="", requirements="", by=Actor(member)
        )
    assert refusal.value.field == "name"
    assert events() == []


def test_delete_waits_for_runs_under_way(template, member):
    run = make_template_run(template, member, state="running")
    with pytest.raises(TemplateRefused, match="in progress"):
        actions.delete_template(template=template, by=Actor(member))
    TemplateRun.objects.filter(pk=run.pk).update(state="completed")
    actions.delete_template(template=template, by=Actor(member))
    assert not RunTemplate.objects.exists()
    assert events() == ["template.deleted"]


# Run and cancel


def test_an_invalid_configuration_queues_nothing(template, member):
    bad = {"steps": {"train": {"parameters": {"rounds": 0, "bogus": 1}}}}
    with pytest.raises(InvalidConfiguration) as refusal:
        actions.queue_run(template=template, configuration=bad, by=Actor(member))
    assert [problem.path for problem in refusal.value.problems] == [
        "steps.train.parameters.rounds",
        "steps.train.parameters.bogus",
    ]
    assert not TemplateRun.objects.exists()
    assert events() == []


@pytest.mark.parametrize(
    "values", [{"skip_successful_steps": True}, {"steps_to_skip": ["train"]}], ids=["all", "one"]
)
def test_a_version_that_skips_no_steps_is_not_asked_to(template, tenant, member, values):
    """It would run them all and not say so."""
    tenant.zenml_version = "0.93.3"
    tenant.save()
    with pytest.raises(InvalidConfiguration) as refusal:
        actions.queue_run(template=template, configuration=values, by=Actor(member))
    [problem] = refusal.value.problems
    assert {problem.path} == values.keys()
    assert problem.message == "Skipping steps needs ZenML 0.94 or later; prod has 0.93.3."
    assert not TemplateRun.objects.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"desired_state": "deactivated", "status": "deactivated"}, "prod is deactivated: activate it"),
        ({"zenml_version": "0.84.3"}, "Running a run again needs ZenML 0.85 or later; prod has 0.84.3."),
        (
            {"status": "failed", "state_reason": "The disk is full."},
            "prod is not running at the moment. The disk",
        ),
    ],
)
def test_a_tenant_that_does_not_run_takes_no_runs(template, tenant, member, change, message):
    vars(tenant).update(change)
    tenant.save()
    with pytest.raises(Refused, match=message):
        actions.queue_run(template=template, configuration={}, by=Actor(member))
    assert not TemplateRun.objects.exists()


def test_a_queued_run_keeps_all_that_is_sent_and_what_differs(template, member):
    document = {"run_name": "mine-{date}", "steps": {"train": {"parameters": {"rounds": 9.0}}}}
    before = datetime.now(UTC)
    run = actions.queue_run(template=template, configuration=document, by=Actor(member))
    run.refresh_from_db()
    assert (run.number, run.state, run.created_by) == (1, "queued", member)
    assert run.run_name == f"mine-{before:%Y_%m_%d}"
    assert len(run.configuration["steps"]) == 5
    assert run.configuration["steps"]["train"]["parameters"]["rounds"] == 9
    assert run.changes == [
        {
            "path": "steps.train.parameters.rounds",
            "step": "train",
            "name": "rounds",
            "before": 120,
            "after": 9,
        }
    ]
    assert events() == ["template_run.queued"]


def test_runs_are_numbered_per_template(template, tenant, member):
    other = make_template(tenant, snapshot=template.snapshot)
    numbers = [
        actions.queue_run(template=one, configuration={}, by=Actor(member)).number
        for one in (template, other, template)
    ]
    assert numbers == [1, 1, 2]


def test_two_runs_of_one_moment_have_different_names(template, member):
    names = {
        actions.queue_run(template=template, configuration={}, by=Actor(member)).run_name for _ in range(3)
    }
    assert len(names) == 3


def test_cancel_is_a_wish_recorded_once(template, member, owner):
    run = make_template_run(template, member, state="running")
    actions.cancel_run(run=run, by=Actor(owner))
    actions.cancel_run(run=run, by=Actor(member))
    run.refresh_from_db()
    assert (run.state, run.cancel_requested_by) == ("running", owner)
    assert run.cancel_requested_at
    assert events() == ["template_run.cancelled"]


def test_an_ended_run_cannot_be_cancelled(template, member):
    run = make_template_run(template, member, state="completed")
    with pytest.raises(Refused, match="has already ended"):
        actions.cancel_run(run=run, by=Actor(member))
    assert events() == []
