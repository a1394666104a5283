"""The form filled from an earlier run while it is edited: nothing that was typed is lost in silence."""

import json

import pytest
from factories import make_template_run

from tenants.hosting.base import TenantRefused, TenantUnreachable
from tenants.run_templates.models import TemplateRun
from tests.tenants.runs.fakes import RUN_ID, churn

from .test_views_run import (  # noqa: F401 - fixtures
    DEFAULT,
    HTMX_BAR,
    MAXIMUM,
    ROUNDS,
    form,
    operator,
    template,
    texts,
    url,
    viewer,
)

pytestmark = pytest.mark.any_database

LIKE = f"like {RUN_ID}"


@pytest.fixture
def earlier(template, operator):  # noqa: F811
    """Re-run #1, with other rounds."""
    document = json.loads(json.dumps(DEFAULT))
    document["steps"]["train"]["parameters"]["rounds"] = 600
    return make_template_run(template, person=operator, configuration={**document, "tags": ["night"]})


def changes(response):
    return {change.path: change.after for change in response.context["editor"].changes}


# -- refusals


def test_viewer_cannot_fill(template, viewer, server, as_user):  # noqa: F811
    assert as_user(viewer).post(url("run", template), {"fill": LIKE}).status_code == 403
    assert server.calls == []


@pytest.mark.parametrize(
    "source",
    [
        "from 2",
        "from x",
        "from ²",
        "from 99999999999",
        "like 0d9f6a4e-8a3b-4c38-9a54-3f7d0a3a9c11",
        "like x",
        "like ",
    ],
)
def test_what_is_not_there_fills_nothing(source, form, server):  # noqa: F811
    response = form.post(fill=source, **{ROUNDS: "7"})
    assert response.status_code == 200
    assert changes(response) == {ROUNDS: 7}
    assert "Nothing was filled in.</b> That run is no longer there." in texts(response)


@pytest.mark.parametrize(
    "error", [TenantUnreachable("no route"), TenantRefused(403, "<b>no</b>"), TenantRefused(500, "x" * 9000)]
)
def test_a_server_that_refuses_fills_nothing(error, form, server):  # noqa: F811
    server.error = error
    for source in (LIKE, "choose"):
        response = form.post(fill=source, **{ROUNDS: "7"})
        assert response.status_code == 200
        assert changes(response) == {ROUNDS: 7}
        assert "<b>no</b>" not in texts(response)


@pytest.mark.parametrize("steps", [None, 7, {"train": 7}, {"train": {"config": {"parameters": ["x"]}}}])
def test_a_hostile_snapshot_is_filled_in_without_harm(steps, form, server):  # noqa: F811
    [snapshot] = server.snapshots.values()
    snapshot["metadata"]["step_configurations"] = steps
    filled = form.post(fill=LIKE, **{ROUNDS: "7"})
    assert (changes(filled), [one.after for one in filled.context["filled"].replaced]) == ({}, [7])
    assert "7" in filled.context["filled"].before


def test_yaml_that_cannot_be_read_is_not_lost(form, earlier):  # noqa: F811
    response = form.post(shown="yaml", yaml="steps: [", fill="from 1")
    assert response.context["editor"].yaml == "steps: ["
    assert "Correct it first." in texts(response)


def test_a_button_that_has_the_focus_while_typing_fills_nothing(form, earlier):  # noqa: F811
    assert changes(form.post(headers=HTMX_BAR, fill="from 1", **{ROUNDS: "7"})) == {ROUNDS: 7}


# -- filling


def test_filled_from_a_rerun_with_what_gave_way_and_undone(form, earlier, server):  # noqa: F811
    response = form.post(fill="from 1", run_name="mine-{time}", **{MAXIMUM: "500"})
    editor, filled = response.context["editor"], response.context["filled"]
    assert changes(response) == {ROUNDS: 600, "tags": ["night"]}
    assert editor.run_name == "mine-{time}"
    assert [change.path for change in filled.replaced] == [MAXIMUM]
    assert "2 values differ from the template." in " ".join(texts(response).split())
    sent = {"shown": "form", "document": editor.document_json, "before": filled.before, "undo": "1"}
    assert changes(form.client.post(form.url, sent)) == {MAXIMUM: 500}
    assert server.calls == []
    assert not TemplateRun.objects.exclude(pk=earlier.pk).exists()


def test_what_was_typed_alike_did_not_give_way(form, earlier):  # noqa: F811
    assert form.post(fill="from 1", **{ROUNDS: "600"}).context["filled"].replaced == ()


def test_filled_with_the_template_again(form):  # noqa: F811
    response = form.post(fill="template", **{ROUNDS: "600"})
    assert changes(response) == {}
    assert [change.after for change in response.context["filled"].replaced] == [600]


def test_filled_from_any_run_says_what_did_not_fit(form, server):  # noqa: F811
    [snapshot] = server.snapshots.values()
    configurations = snapshot["metadata"]["step_configurations"]
    configurations["train"]["config"]["parameters"] |= {"rounds": 5000, "bogus": 1}
    response = form.post(fill=LIKE)
    assert changes(response) == {ROUNDS: 5000}
    assert response.context["editor"].draft.unknown == ["steps.train.parameters.bogus"]
    assert "Enter a whole number from 1 to 1000." in texts(response)
    assert server.calls == ["run", "snapshot"]


def test_runs_of_the_pipeline_are_offered_with_one_call_and_what_was_typed_stays(form, server):  # noqa: F811
    server.add_run(name="<i>night</i>")
    response = form.post(fill="choose", **{ROUNDS: "7"})
    assert changes(response) == {ROUNDS: 7}
    assert len(response.context["offer"].runs) == 2
    assert "&lt;i&gt;night&lt;/i&gt;" in texts(response)
    assert server.calls == ["runs"]
    assert str(server.filters[0]["pipeline_id"]) == churn("snapshot")["body"]["pipeline_id"]


def test_the_form_itself_asks_the_tenant_nothing(form, server, earlier):  # noqa: F811
    assert form.get().status_code == 200
    assert server.calls == []


def test_before_that_is_no_document_does_no_harm(form):  # noqa: F811
    for before in ("", "{", "[]", "7", '{"steps": 7}'):
        assert form.post(undo="1", before=before).status_code == 200
