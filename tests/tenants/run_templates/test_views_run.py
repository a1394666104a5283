"""The form that runs a template with other values: form, YAML and difference are one document."""

import json
from copy import deepcopy
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from factories import make_grant, make_member, make_template, make_template_run

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.agent import run_endings
from tenants.hosting.base import TenantUnreachable
from tenants.models import Tenant
from tenants.run_templates import actions
from tenants.run_templates.document.configuration import default_configuration, load_yaml
from tenants.run_templates.models import TemplateRun
from tests.tenants.runs.fakes import churn

pytestmark = pytest.mark.any_database

SNAPSHOT = churn("snapshot")
DEFAULT = default_configuration(SNAPSHOT)
ROUNDS = "steps.train.parameters.rounds"
MAXIMUM = "steps.load_customers.parameters.max_customers"
HTMX_BAR = {"HX-Request": "true", "HX-Target": "bar"}
HTMX_EDITOR = {"HX-Request": "true", "HX-Target": "editor"}


@pytest.fixture
def template(tenant):
    fields = {"snapshot": SNAPSHOT, "default_configuration": DEFAULT}
    return make_template(tenant, "nightly-churn", pipeline_name="churn", **fields)


@pytest.fixture
def operator(org, tenant):
    person = make_member(org, "member", name="Olga Operator")
    make_grant(tenant, person, "operator")
    return person


@pytest.fixture
def viewer(org, tenant):
    person = make_member(org, "member", name="Vera Viewer")
    make_grant(tenant, person, "viewer")
    return person


@pytest.fixture
def form(operator, template, as_user):
    """The page of the form, signed in as somebody who may run."""
    return Form(as_user(operator), template)


def test_the_form_says_when_no_types_were_recorded(form, template):
    assert "no-types" not in form.get().content.decode()
    template.snapshot = deepcopy(template.snapshot)  # others use the same one
    for step in template.snapshot["metadata"]["step_configurations"].values():
        step["spec"].pop("parameter_spec")
    template.save()
    assert 'id="no-types"' in form.get().content.decode()


class Form:
    def __init__(self, client, template):
        self.client, self.template = client, template
        self.url = url("run", template)

    def get(self, **query):
        return self.client.get(self.url, query)

    def post(self, headers=None, **data):
        """What a browser sends that shows the form with the template's values, with these on top."""
        return self.client.post(self.url, {**self.fields(), **data}, headers=headers)

    def fields(self) -> dict:
        editor = self.get().context["editor"]
        data = {"shown": "form", "document": editor.document_json, "run_name": editor.run_name}
        for view in editor.views:
            data[view.field.path] = view.text if view.widget != "switch" else str(view.checked).lower()
            if view.none:
                data[view.none_name] = "on"
        return {**data, "enable_cache": ["false", "true"]}


def url(name: str, template, *args) -> str:
    tenant = template.tenant
    return reverse(f"run_templates:{name}", args=[tenant.organization.slug, tenant.slug, template.pk, *args])


def texts(response) -> str:
    return response.content.decode()


def value(document: dict, path: str):
    for key in path.split("."):
        document = document[key]
    return document


# -- refusals


def test_viewer_can_neither_open_nor_post_the_form(template, viewer, as_user):
    client = as_user(viewer)
    assert client.get(url("run", template)).status_code == 403
    assert client.post(url("run", template), {"do": "run"}).status_code == 403
    assert TemplateRun.objects.count() == 0
    assert AuditEvent.objects.get(action="access.refused").actor == viewer


def test_org_admin_without_a_role_inside_cannot_run(template, owner, as_user):
    assert as_user(owner).post(url("run", template), {"do": "run"}).status_code == 403
    assert TemplateRun.objects.count() == 0


def test_viewer_cannot_cancel(template, viewer, as_user):
    run = make_template_run(template, person=viewer)
    assert as_user(viewer).post(url("cancel", template, run.number)).status_code == 403
    run.refresh_from_db()
    assert run.cancel_requested_at is None


def test_operator_cannot_stop_the_runs_of_others(template, operator, viewer, as_user):
    run = make_template_run(template, person=viewer)
    assert as_user(operator).post(url("cancel", template, run.number)).status_code == 403
    run.refresh_from_db()
    assert run.cancel_requested_at is None


def test_cancel_is_not_done_by_a_link(template, operator, as_user):
    run = make_template_run(template, person=operator)
    assert as_user(operator).get(url("cancel", template, run.number)).status_code == 405
    run.refresh_from_db()
    assert run.cancel_requested_at is None


@pytest.mark.parametrize("name", ["run_detail", "cancel"])
def test_number_of_another_template_is_404(name, template, operator, tenant, as_user):
    other = make_template(tenant)
    run = make_template_run(other, person=operator)
    method = as_user(operator).post if name == "cancel" else as_user(operator).get
    assert method(url(name, template, 1)).status_code == 404
    run.refresh_from_db()
    assert run.cancel_requested_at is None


# -- what the form shows


def test_form_has_one_widget_for_every_parameter(form):
    page = texts(form.get())
    for view in form.get().context["editor"].views:
        assert f'name="{view.field.path}"' in page
    assert 'type="date"' in page
    assert 'role="switch"' in page
    assert "100 to 5000 or none" in page
    assert "list of text, at least 1" in page
    assert "0 of 19 values changed" in page


def test_opening_the_form_makes_nothing(form):
    form.get(tab="yaml")
    form.get(**{ROUNDS: "600", "do": "run"})
    assert TemplateRun.objects.count() == 0


def test_form_without_changes_says_so(form):
    response = form.post(tab="diff")
    assert response.context["editor"].changes == []
    assert "Nothing differs from the template" in texts(response)


@pytest.mark.parametrize("tab", ["form", "yaml", "diff"])
def test_pipeline_without_parameters(tab, tenant, operator, as_user):
    template = make_template(tenant, snapshot={}, default_configuration=default_configuration({}))
    answer = as_user(operator).get(url("run", template), {"tab": tab})
    assert answer.status_code == 200
    editor = answer.context["editor"]
    assert (answer.context["tab"], editor.steps, editor.views) == (tab, [], [])


# -- one document, three views


def test_changes_are_counted_marked_and_undone(form):
    response = form.post(**{ROUNDS: "600"})
    assert "1 of 19 values changed" in texts(response)
    assert "was <s>120</s>" in texts(response)
    assert "1 changed" in texts(response)
    again = form.post(**{ROUNDS: "600", "reset": ROUNDS})
    assert "was <s>" not in texts(again)
    assert again.context["editor"].changes == []


def test_values_go_from_form_to_yaml_to_diff_and_back(form):
    yaml = form.post(**{ROUNDS: "600", "tab": "yaml"}).context["editor"]
    assert value(load_yaml(yaml.yaml), ROUNDS) == 600
    sent = {"shown": "yaml", "document": yaml.document_json, "yaml": yaml.yaml.replace("600", "700")}
    diff = form.client.post(form.url, {**sent, "tab": "diff"}).context["editor"]
    assert [(change.before, change.after) for change in diff.changes] == [(120, 700)]
    sent = {"shown": "diff", "document": diff.document_json, "run_name": "mine-{time}", "tab": "form"}
    back = form.client.post(form.url, sent).context["editor"]
    assert value(back.draft.document, ROUNDS) == 700
    assert back.run_name == "mine-{time}"
    assert [change.path for change in back.changes] == [ROUNDS], "switches are not turned off by the way"


def test_what_is_wrong_survives_the_tabs(form):
    response = form.post(**{ROUNDS: "many", "tab": "yaml"})
    assert "rounds: many" in response.context["editor"].yaml
    sent = {"shown": "yaml", "document": response.context["editor"].document_json}
    back = form.client.post(form.url, {**sent, "yaml": response.context["editor"].yaml, "tab": "form"})
    assert 'value="many"' in texts(back)
    assert back.context["editor"].troubles[0].field_id


def test_settings_only_yaml_knows_are_kept_by_the_form(form):
    document = json.dumps({**DEFAULT, "tags": ["night"], "extra": {"ticket": 7}})
    editor = form.post(document=document, **{ROUNDS: "600"}).context["editor"]
    assert (editor.draft.document["tags"], editor.draft.document["extra"]) == (["night"], {"ticket": 7})


@pytest.mark.parametrize("text", ["steps: [", "- a\n- b", "a: &x 1", "just text"])
@pytest.mark.parametrize("more", [{"tab": "form"}, {"tab": "diff"}, {"do": "run"}])
def test_text_that_is_not_yaml_stays_as_it_was_typed(text, more, form):
    response = form.client.post(form.url, {"shown": "yaml", "yaml": text, **more})
    assert response.context["tab"] == "yaml"
    assert response.context["editor"].yaml == text
    assert response.context["editor"].troubles
    assert TemplateRun.objects.count() == 0


def test_yaml_errors_name_their_line(form):
    text = "steps:\n  train:\n    parameters:\n      rounds: 0\n      bogus: 1\n"
    page = texts(form.client.post(form.url, {"shown": "yaml", "yaml": text, "do": "run"}))
    assert "Line 4" in page
    assert "Line 5" in page
    assert "There is no parameter “bogus”" in page


def test_yaml_syntax_error_names_its_line(form):
    page = texts(form.client.post(form.url, {"shown": "yaml", "yaml": "a: 1\nb: [", "tab": "yaml"}))
    assert "line 2" in page or "line 3" in page


def test_comments_stay_while_one_stays_on_the_yaml_tab(form):
    text = "# for Ada\nsteps: {train: {parameters: {rounds: 600}}}\n"
    response = form.client.post(form.url, {"shown": "yaml", "yaml": text, "tab": "yaml"})
    assert response.context["editor"].yaml == text


def test_uploaded_file_becomes_the_document(form):
    upload = SimpleUploadedFile("c.yaml", b"\xef\xbb\xbfsteps:\n  train:\n    parameters: {rounds: 600}\n")
    editor = form.post(file=upload, tab="yaml").context["editor"]
    assert [change.after for change in editor.changes] == [600]


@pytest.mark.parametrize("content", [b"\xff\xfe\x00\x01", b"a: [", b"x" * 300_000])
def test_uploaded_nonsense_is_told(content, form):
    response = form.post(file=SimpleUploadedFile("c.yaml", content), do="run")
    assert response.context["editor"].troubles
    assert TemplateRun.objects.count() == 0


@pytest.mark.parametrize(
    "document", ["", "{", "[]", "7", '"text"', '{"steps": 7}', '{"steps": {"train": []}}']
)
def test_a_broken_document_field_does_no_harm(document, form):
    assert form.post(document=document, tab="form").status_code == 200
    assert form.post(document=document, shown="diff", tab="diff").status_code == 200


@pytest.mark.parametrize(
    "path", ["", "nonsense", "steps", "steps.x.parameters.y", "enable_cache", "run_name"]
)
def test_reset_of_anything_does_no_harm(path, form):
    answer = form.post(reset=path, **{ROUNDS: "600"})
    assert answer.status_code == 200
    kept = [] if path == "steps" else [ROUNDS]
    assert [change.path for change in answer.context["editor"].changes] == kept


def test_reset_all_is_the_template_again(form):
    editor = form.post(reset="all", **{ROUNDS: "600", MAXIMUM: "500"}).context["editor"]
    assert editor.draft.document == DEFAULT


# -- no value


def test_value_typed_beside_the_tick_counts(form):
    editor = form.post(**{MAXIMUM: "500"}).context["editor"]
    assert [change.after for change in editor.changes] == [500]


def test_tick_beside_an_old_value_counts(form):
    document = json.loads(json.dumps(DEFAULT))
    document["steps"]["load_customers"]["parameters"]["max_customers"] = 500
    sent = {"document": json.dumps(document), MAXIMUM: "500", f"{MAXIMUM}.none": "on"}
    assert form.post(**sent).context["editor"].changes == []


# -- answers to a change while typing


def test_change_brings_bar_marks_and_steps_but_no_inputs(form):
    response = form.post(headers=HTMX_BAR, **{ROUNDS: "600"})
    page = texts(response)
    assert page.lstrip().startswith('<div class="bar" id="bar">')
    assert "1 of 19 values changed" in page
    assert 'id="step-list" hx-swap-oob="true"' in page
    assert f'name="{ROUNDS}"' not in page
    assert 'value="600"' not in page
    assert TemplateRun.objects.count() == 0


def test_change_tells_what_is_wrong_at_the_field(form):
    page = texts(form.post(headers=HTMX_BAR, **{ROUNDS: "0"}))
    assert "Enter a whole number from 1 to 1000." in page
    assert "1 to fix" in page


def test_tab_brings_the_editor_alone(form):
    page = texts(form.post(headers=HTMX_EDITOR, tab="yaml"))
    assert page.lstrip().startswith('<form id="editor"')
    assert "<html" not in page


# -- links and earlier runs


def test_link_opens_the_same_values(form):
    editor = form.post(**{ROUNDS: "600", MAXIMUM: "500", "run_name": "mine-{time}"}).context["editor"]
    opened = form.client.get(f"{form.url}?{editor.link}").context["editor"]
    assert opened.draft.document == editor.draft.document
    assert TemplateRun.objects.count() == 0


def test_link_written_by_hand(form):
    editor = form.get(**{"steps.train.parameters.kind": "stumps", ROUNDS: "600"}).context["editor"]
    assert [change.after for change in editor.changes] == ["stumps", 600]


def test_link_with_unknown_and_wrong_values_is_told(form):
    response = form.get(**{"steps.train.parameters.bogus": "1", ROUNDS: "0", "build": "x"})
    assert "steps.train.parameters.bogus" in texts(response)
    assert response.context["editor"].troubles[0].message == "Enter a whole number from 1 to 1000."


def test_form_begins_like_an_earlier_run(form, operator):
    document = json.loads(json.dumps(DEFAULT))
    document["steps"]["train"]["parameters"]["rounds"] = 600
    make_template_run(form.template, person=operator, configuration=document)
    response = form.get(**{"from": "1"})
    assert [change.after for change in response.context["editor"].changes] == [600]
    assert "From re-run 1" in texts(response)
    assert form.get(**{"from": "2"}).status_code == 404
    assert form.get(**{"from": "x"}).status_code == 200


def test_the_yaml_is_downloaded_as_it_is_and_uploaded_again(form, operator):
    type(form.template).objects.update(name='night "1"\r\n/../x')
    text = "# mine\nsteps: {train: {parameters: {rounds: 7}}}\n"
    answer = form.post(shown="yaml", yaml=text, download="1")
    assert (answer.content.decode(), answer["Content-Disposition"]) == (
        text,
        'attachment; filename="night-1-x.yaml"',
    )
    upload = SimpleUploadedFile("c.yaml", answer.content)
    editor = form.post(file=upload, tab="yaml").context["editor"]
    assert (editor.yaml, [change.after for change in editor.changes]) == (text, [7])
    assert TemplateRun.objects.count() == 0


@pytest.mark.parametrize("content", [b"\xff\xfe\x00" * 9, b"a: &a [*a]", b"[" * 500, b"x" * 300_000])
def test_a_hostile_file_is_told_and_may_be_downloaded(content, form):
    response = form.post(file=SimpleUploadedFile("c.yaml", content), tab="yaml")
    assert response.context["editor"].draft.unread
    assert form.post(file=SimpleUploadedFile("c.yaml", content), download="1").status_code == 200


# -- running


def test_run_queues_exactly_what_was_entered(form, operator):
    response = form.post(do="run", run_name="mine-{date}", **{ROUNDS: "600", MAXIMUM: "500"})
    run = TemplateRun.objects.get()
    assert response.url == run.get_absolute_url()
    assert (run.created_by, run.state, run.number) == (operator, "queued", 1)
    assert run.run_name.startswith("mine-20")
    assert value(run.configuration, ROUNDS) == 600
    assert sorted(change["after"] for change in run.changes) == [500, 600]
    event = AuditEvent.objects.get(action="template_run.queued")
    assert (event.actor, event.target_id) == (operator, str(run.pk))


def test_run_as_it_is_from_the_page_of_the_template(form):
    response = form.client.post(form.url, {"shown": "diff", "do": "run"})
    run = TemplateRun.objects.get()
    assert response.url == run.get_absolute_url()
    assert run.changes == []


def test_a_name_that_is_taken_is_said_at_its_field_before_anything_is_queued(
    form, template, operator, server
):
    server.add_run(name="churn-best")
    answer = form.post(do="run", run_name="churn-best", **{ROUNDS: "77"})
    page = texts(answer)
    assert answer.status_code == 422 and not TemplateRun.objects.exists()
    assert "There is already a run with this name." in page and 'value="77"' in page
    assert answer.context["editor"].run_name_error == answer.context["editor"].troubles[0].message
    assert server.calls == ["runs"]
    assert form.post(do="run", run_name="churn-bes").status_code == 302
    make_template_run(template, operator, run_name="waiting", state="queued")
    assert form.post(do="run", run_name="waiting").status_code == 422
    server.calls.clear()
    assert form.post(do="run", run_name="churn-best-{time}").status_code == 302 and server.calls == []


def test_a_name_nobody_can_look_for_is_sent(form, server):
    server.error = TenantUnreachable("Away.")
    assert form.post(do="run", run_name="churn-best").status_code == 302


def test_switched_off_cache_is_sent(form):
    form.post(do="run", enable_cache=["false"])
    assert TemplateRun.objects.get().configuration["enable_cache"] is False


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        (ROUNDS, "many", "Enter a whole number from 1 to 1000."),
        (ROUNDS, "1001", "Enter a whole number from 1 to 1000."),
        (ROUNDS, "", "Enter a whole number from 1 to 1000."),
        (MAXIMUM, "7", "from 100 to 5000"),
        ("steps.train.parameters.kind", "svm", "Choose one of logistic, stumps, neighbours."),
        ("steps.load_customers.parameters.signed_up_from", "tomorrow", "Enter a date like"),
        ("steps.load_customers.parameters.regions", "", "at least 1 value"),
        ("steps.train.parameters.class_weights", "{", "This is not JSON"),
        ("steps.evaluate.parameters.title", "${HOME}" * 20, "at most 80 characters"),
        ("run_name", "x {nope}", "is not a placeholder"),
    ],
)
def test_invalid_value_comes_back_as_typed_and_makes_nothing(path, text, message, form):
    response = form.post(do="run", **{path: text, "steps.train.parameters.k": "16"})
    page = texts(response)
    assert response.status_code == 422
    assert message in " ".join(trouble.message for trouble in response.context["editor"].troubles)
    assert message.split("“")[0] in page
    assert 'value="16"' in page
    if text:
        assert text in page
    assert TemplateRun.objects.count() == 0
    assert not AuditEvent.objects.filter(action="template_run.queued").exists()


def test_summary_links_to_the_field(form):
    response = form.post(do="run", **{ROUNDS: "0"})
    trouble = response.context["editor"].troubles[0]
    assert f'href="#{trouble.field_id}">train, rounds</a>' in texts(response)
    assert f'id="{trouble.field_id}"' in texts(response)
    assert "Nothing was started." in texts(response)


@pytest.mark.parametrize("state", [Tenant.DesiredState.DEACTIVATED, Tenant.DesiredState.AVAILABLE])
def test_tenant_that_does_not_run_is_told_and_nothing_lost(state, form):
    status = "deactivated" if state == "deactivated" else "failed"
    Tenant.objects.update(desired_state=state, status=status)
    response = form.post(do="run", **{ROUNDS: "600"})
    assert response.status_code == 422
    assert 'value="600"' in texts(response)
    assert "Nothing was started." in texts(response)
    assert TemplateRun.objects.count() == 0


# -- one re-run


def test_waiting_run_shows_where_it_stands_and_polls(template, viewer, as_user):
    run = make_template_run(template, person=viewer, state="preparing")
    page = texts(as_user(viewer).get(run.get_absolute_url()))
    assert "Preparing" in page
    assert "every 1s" in page
    assert "Stop</button>" not in page


def test_a_rerun_says_which_code_it_runs_and_what_it_repeats(template, viewer, tenant, as_user):
    template.code.commit = "0123456789abcdef"
    template.code.save()
    run, client = make_template_run(template, person=viewer), as_user(viewer)
    page = texts(client.get(run.get_absolute_url()))
    version = f"{template.get_absolute_url()}?code={template.code.number}#code-{template.code.number}"
    assert f'href="{version}">Code v{template.code.number}, 0123456789</a>' in page
    assert f"/runs/{template.source_run_id}/" in page and template.source_run_name in page
    assert f'id="code-{template.code.number}"' in texts(client.get(version))


def test_run_leads_to_its_live_page_as_soon_as_there_is_one(template, viewer, as_user):
    run = make_template_run(template, state="running", zenml_run_id=uuid4())
    live = reverse("tenants:run_detail", args=["acme-ai", "production", run.zenml_run_id])
    client = as_user(viewer)
    assert client.get(run.get_absolute_url()).url == live
    headers = {"HX-Request": "true", "HX-Target": "status"}
    moved = client.get(run.get_absolute_url(), headers=headers)
    assert json.loads(moved["HX-Location"])["path"] == live


def test_failed_run_says_why_and_leads_back_to_the_filled_form(template, operator, as_user):
    reason = "No version of nonsense==9 is there."
    run = make_template_run(template, person=operator, state="failed", state_reason=reason)
    page = texts(as_user(operator).get(run.get_absolute_url()))
    assert reason in page
    assert f"{url('run', template)}?from={run.number}" in page
    assert "every 1s" not in page


@pytest.mark.parametrize("state", ["queued", "preparing", "starting", "running", "completed"])
def test_a_run_that_waits_says_why_beside_its_state(state, template, operator, as_user):
    reason = "Waiting for another run to finish."
    run = make_template_run(template, person=operator, state=state, state_reason=reason)
    client = as_user(operator)
    pages = [run.get_absolute_url(), url("detail", template), url("history", template)]
    is_shown = state in ("queued", "preparing", "starting")
    assert [reason in texts(client.get(page)) for page in pages] == [is_shown] * 3


def test_a_run_that_is_to_stop_waits_for_nothing(template, operator, as_user):
    run = make_template_run(template, person=operator, state_reason="Waiting: the disk is full.")
    actions.cancel_run(run=run, by=Actor(operator))
    assert "Waiting" not in texts(as_user(operator).get(run.get_absolute_url()))


def test_a_run_that_was_stopped_by_itself_says_why(template, operator, owner, as_user):
    make_grant(template.tenant, owner, "admin")
    run = make_template_run(template, person=operator, state="queued")
    actions.stop_run(run=run, reason="Dana Petrova no longer has access to production.")
    page = texts(as_user(owner).get(run.get_absolute_url()))
    assert "Stopping: Dana Petrova no longer has access to production." in page
    run.state, run.state_reason = "stopped", run_endings.stopped_by(run)
    run.save()
    page = texts(as_user(owner).get(run.get_absolute_url()))
    assert "Stopped before the pipeline started.</b> Dana Petrova no longer has access to production." in page


@pytest.mark.parametrize("who", ["own", "admin"])
def test_cancel_asks_for_the_end_and_is_recorded(who, template, operator, org, as_user):
    run = make_template_run(template, person=operator)
    person = operator
    if who == "admin":
        person = make_member(org, "member")
        make_grant(template.tenant, person, "admin")
    as_user(person).post(url("cancel", template, run.number))
    run.refresh_from_db()
    assert run.cancel_requested_by == person
    assert AuditEvent.objects.filter(action="template_run.cancelled").count() == 1


def test_cancel_of_what_has_ended_changes_nothing(template, operator, as_user):
    run = make_template_run(template, person=operator, state="completed")
    response = as_user(operator).post(url("cancel", template, run.number), follow=True)
    assert "already ended" in texts(response)
    assert not AuditEvent.objects.filter(action="template_run.cancelled").exists()


def test_form_asks_the_same_number_of_queries_for_1_and_3_runs(form, operator, org, count_queries):
    make_template_run(form.template, person=make_member(org), configuration=DEFAULT)
    form.get()
    first = count_queries(form.get)
    make_template_run(form.template, person=make_member(org), configuration=DEFAULT)
    make_template_run(form.template, person=make_member(org), configuration=DEFAULT)
    assert count_queries(form.get) == first


@pytest.mark.parametrize("pressed", [{"do": "run"}, {"reset": "all"}, {"tab": "yaml"}])
def test_change_does_not_press_the_button_that_has_the_focus(pressed, form):
    response = form.post(headers=HTMX_BAR, **{ROUNDS: "600"}, **pressed)
    assert "1 of 19 values changed" in texts(response)
    assert response.context["tab"] == "form"
    assert TemplateRun.objects.count() == 0


@pytest.mark.parametrize(
    ("state", "snapshot", "marks"),
    [
        ("queued", None, ["now", "", ""]),
        ("preparing", None, ["done", "now", ""]),
        ("starting", uuid4(), ["done", "done", "now"]),
        ("failed", None, ["done", "failed", ""]),
        ("failed", uuid4(), ["done", "done", "failed"]),
        ("stopped", None, ["", "", ""]),
    ],
)
def test_stages_tell_how_far_it_came(state, snapshot, marks, template, viewer, as_user):
    run = make_template_run(template, person=viewer, state=state, zenml_snapshot_id=snapshot)
    stages = as_user(viewer).get(run.get_absolute_url()).context["stages"]
    assert [mark for mark, _, _ in stages] == marks
