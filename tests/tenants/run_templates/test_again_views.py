"""The two doors of every run: who may not, what is asked for once, what one click does, and taking it back."""

import shutil
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone
from factories import make_code, make_grant, make_member, make_template, make_template_run, make_tenant

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.control_plane.actions import record_usage
from tenants.hosting.base import TenantUnreachable
from tenants.models import Tenant
from tenants.run_templates import actions, code_actions, remembered
from tenants.run_templates.document.configuration import default_configuration
from tenants.run_templates.document.field_rules import FieldRule, RuleKind
from tenants.run_templates.engine.integration_packages import IntegrationPackages
from tenants.run_templates.models import CodeTry, CodeVersion, RunTemplate, TemplateRun
from tenants.run_templates.pages import again_views
from tenants.usage.models import Feature, Quota, UsageEvent
from tests.tenants.run_templates.test_integrations import STACK
from tests.tenants.runs.fakes import RUN_ID, churn

CHURN = Path(__file__).parents[3] / "examples" / "churn"
SNAPSHOT = churn("snapshot")
DEFAULT = default_configuration(SNAPSHOT)
ROUNDS = "steps.train.parameters.rounds"


@pytest.fixture(autouse=True)
def data(settings, tmp_path, server):
    settings.ZENPRO_DATA, settings.ZENPRO_CODE_ROOTS = tmp_path / "data", [tmp_path]
    settings.ZENPRO_DATA.mkdir()


@pytest.fixture
def holds(org, tenant):
    """holds("editor"): a new person with that role on the tenant."""

    def make(role: str, name: str = "Eve Example"):
        person = make_member(org, "member", name=name)
        make_grant(tenant, person, role)
        return person

    return make


@pytest.fixture
def editor(holds, as_user):
    """A client."""
    return as_user(holds("editor"))


@pytest.fixture
def code(tenant, tmp_path, holds):
    """Code as the run had it, which someone else handed over."""
    project = shutil.copytree(CHURN, tmp_path / "project")
    facts = {"pipeline": "churn", "snapshot": SNAPSHOT, "location": str(project)}
    return code_actions.add_folder(tenant=tenant, by=Actor(holds("editor", "Ann Author")), **facts)


@pytest.fixture
def known(tenant, code, holds):
    """An earlier template of the pipeline, so that its code and packages are known."""
    chosen = {"requirements": "scikit-learn", "created_by": holds("editor", "Paul Packer")}
    return make_template(tenant, "nightly", pipeline_name="churn", code=code, snapshot=SNAPSHOT, **chosen)


@pytest.fixture
def prepared(tenant, code):
    return make_unlisted(tenant, code)


def make_unlisted(tenant, code, run=RUN_ID, **fields):
    facts = {"pipeline_name": "churn", "code": code, "source_run_id": run, "is_listed": False}
    values = {"snapshot": SNAPSHOT, "default_configuration": DEFAULT}
    return make_template(tenant, "churn-run", **{**facts, **values, **fields})


def url(name: str, tenant, *args) -> str:
    return reverse(f"run_templates:{name}", args=[tenant.organization.slug, tenant.slug, *args])


def again(client, tenant, do="run", run=RUN_ID):
    return client.post(url("again", tenant, run), {"do": do})


def run_page(tenant, run=RUN_ID) -> str:
    return reverse("tenants:run_detail", args=[tenant.organization.slug, tenant.slug, run])


def text(response) -> str:
    return response.content.decode()


def deeds():
    return [*AuditEvent.objects.order_by("pk").values_list("action", flat=True)]


def waiting(template, person, **fields):
    later = timezone.now() + timedelta(minutes=1)
    return make_template_run(template, person, **{"start_after": later, "configuration": DEFAULT, **fields})


class TestWhoMayNot:
    @pytest.mark.parametrize("name", ["again", "prepare"])
    def test_outsiders_find_nothing(self, tenant, outsider, as_user, name):
        assert as_user(outsider).post(url(name, tenant, RUN_ID)).status_code == 404

    @pytest.mark.parametrize("role", ["viewer", "operator"])
    def test_what_has_to_be_made_needs_the_right_to_make_it(self, tenant, known, holds, as_user, role):
        assert again(as_user(holds(role)), tenant).status_code == 403
        assert as_user(holds(role)).get(url("prepare", tenant, RUN_ID)).status_code == 403
        assert not RunTemplate.objects.filter(is_listed=False).exists() and not TemplateRun.objects.exists()

    def test_who_may_only_run_runs_what_has_been_made(self, tenant, prepared, holds, as_user):
        assert again(as_user(holds("viewer")), tenant).status_code == 403
        operator = as_user(holds("operator"))
        assert again(operator, tenant).status_code == 302
        assert TemplateRun.objects.get().template == prepared
        assert operator.post(url("prepare", tenant, RUN_ID), {}).status_code == 403

    def test_code_and_packages_of_another_person_are_theirs(self, tenant, prepared, editor):
        assert editor.get(url("prepare", tenant, RUN_ID)).status_code == 403
        data = {"code": prepared.code.pk, "requirements": "evil", "do": "run"}
        assert editor.post(url("prepare", tenant, RUN_ID), data).status_code == 403
        prepared.refresh_from_db()
        assert prepared.requirements == ""

    def test_nobody_undoes_for_another(self, tenant, prepared, holds, as_user):
        made = waiting(prepared, holds("operator", "Olga"))
        for role, status in (("viewer", 403), ("operator", 403), ("editor", 403)):
            answer = as_user(holds(role)).post(url("undo", tenant, prepared.pk, made.number))
            assert answer.status_code == status
        made.refresh_from_db()
        assert (made.state, made.cancel_requested_at) == ("queued", None)

    def test_nobody_takes_over_what_another_person_prepared(self, tenant, prepared, known, holds, as_user):
        data = {"name": "weekly"}
        for role in ("operator", "editor"):
            assert as_user(holds(role)).post(url("save", tenant, prepared.pk), data).status_code == 403
        assert as_user(holds("editor")).post(url("save", tenant, known.pk), data).status_code == 404
        prepared.refresh_from_db()
        assert not prepared.is_listed

    def test_a_run_that_is_not_there(self, tenant, editor):
        assert again(editor, tenant, run=uuid4()).status_code == 404
        assert editor.get(url("prepare", tenant, uuid4())).status_code == 404

    def test_another_tenant_has_none_of_it(self, org, tenant, prepared, holds, as_user):
        elsewhere, person = make_tenant(org, "staging"), holds("editor")
        make_grant(elsewhere, person, "editor")
        assert as_user(person).post(url("save", elsewhere, prepared.pk), {"name": "x"}).status_code == 404
        made = waiting(prepared, person)
        assert as_user(person).post(url("undo", elsewhere, prepared.pk, made.number)).status_code == 404


class TestOneClick:
    def test_a_run_runs_again_as_it_was(self, tenant, known, holds, as_user, server):
        person = holds("editor")
        answer = again(as_user(person), tenant)
        made = TemplateRun.objects.select_related("template").get()
        assert (answer.status_code, answer["Location"]) == (302, made.get_absolute_url())
        assert (made.created_by, made.changes, made.configuration) == (person, [], DEFAULT)
        assert timedelta(seconds=4) < made.start_after - made.queued_at <= timedelta(seconds=5)
        assert deeds()[-2:] == ["template.prepared", "template_run.queued"]
        assert server.calls == ["run", "snapshot", "stack"]

    def test_a_hidden_value_is_not_one_that_somebody_entered(self, tenant, holds, as_user):
        hidden = FieldRule(ROUNDS, RuleKind.HIDDEN).as_json()
        template = make_template(
            tenant, snapshot=SNAPSHOT, default_configuration=DEFAULT, field_rules=[hidden]
        )
        before = deepcopy(DEFAULT)
        before["steps"]["train"]["parameters"] |= {"rounds": 5, "kind": "stumps"}
        make_template_run(template, zenml_run_id=RUN_ID, state="completed", configuration=before)
        answer = again(as_user(holds("operator")), tenant)
        made = template.runs.get(number=2)
        assert answer["Location"] == made.get_absolute_url()
        found = made.configuration["steps"]["train"]["parameters"]
        assert (found["kind"], found["rounds"]) == ("stumps", 120), "what is hidden is the template's"

    def test_it_says_whose_code_and_packages_they_are(self, tenant, known, code, editor):
        again(editor, tenant)
        template = RunTemplate.objects.get(is_listed=False)
        assert (template.code, template.requirements) == (code, "scikit-learn")
        assert str(template.code_chosen_by) == "Ann Author"
        assert str(template.requirements_changed_by) == "Paul Packer"
        assert str(template) == churn("run")["name"] and template.get_absolute_url() == run_page(tenant)

    def test_clicking_twice_is_one_run(self, tenant, known, editor, monkeypatch):
        monkeypatch.setattr(again_views, "WAIT", timedelta(minutes=1))
        assert again(editor, tenant)["Location"] == again(editor, tenant)["Location"]
        assert TemplateRun.objects.count() == 1
        assert RunTemplate.objects.filter(is_listed=False).count() == 1

    def test_the_next_click_asks_the_server_nothing(self, tenant, prepared, editor, server):
        again(editor, tenant)
        assert TemplateRun.objects.get().template == prepared and server.calls == []

    def test_a_rerun_of_a_template_keeps_its_values(self, tenant, known, holds, as_user):
        known.default_configuration = DEFAULT
        known.save()
        changed = {**DEFAULT, "run_name": "mine", "skip_successful_steps": True, "tags": ["night"]}
        earlier = make_template_run(known, zenml_run_id=uuid4(), configuration=changed, state="completed")
        answer = again(as_user(holds("operator")), tenant, run=earlier.zenml_run_id)
        made = TemplateRun.objects.latest("queued_at")
        assert answer["Location"] == made.get_absolute_url()
        assert (made.template, made.number) == (known, 2)
        assert made.configuration == {**DEFAULT, "tags": ["night"]}

    def test_with_changes_it_leads_to_the_form(self, tenant, known, editor):
        answer = again(editor, tenant, "change")
        template = RunTemplate.objects.get(is_listed=False)
        assert answer["Location"] == url("run", tenant, template.pk)
        assert not TemplateRun.objects.exists()
        page = text(editor.get(answer["Location"]))
        assert run_page(tenant) in page and "chosen by" in page and "Ann Author" in page

    @pytest.mark.parametrize("do", ["run", "change"])
    def test_a_server_that_is_silent_starts_nothing(self, tenant, known, editor, server, do):
        server.error = TenantUnreachable("The server cannot be reached.")
        answer = again(editor, tenant, do)
        assert (answer.status_code, answer["Location"]) == (302, run_page(tenant))
        assert RunTemplate.objects.count() == 1 and not TemplateRun.objects.exists()

    def test_a_tenant_that_is_down_says_so(self, tenant, prepared, editor):
        Tenant.objects.filter(pk=tenant.pk).update(desired_state="deactivated", status="deactivated")
        answer = again(editor, tenant)
        assert answer["Location"] == run_page(tenant) and not TemplateRun.objects.exists()

    @pytest.mark.parametrize("name", ["x" * 400, "\ud800", "<b>bold</b>", ""])
    def test_odd_names_of_runs(self, tenant, known, editor, server, name):
        server.run_answers[str(RUN_ID)]["name"] = name
        answer = again(editor, tenant)
        assert answer.status_code == 302
        page = text(editor.get(answer["Location"], follow=True))
        assert "<b>bold" not in page

    def test_a_run_without_a_snapshot_is_not_found(self, tenant, known, editor, server):
        server.run_answers[str(RUN_ID)]["resources"]["snapshot"] = None
        assert again(editor, tenant).status_code == 404
        assert not TemplateRun.objects.exists()


class TestWhatIsAskedOnce:
    def test_without_any_code_it_is_asked_for(self, tenant, editor):
        answer = again(editor, tenant, "change")
        page = editor.get(answer["Location"])
        assert page["Location"] == f"{url('code_add', tenant)}?run={RUN_ID}&again=change"

    def test_the_code_leads_back_to_the_door(self, tenant, code, editor):
        address = f"{url('code', tenant, code.pk)}?run={RUN_ID}&again=change"
        answer = editor.post(
            address, {"roots": [root or "." for root in code.roots], "starts_in": ".", "do": "use"}
        )
        assert answer["Location"] == f"{url('prepare', tenant, RUN_ID)}?do=change&code={code.pk}"

    def test_packages_are_asked_for_once(self, tenant, code, editor, server):
        assert again(editor, tenant)["Location"] == f"{url('prepare', tenant, RUN_ID)}?do=run"
        page = editor.get(url("prepare", tenant, RUN_ID))
        assert page.context["form"].initial["code"] == code.pk
        data = {"code": code.pk, "requirements": "pandas", "do": "run"}
        answer = editor.post(url("prepare", tenant, RUN_ID), data)
        made = TemplateRun.objects.select_related("template").get()
        assert answer["Location"] == made.get_absolute_url()
        assert (made.template.requirements, str(made.template.code_chosen_by)) == ("pandas", "Eve Example")
        other = server.add_run(name="churn-next")
        assert again(editor, tenant, run=other)["Location"] != f"{url('prepare', tenant, other)}?do=run"
        assert RunTemplate.objects.get(source_run_id=other).requirements == "pandas"

    def test_code_that_has_changed_is_asked_about(self, tenant, known, code, editor, settings):
        """The newest version whose steps are those of the run is taken, and none that only looks like it."""
        edited = tenant_code(tenant, edit=True)
        again(editor, tenant)
        assert TemplateRun.objects.get().code == code
        CodeVersion.objects.filter(pk=code.pk).update(code_hash=edited.code_hash)
        RunTemplate.objects.filter(is_listed=False).delete()
        assert again(editor, tenant)["Location"] == f"{url('prepare', tenant, RUN_ID)}?do=run"

    def test_code_without_the_steps_is_refused(self, tenant, known, editor):
        other = make_code(tenant, "churn")
        data = {"code": other.pk, "requirements": "", "do": "run"}
        answer = editor.post(url("prepare", tenant, RUN_ID), data)
        assert answer.status_code == 422 and answer.context["form"].errors["code"]
        assert not TemplateRun.objects.exists()

    def test_packages_that_are_none_are_refused(self, tenant, code, editor):
        data = {"code": code.pk, "requirements": "-r /etc/passwd", "do": "run"}
        answer = editor.post(url("prepare", tenant, RUN_ID), data)
        assert answer.status_code == 422 and answer.context["form"].errors["requirements"]
        assert not RunTemplate.objects.exists()

    def test_they_are_changed_on_the_same_page(self, tenant, code, holds, as_user, server):
        person = holds("editor")
        template = make_unlisted(tenant, code, created_by=person)
        data = {"code": code.pk, "requirements": "numpy", "do": "change"}
        answer = as_user(person).post(url("prepare", tenant, RUN_ID), data)
        template.refresh_from_db()
        assert answer["Location"] == url("run", tenant, template.pk)
        assert (template.requirements, template.requirements_changed_by) == ("numpy", person)
        assert server.calls == []

    def test_a_silent_server_is_an_empty_page_that_says_so(self, tenant, editor, server):
        server.error = TenantUnreachable("The server cannot be reached.")
        answer = editor.get(url("prepare", tenant, RUN_ID))
        assert answer.status_code == 503 and "cannot be reached" in text(answer)


def tenant_code(tenant, *, edit: bool):
    """One more version, with an edited step."""
    folder = Path(CodeVersion.objects.filter(tenant=tenant).latest("number").origin)
    for path in folder.rglob("*.py"):
        path.write_text(
            path.read_text().replace("    return ", "    assert True\n    return ") if edit else ""
        )
    facts = {"pipeline": "churn", "snapshot": SNAPSHOT, "location": str(folder)}
    return code_actions.add_folder(tenant=tenant, by=Actor(make_member(tenant.organization)), **facts)


class TestUndo:
    def test_a_click_is_taken_back(self, tenant, prepared, holds, as_user):
        person = holds("operator")
        client = as_user(person)
        made = waiting(prepared, person)
        page = text(client.get(made.get_absolute_url()))
        assert url("undo", tenant, prepared.pk, made.number) in page and ">Stop<" not in page
        answer = client.post(url("undo", tenant, prepared.pk, made.number))
        made.refresh_from_db()
        assert answer["Location"] == made.get_absolute_url()
        assert (made.state, made.state_reason) == ("stopped", "Undone before it started.")
        assert made.ended_at and made.cancel_requested_by == person and not made.zenml_run_id
        assert deeds()[-1] == "template_run.undone"
        assert "Undone before it started." in text(client.get(made.get_absolute_url()))

    def test_too_late_it_is_stopped(self, tenant, prepared, holds, as_user):
        person = holds("operator")
        made = waiting(prepared, person, start_after=timezone.now() - timedelta(seconds=1))
        client = as_user(person)
        page = text(client.get(made.get_absolute_url()))
        assert url("undo", tenant, prepared.pk, made.number) not in page
        client.post(url("undo", tenant, prepared.pk, made.number))
        made.refresh_from_db()
        assert made.state == "queued" and made.cancel_requested_at
        assert deeds()[-1] == "template_run.cancelled"

    def test_what_has_ended_stays_as_it_is(self, tenant, prepared, holds, as_user):
        person = holds("operator")
        made = waiting(prepared, person, state="completed")
        as_user(person).post(url("undo", tenant, prepared.pk, made.number))
        made.refresh_from_db()
        assert (made.state, deeds()) == ("completed", ["code.added"])

    def test_what_is_undone_uses_up_no_limit(self, tenant, prepared, holds):
        by, kept = Actor(holds("operator")), uuid4()
        record_usage(tenant=tenant, feature=Feature.TEMPLATE_RUN, total=1, resource_id=str(kept))
        limit = {"organization": tenant.organization, "tenant": tenant, "feature": Feature.TEMPLATE_RUN}
        Quota.objects.create(**limit, limit=2)
        for _ in range(2):
            facts = {"template": prepared, "configuration": DEFAULT, "wait": timedelta(minutes=1)}
            made = actions.queue_run(**facts, by=by)
            assert actions.undo_run(run=made, by=by)
        assert [*UsageEvent.objects.values_list("resource_id", flat=True)] == [str(kept)]

    def test_started_meanwhile_is_not_undone(self, prepared, member):
        made = waiting(prepared, member, state="starting")
        facts = {"tenant": prepared.tenant, "feature": Feature.TEMPLATE_RUN, "total": 1}
        record_usage(**facts, resource_id=str(made.pk))
        assert not actions.undo_run(run=made, by=Actor(member))
        made.refresh_from_db()
        assert (made.state, UsageEvent.objects.count()) == ("starting", 1)


class TestNoListShowsIt:
    def test_lists_counts_and_filters(self, tenant, prepared, known, org, holds, as_user):
        person = holds("admin")
        client = as_user(person)
        for address in (url("list", tenant), reverse("run_templates:org_list", args=[org.slug])):
            page = client.get(address)
            assert [one.name for one in page.context["templates"]] == ["nightly"]
        runs = client.get(reverse("tenants:runs", args=[org.slug, tenant.slug]))
        assert "churn-run" not in [name for _, name in runs.context["filter"].fields["template"].choices]
        deleting = client.get(reverse("tenants:delete", args=[org.slug, tenant.slug]))
        assert deleting.context["templates"] == 1

    def test_its_page_is_that_of_its_run(self, tenant, prepared, editor):
        assert editor.get(url("detail", tenant, prepared.pk))["Location"] == run_page(tenant)
        made_default = url("make_default", tenant, prepared.pk)
        assert editor.get(f"{made_default}?run={RUN_ID}").status_code == 404

    def test_a_template_may_have_its_name(self, tenant, prepared, editor):
        assert make_template(tenant, "churn-run").name == prepared.name

    def test_saved_it_is_a_template(self, tenant, code, holds, as_user):
        person = holds("editor")
        prepared = make_unlisted(tenant, code, created_by=person)
        client = as_user(person)
        page = client.get(url("save", tenant, prepared.pk))
        assert page.context["form"].initial["name"] == "churn"
        answer = client.post(url("save", tenant, prepared.pk), {"name": "weekly", "description": "All."})
        prepared.refresh_from_db()
        assert answer["Location"] == prepared.get_absolute_url() == url("detail", tenant, prepared.pk)
        assert (prepared.is_listed, prepared.name, prepared.created_by) == (True, "weekly", person)
        assert deeds()[-1] == "template.listed"
        assert client.post(url("save", tenant, prepared.pk), {"name": "x"}).status_code == 404

    def test_a_name_that_is_taken(self, tenant, prepared, known, holds, as_user):
        answer = as_user(holds("admin")).post(url("save", tenant, prepared.pk), {"name": "nightly"})
        assert answer.status_code == 422 and answer.context["form"].errors["name"]


class TestDoorsOnPages:
    def doors(self, client, tenant, run=RUN_ID):
        return client.get(run_page(tenant, run)).context["doors"]

    @pytest.mark.parametrize("role, can", [("viewer", False), ("operator", False), ("editor", True)])
    def test_of_a_run_nobody_ran_again(self, tenant, holds, as_user, role, can):
        client = as_user(holds(role))
        doors = self.doors(client, tenant)
        assert (doors.can_run, doors.can_make, doors.can_edit) == (can, can, False)
        assert (url("again", tenant, RUN_ID) in text(client.get(run_page(tenant)))) == can

    @pytest.mark.parametrize("role, can", [("viewer", False), ("operator", True), ("editor", True)])
    def test_of_a_run_that_was_run_again(self, tenant, prepared, holds, as_user, role, can):
        doors = self.doors(as_user(holds(role)), tenant)
        assert (doors.can_run, doors.can_make, doors.can_edit) == (can, role == "editor", False)
        prepared.created_by = holds("editor")
        prepared.save()
        doors = self.doors(as_user(prepared.created_by), tenant)
        assert (doors.can_make, doors.can_edit) == (False, True)

    def test_of_a_rerun(self, tenant, known, holds, as_user, server):
        run = server.add_run()
        make_template_run(known, zenml_run_id=run, state="completed")
        client = as_user(holds("operator"))
        doors = self.doors(client, tenant, run)
        assert doors.can_run and not doors.more
        assert f"{url('run', tenant, known.pk)}?from=1" in text(client.get(run_page(tenant, run)))

    def test_who_may_run_templates_hears_why_there_is_no_door(self, tenant, holds, as_user, known):
        person = holds("operator")
        page = text(as_user(person).get(run_page(tenant)))
        assert "this run has none yet" in page and f'href="{url("run", tenant, known.pk)}"' in page
        known.is_narrowed = True
        known.save()
        page = text(as_user(person).get(run_page(tenant)))
        assert "this run has none yet" in page and url("run", tenant, known.pk) not in page
        assert "this run has none yet" not in text(as_user(holds("viewer")).get(run_page(tenant)))
        make_unlisted(tenant, known.code, project_id=known.project_id)
        assert "has a template with rules, nightly" in text(as_user(person).get(run_page(tenant)))

    def test_code_that_is_older_than_the_run_is_named_before(self, tenant, code, holds, as_user):
        person = holds("editor")
        client = as_user(person)
        assert "older than this run" not in text(client.get(run_page(tenant)))
        CodeVersion.objects.update(created_at=datetime(2026, 3, 1, 12, tzinfo=UTC))
        said, add = "is v1 of 1 March 2026, 12:00, which is older", f"?run={RUN_ID}&amp;again=run"
        page = text(client.get(run_page(tenant)))
        assert said in page and f"{url('code_add', tenant)}{add}" in page
        asked = text(client.get(url("prepare", tenant, RUN_ID)))
        assert "v1 of 1 March 2026, 12:00, is older than this run" in asked
        make_unlisted(tenant, code)
        page = text(as_user(holds("operator")).get(run_page(tenant)))
        assert "uses code v1 of 1 March 2026, 12:00, which is older" in page
        assert url("code_add", tenant) not in page

    def test_code_of_the_commit_of_the_run_is_not_called_older(self, tenant, code, editor, server):
        CodeVersion.objects.update(created_at=datetime(2026, 3, 1, 12, tzinfo=UTC), commit="a" * 40)
        reference = {"id": str(uuid4()), "body": {"commit": "a" * 40}}
        server.run_answers[str(RUN_ID)]["resources"]["code_reference"] = reference
        assert "older than this run" not in text(editor.get(run_page(tenant)))

    def test_a_rerun_says_when_its_template_has_other_code_by_now(self, tenant, known, editor, server):
        run = server.add_run()
        make_template_run(known, zenml_run_id=run, state="completed")
        said = "uses the code that nightly has now"
        assert said not in text(editor.get(run_page(tenant, run)))
        known.code = make_code(tenant, "churn")
        known.save()
        page = text(editor.get(run_page(tenant, run)))
        assert said in page and "This run used v1." in page
        assert f"{url('code_add', tenant)}?template={known.pk}" in page

    def test_packages_are_those_that_were_chosen_last(self, tenant, code, known, editor):
        """Of every page that proposes some: also when a template made before had its packages changed after."""
        make_template(tenant, "newer", pipeline_name="churn", code=code, requirements="xgboost")
        RunTemplate.objects.filter(pk=known.pk).update(
            requirements="lightgbm", requirements_changed_at=timezone.now()
        )
        for name, where in (("create", f"?run={RUN_ID}"), ("prepare", "")):
            address = url(name, tenant, RUN_ID) if name == "prepare" else url(name, tenant) + where
            assert editor.get(address).context["form"]["requirements"].value() == "lightgbm"

    def test_what_the_stack_of_the_run_needs_is_filled_in(self, tenant, known, editor, server, monkeypatch):
        """A runner does not start without the packages of every component; what was chosen stays."""
        found = IntegrationPackages(["kubernetes<26", "scikit-learn<2"], [])
        monkeypatch.setattr(remembered, "packages_of", lambda version, names: found)
        server.stacks[str(server.run(RUN_ID).stack_id)] = STACK
        for address in (f"{url('create', tenant)}?run={RUN_ID}", url("prepare", tenant, RUN_ID)):
            page = editor.get(address)
            assert page.context["form"]["requirements"].value() == "scikit-learn\nkubernetes<26"
        again(editor, tenant)
        assert RunTemplate.objects.get(is_listed=False).requirements == "scikit-learn\nkubernetes<26"

    def test_rows_have_the_first_one(self, tenant, prepared, holds, as_user, server):
        other = server.add_run()
        address = reverse("tenants:runs", args=[tenant.organization.slug, tenant.slug])
        for role, shown in (("viewer", set()), ("operator", {RUN_ID}), ("editor", {RUN_ID, other})):
            page = as_user(holds(role)).get(address)
            assert page.context["repeatable"] == shown
            for run in (RUN_ID, other):
                assert (url("again", tenant, run) in text(page)) == (run in shown)


def test_packages_that_code_was_tried_with_are_filled_in(tenant, code, holds, as_user):
    eve = holds("editor")
    tried = CodeTry.objects.create(code=code, person=eve, requirements="pandas==2.2.3")
    page = as_user(eve).get(url("prepare", tenant, RUN_ID), {"code": code.pk, "tried": tried.pk})
    assert page.context["form"]["requirements"].value() == "pandas==2.2.3"
    page = as_user(holds("editor", "Ann")).get(url("prepare", tenant, RUN_ID), {"tried": tried.pk})
    assert page.context["form"]["requirements"].value() == ""
