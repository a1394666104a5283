"""Each kind of thing through its life; what only one call knows."""

import shutil
from datetime import timedelta
from pathlib import Path
from unittest.mock import Mock
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from factories import (
    make_grant,
    make_key,
    make_member,
    make_org,
    make_role,
    make_service_account,
    make_team,
    make_template,
    make_template_run,
    make_tenant,
)

from orgs.audit.models import AuditEvent
from orgs.invitations.models import Invitation
from tenants.api import runs as runs_api
from tenants.api import templates
from tenants.hosting.base import TenantRefused
from tenants.models import Tenant
from tenants.run_templates import actions as template_actions
from tenants.run_templates.document.configuration import default_configuration
from tenants.run_templates.document.field_rules import FieldRule, RuleKind
from tenants.run_templates.document.hidden import NOT_SHOWN, SEALED
from tenants.run_templates.document.sealed_secrets import sealer
from tenants.run_templates.models import CodeVersion, TemplateRun
from tenants.usage.models import Quota
from tests.guards.test_api import packed
from tests.streams import Endless
from tests.tenants.runs.fakes import RUN_ID, FakeTenantClient, churn, connect_to

HOUR = timedelta(hours=1)
EXAMPLE = Path(__file__).parents[3] / "examples" / "churn"


@pytest.fixture
def call(call_as, owner):
    return call_as(owner)


@pytest.fixture
def tenant(org, owner):
    tenant = make_tenant(org, "production")
    make_grant(tenant, owner, "admin")
    return tenant


def deeds() -> list[str]:
    return [row.action for row in AuditEvent.objects.order_by("pk")]


def names(answer, key="name") -> list:
    assert answer.status_code == 200, answer.content
    return [one[key] for one in answer.json()["items"]]


class TestMembers:
    def test_filters(self, call, org, owner, viewer, member):
        make_team(org, "risk", members=[member])
        make_service_account(org, "nightly")
        everybody = call.get("members").json()["items"]
        assert [one["user"]["name"] for one in everybody] == ["Ada Okafor", "Chen Wei", "Dana Petrova"]
        assert everybody[2]["teams"][0]["name"] == "risk"
        for query, found in (
            ({"q": "chen"}, ["Chen Wei"]),
            ({"role": "member"}, ["Dana Petrova"]),
            ({"team": org.teams.get().uuid}, ["Dana Petrova"]),
            ({"service_accounts": True}, ["nightly"]),
            ({"limit": 1, "offset": 1}, ["Chen Wei"]),
        ):
            assert [one["user"]["name"] for one in call.get("members", **query).json()["items"]] == found

    def test_one_with_their_roles_on_tenants(self, call, org, tenant, member):
        team = make_team(org, "risk", members=[member])
        make_grant(tenant, team, "viewer")
        found = call.get(f"members/{member.membership.pk}").json()
        [role] = found["tenant_roles"]
        assert (role["tenant"]["name"], role["role"], role["team"]["name"]) == (
            "production",
            "viewer",
            "risk",
        )

    def test_roles_on_tenants_that_one_does_not_see_are_not_told(self, call_as, org, tenant, viewer, member):
        make_grant(tenant, member, "developer")
        assert call_as(viewer).get(f"members/{member.membership.pk}").json()["tenant_roles"] == []

    def test_change_of_role_and_removal(self, call, org, owner, member):
        path = f"members/{member.membership.pk}"
        assert call.patch(path, role="editor").json()["role_name"] == "Editor"
        assert call.patch(path, role="nothing").status_code == 422
        assert call.delete(path).status_code == 204
        assert call.patch(f"members/{owner.membership.pk}", role="viewer").status_code == 409
        assert deeds() == ["member.role_changed", "member.removed"]

    def test_as_many_queries_for_any_number(self, call, org):
        call.get("members")
        counts = []
        for _ in range(2):
            make_team(org, members=[make_member(org), make_member(org)])
            with CaptureQueriesContext(connection) as found:
                call.get("members")
            counts.append(len(found))
        assert counts[0] == counts[1]


class TestInvitations:
    def test_life(self, call, org, tenant, member):
        team = make_team(org, "risk")
        made = call.post(
            "invitations",
            emails=["grace@example.org", member.email, "nonsense"],
            role="viewer",
            teams=[str(team.uuid)],
            tenant_roles={str(tenant.pk): "developer"},
        )
        assert made.status_code == 201
        assert [one["outcome"] for one in made.json()] == ["sent", "member", "invalid"]
        sent = made.json()[0]
        assert "/invite/" in sent["link"]
        path = f"invitations/{sent['invitation']}"
        found = call.get(path).json()
        assert (found["role"], found["teams"][0]["name"]) == ("viewer", "risk")
        assert found["tenant_roles"] == [
            {"tenant": {"id": str(tenant.pk), "name": "production"}, "role": "developer"}
        ]
        assert names(call.get("invitations", q="grace"), "email") == ["grace@example.org"]
        assert call.post(path + "/resend").status_code == 409
        Invitation.objects.update(sent_at=timezone.now() - HOUR)
        assert call.post(path + "/resend").json()["link"] != sent["link"]
        assert call.delete(path).status_code == 204
        assert call.get(path).status_code == 404
        assert deeds() == ["invitation.sent", "invitation.renewed", "invitation.revoked"]

    @pytest.mark.parametrize(
        ("body", "where"),
        [
            ({"emails": []}, ["body", "emails"]),
            ({"emails": ["nonsense"]}, ["body", "emails"]),
            ({"emails": ["a@example.org"], "role": "nothing"}, ["body", "role"]),
            ({"emails": ["a@example.org"], "teams": [str(uuid4())]}, ["body", "teams"]),
        ],
    )
    def test_what_cannot_be(self, call, body, where):
        answer = call.post("invitations", **body)
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == where

    def test_a_tenant_of_elsewhere(self, call, org):
        other = make_tenant(make_org())
        answer = call.post("invitations", emails=["a@example.org"], tenant_roles={str(other.pk): "viewer"})
        assert answer.status_code == 422 and not org.invitations.exists()


class TestRoles:
    def test_life(self, call, org):
        base = org.roles.get(level="tenant", slug="viewer")
        made = call.post("roles", level="tenant", name="Reviewer", base=str(base.pk), rights=["model:update"])
        assert made.status_code == 201
        role = made.json()
        assert "model:update" in role["rights"] and "model:read" in role["rights"]
        path = f"roles/{role['id']}"
        assert call.patch(path, description="Looks").json()["name"] == "Reviewer"
        rights = [right for right in role["rights"] if right != "model:update"]
        changed = call.put(path + "/rights", rights=rights, version=role["version"])
        assert "model:update" not in changed.json()["rights"]
        assert call.put(path + "/rights", rights=rights, version=role["version"]).status_code == 409
        assert call.delete(path).status_code == 204
        assert deeds() == ["role.created", "role.updated", "role.rights_changed", "role.deleted"]

    def test_what_cannot_be(self, call, org):
        answer = call.post("roles", level="tenant", name="R", rights=["model:read", "x:y"])
        assert answer.json()["detail"][0]["loc"] == ["body", "rights", 1]
        assert call.post("roles", level="tenant", name="viewer").status_code == 409
        assert call.post("roles", level="tenant", name="R", base=str(uuid4())).status_code == 422
        viewer = org.roles.get(level="tenant", slug="viewer")
        assert call.patch(f"roles/{viewer.pk}", name="Mine").status_code == 409

    def test_one_in_use(self, call, org, tenant, member):
        role = make_role(org, base="viewer")
        make_grant(tenant, member, role.slug)
        path, viewer = f"roles/{role.pk}", org.roles.get(level="tenant", slug="viewer")
        assert call.delete(path).status_code == 409
        assert call.delete(path, replacement=uuid4()).status_code == 422
        assert call.delete(path, replacement=viewer.pk).status_code == 204
        assert tenant.grants.get(membership=member.membership).role == viewer

    def test_levels(self, call):
        assert set(names(call.get("roles", level="organization"), "level")) == {"organization"}
        assert call.get("roles", level="x").status_code == 422


class TestTenants:
    def test_life(self, call, org, owner):
        made = call.post("tenants", name="Staging", slug="staging", description="For tries")
        assert made.status_code == 201
        assert (made.json()["status"], made.json()["zenml_version"]) == ("not_initialized", "0.98.0")
        path = f"tenants/{made.json()['id']}"
        assert call.get("tenants/staging").json() == call.get(path).json()
        assert call.patch(path, name="Tries").json()["description"] == "For tries"
        assert call.post(path + "/restart").status_code == 409
        assert call.post(path + "/activate").status_code == 409
        assert call.post(path + "/deactivate").json()["desired_state"] == "deactivated"
        assert call.post(path + "/activate").json()["desired_state"] == "available"
        Tenant.objects.update(status="available")
        assert call.post(path + "/restart").status_code == 200
        assert call.post(path + "/retry").status_code == 409
        Tenant.objects.update(status="failed")
        assert call.post(path + "/retry").json()["status"] == "pending"
        assert call.delete(path).status_code == 204
        assert call.get(path).status_code == 404
        done = ["created", "updated", "deactivated", "activated", "restart_requested", "retried", "deleted"]
        assert deeds() == [f"tenant.{one}" for one in done]

    def test_what_cannot_be(self, call, tenant):
        assert call.post("tenants", name="P", slug="production").status_code == 409
        for body, where in (({"slug": "A"}, "slug"), ({"slug": "x", "version": "new"}, "version")):
            answer = call.post("tenants", name="P", **body)
            assert answer.json()["detail"][0]["loc"] == ["body", where]

    def test_a_server_that_somebody_else_runs(self, call, call_as, org, tenant, viewer):
        made = call.post("tenants", name="Theirs", slug="theirs", server_url="https://zenml.example.org/")
        assert made.json()["server_url"] == "https://zenml.example.org"
        lines = call.get("tenants/theirs/environment").json()["environment"]
        assert "ZENML_SERVER_PRO_OAUTH2_CLIENT_SECRET=" in lines
        assert call.get("tenants/production/environment").json() == {"environment": None}
        make_grant(org.tenants.get(slug="theirs"), viewer, "viewer")
        assert call_as(viewer).get("tenants/theirs/environment").status_code == 403
        wrong = call.post("tenants", name="T", slug="t", server_url="ftp://x")
        assert wrong.json()["detail"][0]["loc"] == ["body", "server_url"]

    def test_lists(self, call_as, org, owner, tenant, viewer):
        make_tenant(org, "hidden", status="failed")
        assert names(call_as(owner).get("tenants")) == ["hidden", "production"]
        assert names(call_as(owner).get("tenants", status="failed")) == ["hidden"]
        make_grant(tenant, viewer, "viewer")
        theirs = call_as(viewer)
        assert names(theirs.get("tenants")) == names(theirs.get("/tenants")) == ["production"]
        assert theirs.get("tenants/hidden").status_code == 404

    def test_a_key_of_one_tenant(self, call_as, org, owner, tenant):
        other = make_tenant(org, "staging")
        make_grant(other, owner, "admin")
        call = call_as(owner, tenant=tenant)
        assert names(call.get("/tenants")) == ["production"]
        assert call.patch("tenants/production", name="Live").status_code == 200
        assert call.patch("tenants/staging", name="Live").status_code == 404
        assert call.get("tenants").status_code == 403


class TestGrants:
    def test_life(self, call, org, tenant, member):
        team, ends = make_team(org, "risk"), (timezone.now() + HOUR).isoformat()
        path = "tenants/production/grants"
        theirs = call.post(path, member=str(member.membership.pk), role="developer", expires=ends)
        assert theirs.status_code == 201, theirs.content
        assert (theirs.json()["holder"]["type"], theirs.json()["role"]) == ("member", "developer")
        theirs = call.post(path, team=str(team.uuid), role="viewer")
        assert theirs.json()["expires"] is None
        assert [one["holder"]["name"] for one in call.get(path).json()["items"]] == [
            "Ada Okafor",
            "Dana Petrova",
            "risk",
        ]
        assert call.delete(f"{path}/{theirs.json()['id']}").status_code == 204
        assert tenant.grants.count() == 2
        assert deeds() == ["grant.given", "grant.given", "grant.withdrawn"]

    @pytest.mark.parametrize(
        ("body", "where"),
        [
            ({"role": "viewer"}, ["body"]),
            ({"member": str(uuid4()), "role": "viewer"}, ["body", "member"]),
            ({"team": str(uuid4()), "role": "viewer"}, ["body", "team"]),
            ({"team": "x", "role": "viewer"}, ["body", "team"]),
            ({"role": "nothing", "own": True}, ["body", "role"]),
            ({"role": "viewer", "own": True, "expires": "2031-01-01T00:00:00"}, ["body", "expires"]),
            ({"role": "viewer", "own": True, "expires": "0001-01-01T00:00:00+14:00"}, ["body", "expires"]),
        ],
    )
    def test_what_cannot_be(self, call, tenant, owner, body, where):
        if body.pop("own", None):
            body = {**body, "member": str(owner.membership.pk)}
        answer = call.post("tenants/production/grants", **body)
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == where

    def test_an_end_that_is_past(self, call, tenant, member):
        body = {"member": str(member.membership.pk), "role": "viewer", "expires": "2020-01-01T00:00:00Z"}
        assert call.post("tenants/production/grants", **body).status_code in (409, 422)
        assert not tenant.grants.filter(membership=member.membership).exists()


class TestTemplates:
    PATH = "tenants/production/templates"

    @pytest.fixture
    def template(self, tenant):
        snapshot = churn("snapshot")
        return make_template(
            tenant, "weekly", snapshot=snapshot, default_configuration=default_configuration(snapshot)
        )

    @pytest.fixture
    def code(self, monkeypatch, tmp_path, settings):
        settings.ZENPRO_CODE_ROOTS = [tmp_path]
        settings.ZENPRO_DATA = tmp_path / "data"
        for module in (template_actions, templates):
            monkeypatch.setattr(module, "connect", connect_to(FakeTenantClient()))
        return shutil.copytree(EXAMPLE, tmp_path / "churn")

    def test_life(self, call, tenant, code):
        made = call.post(self.PATH, run=str(RUN_ID), name="weekly", code_location=str(code))
        assert made.status_code == 201, made.content
        assert "steps" in made.json()["configuration"]
        path = f"{self.PATH}/{made.json()['id']}"
        assert names(call.get(self.PATH)) == ["weekly"]
        assert call.patch(path, description="Every week").json()["name"] == "weekly"
        assert (
            call.post(self.PATH, run=str(RUN_ID), name="weekly", code_location=str(code)).status_code == 409
        )
        assert call.delete(path).status_code == 204
        assert call.get(path).status_code == 404
        assert deeds() == ["code.added", "template.created", "template.updated", "template.deleted"]

    def test_whose_code_and_how_its_environment_is(self, call, tenant, code, owner):
        made = call.post(self.PATH, run=str(RUN_ID), name="weekly", code_location=str(code)).json()
        me = made["created_by"]
        assert made["code_chosen_by"] == made["code"]["added_by"] == me
        assert made["code"]["added"] < made["code_chosen"] <= made["created"]
        assert made["requirements_changed_by"] is None
        assert made["environment"] == {"state": "absent", "made": None, "reason": "", "log": []}
        changed = call.patch(f"{self.PATH}/{made['id']}", requirements="a-package-nobody-made").json()
        assert changed["requirements_changed_by"] == me
        assert call.get(self.PATH).json()["items"][0]["requirements_changed_by"] == me

    def test_new_code_is_added_and_used_in_one_call(self, call, tenant, code):
        """As a job pushes it after every merge."""
        made = call.post(self.PATH, run=str(RUN_ID), name="weekly", code_location=str(code)).json()
        (code / "churn" / "data.py").open("a").write("\n# new\n")
        path = f"{self.PATH}/{made['id']}/code"
        added = call.send(path, packed(code))
        assert (added.status_code, added.json()["number"], added.json()["kind"]) == (201, 2, "push")
        assert call.get(f"{self.PATH}/{made['id']}").json()["code"]["number"] == 1
        assert call.send(f"{path}?use=true", packed(code)).json()["number"] == 2
        assert call.get(f"{self.PATH}/{made['id']}").json()["code"]["number"] == 2
        assert [one["number"] for one in call.get(path).json()["items"]] == [2, 1]
        back = call.patch(f"{self.PATH}/{made['id']}", code=made["code"]["id"])
        assert back.json()["code"]["number"] == 1
        assert deeds()[2:] == ["code.added", "template.code_changed", "template.code_changed"]

    def test_code_that_cannot_be_taken_changes_nothing(self, call, tenant, template, monkeypatch):
        path = f"{self.PATH}/{template.pk}/code"
        assert call.send(path, b"hello").status_code == 422
        monkeypatch.setattr(templates, "LARGEST", 10)
        assert call.send(path, b"hello world").status_code == 413
        assert call.patch(f"{self.PATH}/{template.pk}", code=str(uuid4())).status_code == 422
        assert (tenant.code_versions.count(), deeds()) == (1, [])

    def test_200_megabytes_of_code_are_refused_while_they_arrive(self, call, tenant, template):
        stream, path = Endless(), f"/api/v1/organizations/{call.org.slug}/{self.PATH}/{template.pk}/code"
        size = {"wsgi.input": stream, "CONTENT_LENGTH": str(200 * 1024**2)}
        headers = {"Authorization": f"Bearer {call.key.secret}"}
        answer = call.client.generic("POST", path, b"", "application/gzip", headers=headers, **size)
        assert (answer.status_code, answer.json()["detail"]) == (413, "This is more than 50 MB.")
        assert 50 * 1024**2 < stream.given < 52 * 1024**2

    @pytest.mark.parametrize("kind", CodeVersion.Kind.values)
    def test_code_of_every_kind_is_shown(self, call, tenant, template, kind):
        type(template.code).objects.update(kind=kind)
        assert call.get(f"{self.PATH}/{template.pk}").json()["code"]["kind"] == kind

    def test_requirements_that_are_no_packages(self, call, tenant, code):
        body = {"run": str(RUN_ID), "name": "weekly", "code_location": str(code)}
        answer = call.post(self.PATH, **body, requirements="pandas\nx @ git+https://example.org/x")
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["body", "requirements"]
        assert answer.json()["detail"][0]["msg"].startswith("Line 2")

    def test_a_run_that_is_not_there(self, call, tenant, code):
        answer = call.post(self.PATH, run=str(uuid4()), name="weekly", code_location=str(code))
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["body", "run"]

    def test_without_code(self, call, tenant, code):
        """A run of this machine, which the server is asked about first: others bring theirs."""
        answer = call.post(self.PATH, run=str(RUN_ID), name="weekly")
        assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", "code"])

    def test_a_server_that_does_not_answer(self, call, tenant):
        answer = call.post(self.PATH, run=str(RUN_ID), name="weekly", code_location="/nowhere")
        assert answer.status_code == 503 and "could not answer" in answer.json()["detail"]

    def test_without_a_role_inside(self, call_as, tenant, superuser, code, monkeypatch):
        refused = TenantRefused(403, "You have no role on this tenant.")
        monkeypatch.setattr(templates, "connect", Mock(side_effect=refused))
        body = {"run": str(RUN_ID), "name": "weekly", "code_location": str(code)}
        assert call_as(superuser).post(self.PATH, **body).status_code == 403

    def test_code_that_is_not_there(self, call, tenant, code):
        answer = call.post(self.PATH, run=str(RUN_ID), name="weekly", code_location="/nowhere")
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["body", "code_location"]

    def test_others_templates(self, call_as, tenant, template, member):
        make_grant(tenant, member, "developer")
        call = call_as(member)
        assert call.patch(f"{self.PATH}/{template.pk}", name="mine").status_code == 403
        assert AuditEvent.objects.get().outcome == "refused"

    def test_re_run(self, call, owner, template):
        path = f"{self.PATH}/{template.pk}/runs"
        values = {"steps": {"train": {"parameters": {"alpha": 0.7}}}}
        step = next(iter(template.default_configuration["steps"]))
        started = call.post(path, configuration={"enable_cache": False})
        assert started.status_code == 201, started.content
        run = started.json()
        assert (run["number"], run["state"]) == (1, "queued")
        assert template.runs.get().asked_with == owner.api_keys.get()
        assert [change["path"] for change in run["changes"]] == ["enable_cache"]
        assert call.get(f"{path}/1").json() == run
        assert call.get(path).json()["total"] == 1
        assert call.post(f"{path}/1/cancel?now=true").status_code == 409
        assert call.post(f"{path}/1/cancel").json()["cancel_requested"]
        assert call.get(f"{path}/2").status_code == 404
        assert call.get(f"{path}/{10**30}").status_code == 422
        assert deeds() == ["template_run.queued", "template_run.cancelled"]
        assert values and step

    def test_a_run_on_a_remote_stack_is_ended_at_once_after_it_was_stopped(self, call, owner, template):
        run = make_template_run(template, person=owner, state="submitted", zenml_run_id=uuid4())
        path = f"{self.PATH}/{template.pk}/runs/{run.number}"
        assert call.get(path).json()["state"] == "submitted"
        assert call.post(f"{path}/cancel?now=true").status_code == 409
        for query in ("", "?now=true"):
            assert call.post(f"{path}/cancel{query}").json()["state"] == "submitted"
        run.refresh_from_db()
        assert run.given_up_at
        assert deeds() == ["template_run.cancelled", "template_run.given_up"]

    def test_what_is_sealed_in_the_default_is_not_told(self, call, template):
        text = f"{SEALED}{sealer(template)('hunter2', ('steps.train.parameters.kind',))}"
        template.default_configuration["steps"]["train"]["parameters"]["kind"] = text
        template.save()
        told = call.get(f"{self.PATH}/{template.pk}")
        assert told.json()["configuration"]["steps"]["train"]["parameters"]["kind"] == NOT_SHOWN
        assert SEALED not in told.content.decode()

    def test_continue_a_re_run(self, call, template, monkeypatch):
        """Values that are left out are those of the run before, not the template's."""
        server = FakeTenantClient()
        server.fail()
        monkeypatch.setattr(runs_api, "connect", connect_to(server))
        snapshot = churn("snapshot")
        template.snapshot, template.default_configuration = snapshot, default_configuration(snapshot)
        template.save()
        before = {**template.default_configuration, "enable_cache": False}
        fields = {"state": "failed", "zenml_run_id": RUN_ID, "configuration": before}
        make_template_run(template, **fields)
        path = f"{self.PATH}/{template.pk}/runs"
        rounds = {"steps": {"train": {"parameters": {"rounds": 7}}}}
        made = call.post(path, configuration=rounds, continues=1)
        assert made.status_code == 201, made.content
        assert made.json()["continues"] == 1
        assert set(made.json()["taken_over"]) == {"load_customers", "build_features", "profile"}
        assert template.runs.get(number=2).configuration["enable_cache"] is False
        hidden = FieldRule("steps.load_customers.parameters.include_free_plan", RuleKind.HIDDEN)
        template.field_rules = [hidden.as_json()]
        template.save()
        again = call.post(path, continues=1)
        assert again.status_code == 201, again.content
        assert "include_free_plan" not in again.content.decode()
        assert call.post(path, continues=9).status_code == 404
        assert call.post(path, configuration={"build": "x"}, continues=1).status_code == 422
        TemplateRun.objects.filter(number=1).update(state="completed")
        refused = call.post(path, continues=1)
        assert (refused.status_code, template.runs.count()) == (409, 3)
        assert "nothing to continue" in refused.json()["detail"]

    @pytest.mark.parametrize(
        "configuration",
        [
            {"steps": {"no_such": {}}},
            {"extra": {"a": float("nan")}},
            {"build": "x"},
            [],
        ],
    )
    def test_a_configuration_that_may_not_run(self, call, template, configuration):
        answer = call.post(f"{self.PATH}/{template.pk}/runs", configuration=configuration)
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"][:2] == ["body", "configuration"]
        assert not template.runs.exists()

    @pytest.mark.parametrize("extra", [{"a": "x\0y"}, {"a\ud800": 1}])
    def test_a_configuration_that_no_database_takes(self, call, template, extra):
        answer = call.post(f"{self.PATH}/{template.pk}/runs", configuration={"extra": extra})
        assert answer.status_code == 400
        assert "cannot be stored" in answer.json()["detail"]
        assert not template.runs.exists()

    def test_a_quota_that_is_used_up(self, call, org, tenant, template):
        Quota.objects.create(organization=org, tenant=tenant, feature="template_run", limit=0)
        answer = call.post(f"{self.PATH}/{template.pk}/runs")
        assert answer.status_code == 402 and "reached its limit" in answer.json()["detail"]
        assert not template.runs.exists()

    def test_one_that_is_too_deep(self, call, template):
        deep = "[" * 5000 + "]" * 5000
        headers = {"Authorization": f"Bearer {call.key.secret}"}
        path = f"/api/v1/organizations/{call.org.slug}/{self.PATH}/{template.pk}/runs"
        body = '{"configuration": {"extra": {"a": ' + deep + "}}}"
        answer = call.client.post(path, body, content_type="application/json", headers=headers)
        assert answer.status_code in (400, 422)

    def test_somebody_elses_run(self, call_as, tenant, template, owner, member):
        make_template_run(template, person=owner)
        make_grant(tenant, member, "operator")
        assert call_as(member).post(f"{self.PATH}/{template.pk}/runs/1/cancel").status_code == 403


class TestTokens:
    def test_life(self, call, owner):
        made = call.post("/tokens", name="laptop")
        assert made.status_code == 201 and made["Cache-Control"] == "no-store"
        assert made.json()["secret"].startswith(made.json()["prefix"])
        path = f"/tokens/{made.json()['id']}"
        assert set(names(call.get("/tokens"))) == {"laptop", "nightly"}
        rotated = call.post(path + "/rotate", grace=60).json()
        assert rotated["secret"] != made.json()["secret"]
        assert call.delete(path).status_code == 204
        assert call.post(path + "/rotate").status_code == 409
        assert deeds() == ["api_key.created", "api_key.rotated", "api_key.revoked"]

    def test_who_it_is(self, call, owner):
        assert call.get("/me").json()["email"] == owner.email

    def test_keys_of_others(self, call, member):
        key = make_key(member)
        assert call.delete(f"/tokens/{key.pk}").status_code == 404
        assert call.post(f"/tokens/{key.pk}/rotate").status_code == 404

    def test_what_cannot_be(self, call, org, tenant):
        both = call.post("/tokens", name="x", tenant=str(tenant.pk), organization=str(org.pk))
        assert both.status_code == 422
        other = make_org()
        answer = call.post("/tokens", name="x", organization=str(other.pk))
        assert answer.json()["detail"][0]["loc"] == ["body", "organization"]
        past = call.post("/tokens", name="x", expires="2020-01-01T00:00:00Z")
        assert past.json()["detail"][0]["loc"] == ["body", "expires"]

    def test_a_bound_key_reaches_and_makes_only_its_like(self, call_as, owner, org, tenant):
        wide, bound = make_key(owner, "wide"), call_as(owner, tenant=tenant)
        assert names(bound.get("/tokens")) == ["nightly"]
        assert bound.delete(f"/tokens/{wide.pk}").status_code == 404
        assert bound.post("/tokens", name="x").status_code == 409
        made = bound.post("/tokens", name="x", tenant=str(tenant.pk))
        assert made.json()["tenant"]["id"] == str(tenant.pk)
        within = call_as(owner, organization=org)
        assert len(names(within.get("/tokens"))) == 3
        assert within.post("/tokens", name="y").status_code == 409

    def test_a_key_that_ends_gets_no_secret_of_one_that_does_not(self, call_as, owner):
        lasting, ending = make_key(owner), call_as(owner, expires_at=timezone.now() + HOUR)
        assert ending.post(f"/tokens/{lasting.pk}/rotate").status_code == 409
        assert ending.post(f"/tokens/{ending.key.pk}/rotate").status_code == 200


class TestServiceAccounts:
    def test_life(self, call, org, tenant):
        made = call.post("service-accounts", name="nightly")
        assert made.status_code == 201 and made.json()["role"] == "member"
        path = f"service-accounts/{made.json()['id']}"
        key = call.post(path + "/keys", name="ci", tenant=str(tenant.pk)).json()
        assert key["secret"] and key["tenant"]["name"] == "production"
        assert call.post(f"{path}/keys/{key['id']}/rotate", grace=0).json()["secret"] != key["secret"]
        assert names(call.get(path + "/keys")) == ["ci"]
        assert call.delete(f"{path}/keys/{key['id']}").status_code == 204
        assert call.post(path + "/deactivate").json()["is_active"] is False
        assert call.post(path + "/activate").json()["is_active"] is True
        assert names(call.get("service-accounts")) == ["nightly"]
        assert call.get(path).json()["username"].startswith("nightly")
        assert call.post("service-accounts", name="Nightly").status_code == 409
        assert [deed.partition(".")[2] for deed in deeds()] == [
            *("created", "created", "rotated", "revoked", "deactivated", "activated")
        ]

    def test_people_are_none(self, call, member):
        assert call.get(f"service-accounts/{member.membership.pk}").status_code == 404


class TestAudit:
    def test_going_on_where_the_page_ended(self, call, org):
        for name in "abcde":
            call.post("teams", name=name)
        page = call.get("audit", limit=2).json()
        assert [one["target"]["name"] for one in page["items"]] == ["e", "d"]
        call.post("teams", name="f")
        page = call.get("audit", limit=2, before=page["next"]).json()
        assert [one["target"]["name"] for one in page["items"]] == ["c", "b"]
        page = call.get("audit", limit=2, before=page["next"]).json()
        assert [one["target"]["name"] for one in page["items"]] == ["a"] and page["next"] is None

    def test_filters(self, call, org, owner):
        call.post("teams", name="risk")
        call.patch(f"/organizations/{org.slug}", name="Acme")
        [event] = call.get("audit", action="team.created").json()["items"]
        assert (event["actor"]["name"], event["via"]) == ("Ada Okafor", "api")
        assert event["sentence"] and event["after"]["name"] == "risk"
        for query in ({"since": "2999-01-01"}, {"q": "nothing"}, {"outcome": "refused"}):
            assert call.get("audit", **query).json()["items"] == []
        for name, value in (("action", "no.such"), ("since", "x"), ("before", "x")):
            answer = call.get("audit", **{name: value})
            assert answer.status_code == 422
            assert answer.json()["detail"][0]["loc"] == ["query", name]
