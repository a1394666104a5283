"""A document is read once, whatever is asked of it afterwards."""

import pytest
from django.urls import reverse
from factories import make_grant, make_member, make_template

from orgs.users.models import Actor
from tenants.run_templates import actions
from tenants.run_templates.document import configuration
from tenants.run_templates.document.configuration import default_configuration
from tenants.run_templates.document.parsed import Document
from tenants.run_templates.models import TemplateRun

from .samples import churn_snapshot, snapshot_of

pytestmark = pytest.mark.any_database

ROUNDS = "steps.train.parameters.rounds"


def with_rounds(value) -> dict:
    return {"steps": {"train": {"parameters": {"rounds": value}}}}


@pytest.fixture
def template(tenant):
    snapshot = churn_snapshot()
    return make_template(tenant, snapshot=snapshot, default_configuration=default_configuration(snapshot))


@pytest.fixture
def read(monkeypatch):
    """The snapshots that were read."""
    found, describe = [], configuration.describe
    monkeypatch.setattr(
        configuration, "describe", lambda snapshot: found.append(snapshot) or describe(snapshot)
    )
    return found


def test_a_document_knows_its_schema_its_defaults_its_changes_and_its_faults(template, read):
    unchanged = Document.of(template)
    document = unchanged.with_values(with_rounds(0))
    assert (unchanged.changes, unchanged.faults) == ([], [])
    assert [(change.path, change.before, change.after) for change in document.changes] == [(ROUNDS, 120, 0)]
    assert [problem.path for problem in document.faults] == [ROUNDS]
    assert document.by_path[ROUNDS] == 0
    assert document.by_path.keys() == document.schema.by_path.keys()
    assert document.default == template.default_configuration
    assert read == [template.snapshot]


def test_what_a_document_leaves_out_is_as_recorded(template):
    document = Document.of(template).with_values(with_rounds(9.0))
    assert document.complete["steps"]["train"]["parameters"]["rounds"] == 9
    assert document.complete["steps"].keys() == document.default["steps"].keys()
    assert Document.of(template).values == template.default_configuration


@pytest.mark.parametrize("kept", [{}, {"extra": {"a": "\ud800"}}])
def test_a_default_that_no_page_can_show_is_read_from_the_snapshot(template, kept):
    template.default_configuration = kept
    assert Document.of(template).default == default_configuration(template.snapshot)


@pytest.mark.parametrize("button", [{"do": "run"}, {"tab": "diff"}, {"reset": ROUNDS}])
def test_the_form_reads_the_snapshot_once(template, org, tenant, as_user, read, button):
    person = make_member(org, "member")
    make_grant(tenant, person, "operator")
    page = reverse("run_templates:run", args=[org.slug, tenant.slug, template.pk])
    as_user(person).post(page, {"shown": "form", ROUNDS: "7", **button})
    assert len(read) == 1
    assert TemplateRun.objects.count() == ("do" in button)


def test_a_document_with_faults_is_not_run(template, member):
    document = Document.of(template).with_values(with_rounds(0))
    with pytest.raises(actions.InvalidConfiguration):
        actions.queue_run(template=template, configuration=document, by=Actor(member))
    assert not TemplateRun.objects.exists()


def test_a_document_of_another_template_is_read_again_for_this_one(template, tenant, member):
    snapshot = snapshot_of({"x": {"type": "integer", "default": 1}})
    other = make_template(tenant, snapshot=snapshot, default_configuration=default_configuration(snapshot))
    document = Document.of(other).with_values({"steps": {"work": {"parameters": {"x": 2}}}})
    assert document.faults == []
    with pytest.raises(actions.InvalidConfiguration):
        actions.queue_run(template=template, configuration=document, by=Actor(member))


@pytest.mark.parametrize("values", [None, [], "text"])
def test_what_is_no_object_is_a_fault(template, member, values):
    with pytest.raises(actions.InvalidConfiguration):
        actions.queue_run(template=template, configuration=values, by=Actor(member))
