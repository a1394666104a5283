"""Pages of templates: who may not, then what they show and change."""

import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone
from factories import (
    make_code,
    make_grant,
    make_member,
    make_org,
    make_template,
    make_template_run,
    make_tenant,
    make_user,
)

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.hosting.base import TenantUnreachable
from tenants.run_templates import actions, code_actions
from tenants.run_templates.document.configuration import changes, default_configuration
from tenants.run_templates.engine.run_environments import RunEnvironments, needs_in
from tenants.run_templates.models import RunTemplate, TemplateRun
from tenants.run_templates.pages.presentation import apart
from tenants.runs.client import Run
from tests.tenants.runs.fakes import RUN_ID, churn, connect_to
from zenpro_site.common.shared_files import ALIAS

SNAPSHOT = churn("snapshot")
CHURN = Path(__file__).parents[3] / "examples" / "churn"


@pytest.fixture
def template(tenant):
    fields = {"snapshot": SNAPSHOT, "default_configuration": default_configuration(SNAPSHOT)}
    return make_template(tenant, "nightly-churn", pipeline_name="churn", **fields)


@pytest.fixture
def holds(org, tenant):
    """holds("viewer"): a new person with that role on the tenant."""

    def make(role: str, name: str = "Eve Example"):
        person = make_member(org, "member", name=name)
        make_grant(tenant, person, role)
        return person

    return make


def url(name: str, template=None, *args, tenant=None) -> str:
    tenant = tenant or template.tenant
    pk = [template.pk] if template else []
    return reverse(f"run_templates:{name}", args=[tenant.organization.slug, tenant.slug, *pk, *args])


def audit(action: str):
    return AuditEvent.objects.filter(action=action)


def texts(response) -> str:
    return response.content.decode()


# -- refusals


@pytest.mark.parametrize("name", ["detail", "edit", "delete", "run"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_outsider_gets_404(name, method, template, outsider, as_user):
    response = getattr(as_user(outsider), method)(url(name, template))
    assert response.status_code == (405 if (name, method) == ("detail", "post") else 404)


@pytest.mark.parametrize("name", ["detail", "edit", "delete", "run"])
def test_member_without_a_role_on_the_tenant_gets_404(name, template, member, as_user):
    assert as_user(member).get(url(name, template)).status_code == 404


@pytest.mark.parametrize("name", ["detail", "edit", "delete", "run"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_template_of_another_tenant_is_404(name, method, template, holds, org, as_user):
    person, other = holds("admin"), make_tenant(org, "staging")
    make_grant(other, person, "admin")
    address = reverse(f"run_templates:{name}", args=[org.slug, other.slug, template.pk])
    status = getattr(as_user(person), method)(address).status_code
    assert status == (405 if (name, method) == ("detail", "post") else 404)


def test_org_admin_without_a_role_inside_gets_403(template, owner, as_user):
    client = as_user(owner)
    assert client.get(url("detail", template)).status_code == 403
    assert client.get(url("list", tenant=template.tenant)).status_code == 403


@pytest.mark.parametrize("role", ["viewer", "operator"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_create_without_the_right_is_403(role, method, tenant, holds, server, as_user):
    address = f"{url('create', tenant=tenant)}?run={RUN_ID}"
    data = {"name": "mine", "code": "1"}
    response = getattr(as_user(holds(role)), method)(address, data)
    assert (response.status_code, RunTemplate.objects.count(), server.calls) == (403, 0, [])


@pytest.mark.parametrize("role", ["viewer", "operator", "editor", "developer"])
@pytest.mark.parametrize("name", ["edit", "delete"])
def test_somebody_elses_template_is_not_changed(role, name, template, holds, as_user):
    client = as_user(holds(role))
    assert client.get(url(name, template)).status_code == 403
    assert client.post(url(name, template), {"name": "stolen"}).status_code == 403
    assert [*RunTemplate.objects.values_list("name", flat=True)] == ["nightly-churn"]
    assert audit("access.refused").get().outcome == "refused"


def test_own_templates_cannot_be_changed_without_the_right_to_create_some(template, holds, as_user):
    viewer = holds("viewer")
    RunTemplate.objects.update(created_by=viewer)
    assert as_user(viewer).post(url("delete", template)).status_code == 403
    assert RunTemplate.objects.count() == 1


def test_viewer_sees_no_way_to_run_or_change(template, holds, as_user):
    page = texts(as_user(holds("viewer")).get(url("detail", template)))
    assert url("run", template) not in page
    assert url("edit", template) not in page
    assert "not run them" in page


# -- lists


def test_list_shows_templates_of_this_tenant_only(template, holds, org, as_user):
    make_template(make_tenant(org, "staging"), "hidden-one")
    page = texts(as_user(holds("viewer")).get(url("list", tenant=template.tenant)))
    assert "nightly-churn" in page
    assert "hidden-one" not in page


def test_org_list_shows_templates_of_own_tenants_only(template, holds, org, as_user):
    make_template(make_tenant(org, "staging"), "hidden-one")
    make_template(make_tenant(make_org("Globex")), "foreign-one")
    page = texts(as_user(holds("viewer")).get(reverse("run_templates:org_list", args=[org.slug])))
    assert "nightly-churn" in page
    assert "hidden-one" not in page
    assert "foreign-one" not in page


def test_org_admin_without_roles_sees_no_templates(template, owner, org, as_user):
    page = texts(as_user(owner).get(reverse("run_templates:org_list", args=[org.slug])))
    assert "nightly-churn" not in page
    assert "No templates for you yet" in page


def test_org_list_is_searched(template, holds, org, as_user):
    client, address = as_user(holds("viewer")), reverse("run_templates:org_list", args=[org.slug])
    assert "nightly-churn" in texts(client.get(address, {"q": "CHURN"}))
    assert "No templates match" in texts(client.get(address, {"q": "nothing"}))


@pytest.mark.parametrize(
    ("role", "hint"), [("viewer", "Developers and Editors create them"), ("developer", "Choose a run")]
)
def test_empty_list_says_what_comes_next(role, hint, tenant, holds, as_user):
    assert hint in texts(as_user(holds(role)).get(url("list", tenant=tenant)))


@pytest.mark.parametrize("name", ["list", "org_list"])
def test_lists_ask_the_same_number_of_queries_for_1_and_3(name, tenant, holds, org, as_user, count_queries):
    person = holds("viewer")
    client = as_user(person)
    slugs = [org.slug] if name == "org_list" else [org.slug, tenant.slug]
    address = reverse(f"run_templates:{name}", args=slugs)

    def one_more():
        made = make_template(tenant, created_by=make_member(org))
        make_template_run(made, person=make_member(org), state="completed")

    one_more()
    client.get(address)
    first = count_queries(lambda: client.get(address))
    one_more()
    one_more()
    assert count_queries(lambda: client.get(address)) == first


# -- one template


def ran(template, person, state="completed", seconds=4.0, **parameters):
    document = default_configuration(SNAPSHOT)
    for path, value in parameters.items():
        step, name = path.split("__")
        document["steps"][step]["parameters"][name] = value
    differences = [change.as_json() for change in changes(template.default_configuration, document)]
    start = timezone.now() - timedelta(hours=1)
    times = {"started_at": start, "ended_at": start + timedelta(seconds=seconds)}
    return make_template_run(
        template, person=person, configuration=document, changes=differences, state=state, **times
    )


def test_detail_shows_history_and_parameters(template, holds, as_user):
    operator = holds("operator", "Olga Operator")
    ran(template, operator, seconds=12)
    ran(template, operator, state="failed", train__rounds=600)
    page = texts(as_user(operator).get(url("detail", template)))
    assert "no changes" in page
    assert "<b>rounds</b> 120 → 600" in page
    assert "Run 1, Completed, 12 s" in page
    assert "Run 2, Failed, 4.0 s" in page
    assert "Olga Operator" in page
    assert f"{url('run', template)}?from=2" in page
    assert f'href="{url("history", template)}"' in page
    assert "logistic, stumps, neighbours" in page
    assert "100 to 5000 or none" in page


def test_row_leads_to_the_live_page_once_there_is_one(template, holds, as_user):
    viewer, run_id = holds("viewer"), uuid4()
    waiting = make_template_run(template, person=viewer)
    make_template_run(template, person=viewer, state="running", zenml_run_id=run_id)
    page = texts(as_user(viewer).get(url("detail", template)))
    assert waiting.get_absolute_url() in page
    assert (
        reverse("tenants:run_detail", args=[template.tenant.organization.slug, "production", run_id]) in page
    )


def test_detail_polls_only_while_something_runs(template, holds, as_user):
    client = as_user(holds("viewer"))
    run = ran(template, None)
    assert "every 3s" not in texts(client.get(url("detail", template)))
    TemplateRun.objects.filter(pk=run.pk).update(state="running")
    headers = {"HX-Request": "true", "HX-Target": "activity"}
    fragment = texts(client.get(url("detail", template), headers=headers))
    assert "every 3s" in fragment
    assert "<html" not in fragment


def test_detail_of_a_template_without_runs_and_without_parameters(tenant, holds, as_user):
    page = texts(as_user(holds("operator")).get(url("detail", make_template(tenant, snapshot={}))))
    assert "Not run yet" in page
    assert "No parameters" in page


def test_detail_asks_the_same_number_of_queries_for_1_and_3(template, holds, org, as_user, count_queries):
    client = as_user(holds("operator"))
    ran(template, make_member(org))
    client.get(url("detail", template))
    first = count_queries(lambda: client.get(url("detail", template)))
    ran(template, make_member(org))
    ran(template, make_member(org))
    assert count_queries(lambda: client.get(url("detail", template))) == first


# -- whose code it is


CLICKS = "It runs with the rights of whoever clicks Run."


@pytest.mark.parametrize("name", ["detail", "edit", "run"])
def test_page_and_forms_say_whose_code_it_is(name, template, holds, org, as_user):
    maker = make_member(org, name="Ann <b>Smith</b>")
    chosen = datetime(2026, 5, 3, 12, tzinfo=UTC)
    RunTemplate.objects.update(code_chosen_by=maker, code_chosen_at=chosen)
    page = texts(as_user(holds("admin")).get(url(name, template)))
    words = "This code was chosen by <bdi>Ann &lt;b&gt;Smith&lt;/b&gt;</bdi> on 3 May 2026."
    assert f"{words} {CLICKS}" in page


@pytest.mark.parametrize("name", ["detail", "edit", "run"])
def test_whoever_changed_the_requirements_is_named_as_well(name, template, holds, as_user):
    changer, address = holds("admin", "Bo Baker"), url("edit", template)
    client = as_user(changer)
    client.post(address, {"name": "nightly", "requirements": ""})
    assert "its requirements by" not in texts(client.get(url(name, template)))
    client.post(address, {"name": "nightly", "requirements": "pandas"})
    page = texts(client.get(url(name, template)))
    assert "This code was chosen by someone who left on " in page
    assert ", its requirements by <bdi>Bo Baker</bdi> on " in page


def test_the_form_says_who_will_be_named(tenant, holds, connected, code, as_user):
    assert "run with the rights of whoever clicks Run; the template shows your name" in texts(
        as_user(holds("editor")).get(new(tenant))
    )


# -- the environment


@pytest.fixture
def built(settings, tmp_path, template):
    """built(log, reason): what the agent left of an environment that was, or was not, made."""
    settings.ZENPRO_DATA = tmp_path
    RunTemplate.objects.update(requirements="pandas")
    template.refresh_from_db()

    def leave(log="", reason="", ready=False):
        environments = RunEnvironments()
        key = environments.key(*needs_in(template.tenant, template.requirements))
        environments.folder.mkdir(exist_ok=True)
        environments.log(key).write_text(log)
        if reason:
            environments._note(key, reason)
        if ready:
            environments.python(key).parent.mkdir(parents=True)
            environments.python(key).touch()
        return environments, key

    return leave


def environment_of_page(client, template) -> str:
    headers = {"HX-Request": "true", "HX-Target": "environment"}
    fragment = texts(client.get(url("detail", template), headers=headers))
    assert "<html" not in fragment
    whole = texts(client.get(url("detail", template)))
    assert fragment.strip() in whole
    return fragment


def test_an_environment_that_is_not_made_says_when_it_will_be(template, built, holds, as_user):
    page = environment_of_page(as_user(holds("viewer")), template)
    assert "Not built yet" in page
    assert page.count("<details") == 1 and " open" not in page
    assert "every 3s" not in page


def test_an_environment_on_another_machine_is_not_said_to_be_missing(
    template, holds, as_user, settings, tmp_path
):
    place = {"BACKEND": "tests.shared_folder.SharedFolder", "OPTIONS": {"location": str(tmp_path / "shared")}}
    settings.STORAGES, settings.ZENPRO_DATA = {**settings.STORAGES, ALIAS: place}, tmp_path / "web"
    page = environment_of_page(as_user(holds("viewer")), template)
    assert "How far it is can't be seen from here" in page and "Not built yet" not in page
    (tmp_path / "web/envs").mkdir(parents=True)
    assert "Not built yet" in environment_of_page(as_user(holds("viewer")), template)


def test_an_environment_that_is_ready_shows_its_log(template, built, holds, as_user):
    built("Resolved 60 packages\n + pandas==3.0 <b>\n", ready=True)
    page = environment_of_page(as_user(holds("viewer")), template)
    assert "Ready" in page
    assert "Resolved 60 packages\n + pandas==3.0 &lt;b&gt;" in page
    assert 'data-copy="Resolved' in page
    assert " open" not in page


def test_an_environment_that_failed_says_why(template, built, holds, as_user):
    built("error: no\n", reason="“x” has no ready-made package (wheel) that fits.")
    page = environment_of_page(as_user(holds("admin")), template)
    assert "It couldn't be built.</b> “x” has no ready-made package (wheel) that fits." in page
    assert url("edit", template) in page
    assert page.count("<details") == page.count(" open>") == 2
    assert "Its packages could not be installed." in texts(
        as_user(holds("viewer")).get(url("detail", template))
    )
    assert url("edit", template) not in environment_of_page(as_user(holds("viewer")), template)


def test_where_runs_go_to_a_cluster_each_pod_has_its_own(template, built, holds, as_user, settings):
    settings.ZENPRO_RUNS_IN_CLUSTER = True
    page = environment_of_page(as_user(holds("viewer")), template)
    assert "In each pod" in page and "The pod of each run starts from an image" in page
    assert "Not built yet" not in page and "every 3s" not in page


def test_an_environment_in_the_making_is_followed(template, built, holds, as_user):
    environments, key = built("Resolving\n")
    with environments._exclusive(key):
        page = environment_of_page(as_user(holds("viewer")), template)
    assert "Building" in page
    assert "every 3s" in page


def test_requirements_stored_before_a_rule_are_told_as_a_failure(template, built, holds, as_user):
    RunTemplate.objects.update(requirements="evil @ file:///etc/passwd")
    page = environment_of_page(as_user(holds("viewer")), template)
    assert "Line 1 (“evil @ file:///etc/passwd”): URLs are not supported" in page


def test_outsiders_see_no_log(template, built, outsider, as_user):
    built("secret\n", ready=True)
    headers = {"HX-Request": "true", "HX-Target": "environment"}
    response = as_user(outsider).get(url("detail", template), headers=headers)
    assert response.status_code == 404
    assert "secret" not in texts(response)


# -- making one


@pytest.fixture
def code(tenant, tmp_path, settings):
    """The code of the recorded run, its first version."""
    settings.ZENPRO_CODE_ROOTS, settings.ZENPRO_DATA = [tmp_path], tmp_path / "data"
    folder = tmp_path / "project"
    shutil.copytree(CHURN, folder)
    facts = {"pipeline": "churn", "snapshot": SNAPSHOT, "location": str(folder)}
    return code_actions.add_folder(tenant=tenant, by=Actor(make_user()), **facts)


@pytest.fixture
def connected(server, monkeypatch):
    monkeypatch.setattr(actions, "connect", connect_to(server))
    return server


def new(tenant, run=RUN_ID) -> str:
    return f"{url('create', tenant=tenant)}?run={run}"


def test_create_shows_the_run_and_proposes_a_name(tenant, holds, connected, code, as_user):
    page = texts(as_user(holds("editor")).get(new(tenant)))
    assert churn("run")["name"] in page
    assert 'value="churn"' in page
    assert "load_customers" in page
    assert "19 values can be changed" in page


def test_the_form_shows_what_was_installed_where_the_run_came_from(
    tenant, holds, connected, code, as_user, monkeypatch
):
    installed = ["zenml==0.98.0", "pandas==3.0", "odd<b>"]
    monkeypatch.setattr(Run, "python_packages", installed)
    page = texts(as_user(holds("editor")).get(new(tenant)))
    assert "2 packages were installed where the run came from" in page
    assert '<pre class="code">pandas==3.0\nodd&lt;b&gt;\n</pre>' in page


def test_a_run_without_code_asks_for_it_first(tenant, holds, connected, as_user):
    response = as_user(holds("editor")).get(new(tenant))
    assert response.url == f"{url('code_add', tenant=tenant)}?run={RUN_ID}"


@pytest.mark.parametrize("run", ["", "nonsense", uuid4()])
def test_create_of_an_unknown_run_is_404(run, tenant, holds, connected, as_user):
    assert as_user(holds("editor")).get(new(tenant, run)).status_code == 404


def test_create_tells_that_the_tenant_does_not_answer(tenant, holds, connected, as_user):
    connected.error = TenantUnreachable("The server does not answer in time.")
    response = as_user(holds("editor")).get(new(tenant))
    assert response.status_code == 503
    assert "production does not answer" in texts(response)
    response = as_user(holds("editor")).post(new(tenant), {"name": "x", "code": str(uuid4())})
    assert (response.status_code, RunTemplate.objects.count()) == (503, 0)


def test_created_template_keeps_the_run_and_is_recorded(tenant, holds, connected, code, as_user):
    editor = holds("editor")
    data = {"name": "nightly", "description": "Every night.", "code": code.pk, "requirements": ""}
    response = as_user(editor).post(new(tenant), data)
    made = RunTemplate.objects.get()
    assert response.url == made.get_absolute_url()
    assert (made.name, made.created_by, made.source_run_id) == ("nightly", editor, RUN_ID)
    assert made.snapshot["id"] == SNAPSHOT["id"]
    assert audit("template.created").get().target_id == str(made.pk)


def test_packages_are_proposed_and_taken_without_saving(tenant, holds, connected, code, as_user):
    environment = connected.run_answers[str(RUN_ID)]["metadata"]["client_environment"]
    environment["python_packages"] = "zenml==0.98.0\nLightGBM==4.5.0\nthing @ file:///etc/passwd"
    type(code).objects.update(declared={"app/<b>.txt": ["pandas"]})
    client = as_user(holds("editor"))
    response = client.get(new(tenant))
    assert "app/&lt;b&gt;.txt in the code" in texts(response)
    assert [one.lines for one in response.context["proposals"]] == [["pandas"], ["lightgbm==4.5.0"]]
    entered = {"name": "mine", "description": "", "code": code.pk, "requirements": "x"}
    for taken, text in [("run", "lightgbm==4.5.0"), ("file:app/<b>.txt", "pandas"), ("nothing", "x")]:
        response = client.post(new(tenant), {**entered, "fill": taken})
        form = response.context["form"]
        assert (response.status_code, form["requirements"].value(), form["name"].value()) == (
            200,
            text,
            "mine",
        )
    assert not RunTemplate.objects.exists()


def on_s3(connected, settings):
    """The recorded run has an artifact store of S3, and ZenML is there to be read."""
    place = settings.ZENPRO_DATA / "envs/server-0.98.0/lib/python3.11/site-packages/zenml/integrations/s3"
    place.mkdir(parents=True)
    (place / "__init__.py").write_text(
        "class S3(Integration):\n    REQUIREMENTS = ['s3fs>2022.3.0', 'boto3']\n"
    )
    store = {"name": "store", "body": {"flavor_name": "s3", "integration": "s3"}}
    odd = {"name": "odd", "body": {"integration": "../<b>"}}
    stack = connected.run_answers[str(RUN_ID)]["resources"]["stack"]["id"]
    connected.stacks[stack] = {"metadata": {"components": {"artifact_store": [store, odd]}}}


def test_packages_of_the_stack_are_added_to_what_is_there(tenant, holds, connected, code, settings, as_user):
    on_s3(connected, settings)
    client = as_user(holds("admin"))
    page = client.get(new(tenant))
    assert [one.origin for one in page.context["proposals"]] == ["The stack: s3"]
    assert "Add these: The stack: s3" in texts(page)
    entered = {"name": "mine", "description": "", "code": code.pk, "requirements": "boto3==1.35\nnumpy"}
    form = client.post(new(tenant), {**entered, "fill": "stack"}).context["form"]
    assert form["requirements"].value() == "boto3==1.35\nnumpy\ns3fs>2022.3.0"
    assert not RunTemplate.objects.exists()
    client.post(new(tenant), {**entered, "requirements": form["requirements"].value()})
    made = RunTemplate.objects.get()
    connected.calls.clear()
    response = client.post(url("edit", made), {"name": "n", "requirements": "x", "fill": "stack"})
    assert response.context["form"]["requirements"].value() == "x\ns3fs>2022.3.0\nboto3"
    assert connected.calls == []


def test_a_stack_of_which_nothing_is_known_is_said(
    tenant, holds, connected, code, settings, tmp_path, as_user
):
    on_s3(connected, settings)
    settings.ZENPRO_DATA = tmp_path / "empty"
    page = as_user(holds("editor")).get(new(tenant))
    assert "zenml integration export-requirements s3" in texts(page) and 'value="stack"' not in texts(page)


def test_packages_of_the_code_are_proposed_for_a_template(template, holds, as_user):
    type(template.code).objects.update(declared={"requirements.txt": ["pandas"]})
    client, address = as_user(holds("admin")), url("edit", template)
    assert "requirements.txt in the code" in texts(client.get(address))
    response = client.post(address, {"name": "n", "requirements": "", "fill": "file:requirements.txt"})
    assert response.context["form"]["requirements"].value() == "pandas"
    template.refresh_from_db()
    assert (template.name, template.requirements) != ("n", "pandas")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "", "This field is required."),
        ("name", "nightly-churn", "already"),
        ("code", "", "This field is required."),
        ("code", "nonsense", "not a valid"),
        ("requirements", "-r /etc/passwd", "options are not supported"),
    ],
)
def test_create_says_at_the_field_what_is_wrong(
    field, value, message, template, holds, connected, code, as_user
):
    data = {"name": "nightly", "code": code.pk, "requirements": "", field: value}
    response = as_user(holds("editor")).post(new(template.tenant), data)
    assert response.status_code == 422
    assert message in " ".join(response.context["form"].errors[field])
    assert RunTemplate.objects.count() == 1
    assert not audit("template.created").exists()


def test_code_of_another_tenant_or_pipeline_is_no_choice(tenant, holds, org, connected, code, as_user):
    others = [make_code(make_tenant(org, "staging"), "churn"), make_code(tenant, "another")]
    for other in others:
        data = {"name": "nightly", "requirements": "", "code": other.pk}
        response = as_user(holds("editor")).post(new(tenant), data)
        assert (response.status_code, [*response.context["form"].errors]) == (422, ["code"])
    assert not tenant.templates.exists()


def test_the_newest_code_is_proposed_unless_another_was_just_checked(tenant, holds, connected, code, as_user):
    newer, client = make_code(tenant, "churn"), as_user(holds("editor"))
    page = texts(client.get(new(tenant)))
    assert page.index(f'value="{newer.pk}"') < page.index(f'value="{code.pk}"')
    page = texts(client.get(f"{new(tenant)}&code={code.pk}"))
    assert re.search(f'value="{code.pk}"[^>]* selected', page)
    assert client.get(f"{new(tenant)}&code=nonsense").status_code == 200


# -- changing and deleting


@pytest.mark.parametrize("role", ["admin", "maker"])
def test_edit_changes_and_records(role, template, holds, as_user):
    person = holds("admin" if role == "admin" else "editor")
    if role == "maker":
        RunTemplate.objects.update(created_by=person)
    response = as_user(person).post(
        url("edit", template), {"name": "weekly", "description": "d", "requirements": ""}
    )
    assert response.url == template.get_absolute_url()
    template.refresh_from_db()
    assert (template.name, template.description) == ("weekly", "d")
    assert audit("template.updated").get().before["name"] == "nightly-churn"


def test_edit_refuses_a_taken_name(template, holds, as_user):
    make_template(template.tenant, "weekly")
    response = as_user(holds("admin")).post(url("edit", template), {"name": "weekly"})
    assert response.status_code == 422
    assert "already" in response.context["form"].errors["name"][0]
    template.refresh_from_db()
    assert template.name == "nightly-churn"


def test_delete_asks_then_deletes_and_records(template, holds, as_user):
    client = as_user(holds("admin"))
    ran(template, None)
    assert "its history of 1 run:" in texts(client.get(url("delete", template)))
    assert RunTemplate.objects.count() == 1
    response = client.post(url("delete", template))
    assert response.url == url("list", tenant=template.tenant)
    assert RunTemplate.objects.count() == 0
    assert audit("template.deleted").count() == 1


def test_delete_waits_for_what_is_under_way(template, holds, as_user):
    make_template_run(template)
    response = as_user(holds("admin")).post(url("delete", template))
    assert response.status_code == 422
    assert "in progress" in texts(response)
    assert RunTemplate.objects.count() == 1


@pytest.mark.parametrize(
    ("before", "after", "chip"),
    [
        ("5", "6", ("5", "6")),
        ("s3://bucket/data/train-2026-a", "s3://bucket/data/train-2026-b", ("…2026-a", "…2026-b")),
        ("a" * 40, "b" * 40, ("a" * 19 + "…", "b" * 19 + "…")),
        ("x" * 30, "x" * 30 + "y" * 30, ("…xxxxx", "…xxxxxyyyyyyyyyyyyy…")),
    ],
)
def test_a_chip_shows_the_place_where_values_differ(before, after, chip):
    assert apart(before, after) == chip


def test_what_no_template_was_made_of_is_called_a_recorded_run(tenant, holds, as_user):
    person = holds("operator")
    facts = {
        "is_listed": False,
        "snapshot": SNAPSHOT,
        "default_configuration": default_configuration(SNAPSHOT),
    }
    template = make_template(tenant, "churn-1", **facts)
    change = {"path": "enable_cache", "step": "", "name": "enable_cache", "before": True, "after": False}
    run, client = make_template_run(template, person, changes=[change]), as_user(person)
    page = client.get(run.get_absolute_url()).content.decode()
    assert '<th scope="col">Recorded run</th>' in page and '<th scope="col">Template</th>' not in page
    args = [tenant.organization.slug, tenant.slug, template.pk]
    page = client.get(reverse("run_templates:run", args=args), {"tab": "diff"}).content.decode()
    assert "Nothing differs from the recorded run" in page
