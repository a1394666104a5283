"""Every URL that changes something leaves exactly one audit row when someone does what they are allowed to."""

import shutil
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from allauth.mfa.models import Authenticator
from django.core.cache import cache
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from factories import make_code, make_grant, make_key, make_member, make_template, tenant_role

from orgs.audit.models import AuditEvent
from orgs.invitations.forms import BulkForm
from orgs.invitations.models import Invitation
from orgs.mails.models import Mail
from orgs.permissions import Permission
from orgs.roles.exchange import as_json
from tenants.credentials import devices
from tenants.credentials.models import DeviceLogin
from tenants.hosting.elsewhere.models import Enrollment
from tenants.models import Tenant
from tenants.run_templates import actions as template_actions
from tenants.run_templates.engine.code import freeze
from tenants.run_templates.engine.deploy_keys import fingerprint_of
from tenants.run_templates.models import TemplateRun
from tenants.run_templates.pages.rule_forms import RulesForm
from tenants.runs import reading as runs
from tenants.webhooks.models import Webhook
from tests.guards.world import World
from tests.tenants.runs.fakes import RUN_ID, FakeTenantClient, connect_to

from .walk import all_pages

pytestmark = pytest.mark.thorough

EXAMPLE = Path(__file__).parents[2] / "examples" / "churn"
CLIENT_QUESTIONS = ("workspaces", "workspace", "tenants", "tenant", "organizations", "organization")
# URLs that take a POST and change nothing people need to know of later, each with its reason.
WITHOUT_ROW = {
    "tenants:saved_views": "a person's own way to look at a list",
    "orgs:saved_views": "a person's own way to look at a list",
    "run_templates:run_notice": "which mails a person wants for themselves",
    "run_templates:template_notice": "which mails a person wants for themselves",
    "run_templates:tenant_notice": "which mails a person wants for themselves",
    "webhooks:try_tenant": "a mail to oneself; a test of the webhook leaves a row, see its tests",
    "run_templates:notice_default": "which mails a person wants for themselves",
    "webhooks:retry": "sends what was to be sent anyway",
    "webhooks:own_retry": "sends what was to be sent anyway",
    "webhooks:try_default": "a mail to oneself; a test of the webhook leaves a row, see its tests",
    "webhooks:try_template": "a mail to oneself; a test of the webhook leaves a row, see its tests",
    "webhooks:try_run": "a mail to oneself; a test of the webhook leaves a row, see its tests",
    "theme": "a cookie in the person's own browser",
    "first_sign_in": "a sign-in",
    "invitations:bulk": "shows what sending would do",
    "roles:preview": "shows what saving would change",
    "users:totp_activate": "needs digits of a key; tests of two-factor sign-in count the rows",
    "users:passkey_add": "needs a browser; its test counts the rows",
    "users:email": "allauth's own page: sends a link, and the address changes when its owner follows it",
    "control_plane:auth_login": "a sign-in",
    "control_plane:authorize_server": "hands out a token for a sign-in",
    "control_plane:workspace_status": "a server tells how it is",
    "control_plane:tenant_status": "a server tells how it is",
    "control_plane:check_permissions": "a question",
    "control_plane:allowed_resource_ids": "a question",
    "control_plane:entitlement": "a question",
    "control_plane:usage_event": "stored as a usage event, which is its own record",
    "control_plane:device_authorization": "a computer asks; the person's answer leaves the row",
    **{f"control_plane:api_{name}": "a question" for name in CLIENT_QUESTIONS},
    "run_templates:git_read": "asks an ssh server; tests of git access look at the row",
    "run_templates:receive": "its body is an archive; tests of pushing look at the row",
    "moves:database": "takes what carriers bring; the agent records moves",
    "control_plane:missing": "answers that there is nothing",
    "pods:code": "gives pods of runs their code; that a run began is in its own row",
    "control_plane:resource_members": "its body comes from a server; tests of the control plane count the rows",
    "control_plane:resources": "its body comes from a server; tests of the control plane count the rows",
}
READING = {"GET", "HEAD", "OPTIONS"}


@dataclass
class Deed:
    """How to do what the page is for: what is posted, after what preparation, and by whom."""

    data: Callable[[World], dict] = lambda world: {}
    before: Callable[[World], None] = lambda world: None
    by: Callable[[World], object] = lambda world: world.admin
    query: str = ""
    values: Callable[[World], dict] = field(default=lambda world: {})


def empty_organization(world):
    Tenant.objects.all().delete()


def accepted_by(world):
    return make_member(World("Elsewhere").org, user=None, email=world.invitation.email)


def waited(world):
    """The invitation is old enough to be sent again."""
    long_ago = timezone.now() - timedelta(days=1)
    Invitation.objects.filter(pk=world.invitation.pk).update(sent_at=long_ago)


def a_checked_list(world):
    data = {"addresses": "grace@example.org, Editor", "role": "member"}
    form = BulkForm(data, org=world.org, rights=frozenset(Permission))
    return {**data, "checked": form.fingerprint if form.is_valid() else ""}


def mail_failed(world):
    mail = Mail(organization=world.org, to=world.invitation.email, subject="Invitation", state="failed")
    mail.write("text", "")
    mail.save()
    Invitation.objects.filter(pk=world.invitation.pk).update(mail=mail)


def becomes_superuser(world):
    world.admin.is_superuser = True
    world.admin.save()


def state(**fields):
    return lambda world: Tenant.objects.filter(pk=world.tenant.pk).update(**fields)


def runs_elsewhere(world):
    Tenant.objects.filter(pk=world.tenant.pk).update(kind=Tenant.Kind.ELSEWHERE)
    Enrollment.objects.create(tenant=world.tenant)


def runs_are_over(world):
    world.template.runs.update(state="completed")


def second_grant(world):
    return {"grant": make_grant(world.tenant, world.person, "viewer").pk}


def other_code(world):
    return {"code": world.version.pk}


def unlisted_template(world):
    return {
        "template": make_template(
            world.tenant, snapshot=world.template.snapshot, source_run_id=RUN_ID, is_listed=False
        ).pk
    }


def prepared_run(world):
    return {**unlisted_template(world), "run": RUN_ID}


def waits(world):
    later = timezone.now() + timedelta(minutes=1)
    TemplateRun.objects.filter(pk=world.template_run.pk).update(start_after=later)


def role_on_tenant(world):
    return tenant_role(world.org, "viewer").pk


def maintains(world):
    world.team.maintainers.add(world.person.membership)


def new_member_of_team(world):
    return {"membership": new_membership(world)}


def new_membership(world):
    return make_member(world.org).membership.pk


def default_is_another(world):
    world.template.default_configuration["enable_cache"] = False
    world.template.save()


def a_locked_value(world):
    return {f"kind-{RulesForm(world.template).rows[0].id}": "locked"}


def a_sweep(world):
    """Each of its runs leaves a row: this one has one."""
    return {"do": "run", "count": "1", "field-1": "steps.train.parameters.rounds", "values-1": "9"}


def is_of_the_sweep(world):
    world.sweep.runs.set([world.template_run])


def can_sign_in(world):
    make_grant(world.tenant, world.admin, "viewer")


def has_a_webhook(world):
    """It leads inside, so nothing is ever sent."""
    hook = Webhook(person=world.admin, host="127.0.0.1", set_by=world.admin)
    hook.write("https://127.0.0.1/", "whsec_of-the-world")
    hook.save()


def a_request():
    return devices.ask(client_id=uuid4(), user_agent="Host/laptop ZenML/0.98.0", ip="127.0.0.1")


def answer_to_a_computer(world):
    login = a_request().login
    choice = {"answer": "approve", "tenant": world.tenant.pk}
    return {"device_id": login.pk, "user_code": login.user_code, **choice}


def a_signed_in_computer(world):
    asked = a_request()
    DeviceLogin.objects.filter(pk=asked.login.pk).update(
        state="approved", user=world.admin, tenant=world.tenant
    )
    devices.collect(device_code=asked.device_code, client_id=asked.login.client_id)
    return {"device": asked.login.pk}


def own_key(world):
    return {"key": make_key(world.admin, tenant=world.tenant).pk}


def robot_is_inactive(world):
    world.robot.is_active = False
    world.robot.save()


def run_goes_on(world):
    runs.connect(world.admin, world.tenant).half_way()


def another_session(world):
    other = Client(HTTP_USER_AGENT="Firefox/150 Linux")
    other.force_login(world.admin)
    other.get("/settings/")
    return {"session": world.admin.usersession_set.latest("pk").pk}


def passkey(world):
    data = {"name": "Laptop", "credential": {}}
    return {"pk": Authenticator.objects.create(user=world.admin, type="webauthn", data=data).pk}


DEEDS = {
    "users:settings": Deed(lambda w: {"name": "Ada A."}),
    "users:session_end": Deed(values=another_session),
    "users:sign_out_everywhere": Deed(),
    "users:totp_deactivate": Deed(
        before=lambda w: Authenticator.objects.create(user=w.admin, type="totp", data={})
    ),
    "users:codes_generate": Deed(before=passkey),
    "users:passkey_rename": Deed(lambda w: {"name": "Key ring"}, values=passkey),
    "users:passkey_remove": Deed(values=passkey),
    "orgs:create": Deed(lambda w: {"name": "New", "slug": "new-one"}, becomes_superuser),
    "orgs:settings": Deed(lambda w: {"name": "Acme", "description": "All of it"}),
    "orgs:two_factor": Deed(lambda w: {"required": "yes"}, passkey),
    "orgs:package_builds": Deed(lambda w: {"allowed": "on"}),
    "orgs:delete": Deed(lambda w: {"name": w.org.name}, empty_organization),
    "orgs:member_role": Deed(lambda w: {"role": "viewer"}),
    "orgs:member_remove": Deed(),
    "orgs:members_team": Deed(lambda w: {"member": new_membership(w), "into": w.team.uuid}),
    "orgs:members_role": Deed(lambda w: {"member": w.person.membership.pk, "become": "viewer"}),
    "orgs:members_remove": Deed(lambda w: {"member": w.person.membership.pk, "sure": "1"}),
    "orgs:leave": Deed(by=lambda w: w.person),
    "teams:create": Deed(lambda w: {"label": "fraud"}),
    "teams:edit": Deed(lambda w: {"label": "fraud"}),
    "teams:delete": Deed(),
    "teams:member_add": Deed(new_member_of_team),
    "teams:member_remove": Deed(),
    "teams:maintainer_add": Deed(),
    "teams:maintainer_remove": Deed(before=maintains),
    "roles:create": Deed(lambda w: {"name": "Auditor", "start": f"copy:{w.role.pk}"}),
    "roles:import": Deed(lambda w: {"text": as_json(w.role), "name": "Auditor"}),
    "roles:rights": Deed(lambda w: {"version": w.role.version, "right": ["model:update"]}),
    "roles:edit": Deed(lambda w: {"name": "Auditor"}),
    "roles:delete": Deed(),
    "invitations:create": Deed(lambda w: {"addresses": "grace@example.org", "role": "member"}),
    "invitations:bulk_send": Deed(a_checked_list),
    "invitations:renew": Deed(before=waited),
    "invitations:retry": Deed(before=mail_failed),
    "invitations:retry_all": Deed(before=mail_failed),
    "invitations:revoke": Deed(),
    "invitations:accept": Deed(by=accepted_by),
    "moves:default_home": Deed(lambda w: {"home": "kubernetes"}),
    "tenants:create": Deed(
        lambda w: {
            "name": "Staging",
            "slug": "staging",
            "version": "0.98.0",
            "access-TOTAL_FORMS": 0,
            "access-INITIAL_FORMS": 0,
        }
    ),
    "tenants:settings": Deed(lambda w: {"name": "Live", "description": ""}),
    "tenants:server_packages": Deed(
        lambda w: {"do": "remove", "integration": "s3"}, before=state(server_packages={"s3": ["s3fs"]})
    ),
    "tenants:upgrade": Deed(lambda w: {"version": "other", "other_version": "1.0.0"}),
    "tenants:deactivate": Deed(),
    "tenants:activate": Deed(before=state(desired_state="deactivated", status="deactivated")),
    "tenants:restart": Deed(),
    "tenants:retry": Deed(before=state(status="failed")),
    "tenants:move": Deed(lambda w: {"confirm": w.tenant.name}, before=runs_are_over),
    "tenants:delete": Deed(lambda w: {"confirm": w.tenant.name}),
    "tenants:grant_give": Deed(lambda w: {"holder": f"team:{w.team.uuid}", "role": role_on_tenant(w)}),
    "tenants:grant_withdraw": Deed(values=second_grant),
    "tenants:person_roles": Deed(lambda w: {"role": role_on_tenant(w)}),
    "tenants:team_roles": Deed(lambda w: {"role": role_on_tenant(w)}),
    "tenants:join": Deed(lambda w: {"role": role_on_tenant(w)}, lambda w: w.grant.delete()),
    "tenants:run_stop": Deed(before=run_goes_on, values=lambda w: {"run": RUN_ID}),
    "tenants:run_tags": Deed(lambda w: {"tags": "best"}, values=lambda w: {"run": RUN_ID}),
    "enrollment:correct": Deed(
        lambda w: {"server_url": "https://zenml.example.org", "version": "0.98.0"},
        runs_elsewhere,
    ),
    "usage:organization_limits": Deed(lambda w: {"pipeline_run": "100"}, becomes_superuser),
    "usage:tenant_limits": Deed(lambda w: {"pipeline_run": "10"}),
    "run_templates:create": Deed(lambda w: {"name": "weekly", "code": w.version.pk}, query=f"?run={RUN_ID}"),
    "run_templates:code_add": Deed(lambda w: {"location": w.code}, query=f"?run={RUN_ID}&way=folder"),
    "run_templates:code": Deed(
        lambda w: {"roots": ["."], "starts_in": "."}, values=other_code, query=f"?run={RUN_ID}"
    ),
    "run_templates:git_list": Deed(lambda w: {"url": "https://git.example.org/churn", "token": "x"}),
    "run_templates:git_confirm": Deed(lambda w: {"fingerprint": fingerprint_of(w.git_access.host_key)}),
    "run_templates:git_remove": Deed(),
    "run_templates:try": Deed(lambda w: {"add": "pandas"}),
    "run_templates:use_code": Deed(values=other_code),
    "run_templates:again": Deed(values=prepared_run),
    "run_templates:prepare": Deed(
        lambda w: {"code": w.version.pk, "do": "change"}, values=lambda w: {"run": RUN_ID}
    ),
    "run_templates:save": Deed(lambda w: {"name": "weekly"}, values=unlisted_template),
    "run_templates:undo": Deed(before=waits),
    "run_templates:edit": Deed(lambda w: {"name": "weekly"}),
    "run_templates:delete": Deed(before=lambda w: w.template_run.delete()),
    "run_templates:make_default": Deed(before=default_is_another, query=f"?run={RUN_ID}"),
    "run_templates:rules": Deed(a_locked_value),
    "run_templates:runners": Deed(lambda w: {"who": "some", "roles": role_on_tenant(w)}),
    "run_templates:preset_new": Deed(lambda w: {"save": "1", "name": "Weekly", "document": "{}"}),
    "run_templates:preset_edit": Deed(lambda w: {"name": "Weekly"}),
    "run_templates:preset_run": Deed(),
    "run_templates:preset_delete": Deed(),
    "webhooks:detail": Deed(lambda w: {"address": "https://hooks.example.org/x", "when": "failed"}),
    "webhooks:secret": Deed(),
    "webhooks:test": Deed(),
    "webhooks:remove": Deed(),
    "webhooks:own": Deed(lambda w: {"address": "https://hooks.example.org/x", "when": "failed"}),
    "webhooks:own_secret": Deed(before=has_a_webhook),
    "webhooks:own_test": Deed(before=has_a_webhook),
    "webhooks:own_remove": Deed(before=has_a_webhook),
    "run_templates:sweep_new": Deed(a_sweep),
    "run_templates:sweep_stop": Deed(before=is_of_the_sweep),
    "run_templates:run": Deed(lambda w: {"do": "run"}),
    "run_templates:cancel": Deed(),
    "control_plane:device_verify": Deed(answer_to_a_computer, can_sign_in),
    "control_plane:account_create": Deed(lambda w: {"name": "nightly"}),
    "control_plane:account_detail": Deed(lambda w: {"label": "github"}),
    "control_plane:account_deactivate": Deed(),
    "control_plane:account_activate": Deed(before=robot_is_inactive),
    "control_plane:account_key_rotate": Deed(lambda w: {"grace": "60"}),
    "control_plane:account_key_revoke": Deed(),
    "control_plane:token_list": Deed(lambda w: {"label": "laptop", "tenant": w.tenant.pk}, can_sign_in),
    "control_plane:token_rotate": Deed(lambda w: {"grace": "60"}, values=own_key),
    "control_plane:token_revoke": Deed(values=own_key),
    "control_plane:device_sign_out": Deed(before=can_sign_in, values=a_signed_in_computer),
}


def changing_pages():
    return [entry for entry in all_pages() if entry.methods - READING and entry.name not in WITHOUT_ROW]


@pytest.fixture(scope="module")
def made_once(django_db_setup, django_db_blocker):
    """One world for all tests of this file. Django would end its transaction with the first of them."""
    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch, transaction.atomic():
        patch.setattr(connection, "close", lambda: None)
        made = World("Acme AI")
        assert made.invitation and made.values
        yield made
        transaction.set_rollback(True)


@pytest.fixture
def world(made_once, db):
    """What a test does to it is undone in the database, and done to a copy here."""
    return deepcopy(made_once)


@pytest.fixture
def prepared(world, monkeypatch, tmp_path, settings, a_cluster):
    """The world with a server that answers and a directory of code; no one is asked for a password again."""
    settings.MFA_REAUTHENTICATION_REQUIRED = False
    for module in (runs, template_actions):
        monkeypatch.setattr(module, "connect", connect_to(FakeTenantClient()))
    settings.ZENPRO_CODE_ROOTS, settings.ZENPRO_DATA = [tmp_path], tmp_path / "data"
    world.code = str(shutil.copytree(EXAMPLE, tmp_path / "churn"))
    world.version = make_code(world.tenant, "churn", code_hash=freeze(world.code), starts_in="data")
    assert world.invitation
    cache.clear()
    return world


def test_every_page_that_takes_a_post_is_declared():
    missing = [f"{entry} ({entry.route})" for entry in changing_pages() if entry.name not in DEEDS]
    assert not missing, f"Tell DEEDS how to do these, or WITHOUT_ROW why they leave no row: {missing}"


def test_declarations_are_not_stale():
    names = {entry.name for entry in all_pages() if entry.methods - READING}
    stale = (set(DEEDS) | set(WITHOUT_ROW)) - names
    assert not stale, f"No such pages (any more), or they only read: {stale}"


@pytest.mark.parametrize("entry", [entry for entry in changing_pages() if entry.name in DEEDS], ids=str)
def test_doing_it_leaves_one_row(entry, prepared, as_user):
    world, deed = prepared, DEEDS[entry.name]
    deed.before(world)
    path = entry.path({**world.values, **deed.values(world)}) + deed.query
    data, person = deed.data(world), deed.by(world)
    before = AuditEvent.objects.count()
    response = as_user(person).post(path, data)
    assert response.status_code < 400, (
        f"{entry} was refused: {response.status_code}\n{response.content.decode()[:3000]}"
    )
    rows = list(AuditEvent.objects.all()[: AuditEvent.objects.count() - before])
    assert len(rows) == 1, f"{entry} left {len(rows)} audit rows: {rows}"
    assert (rows[0].actor, rows[0].outcome, rows[0].via) == (person, "done", "page")
    if not entry.name.startswith(("users:", "webhooks:own")) and entry.name not in (
        "orgs:create",
        "orgs:delete",
    ):
        assert rows[0].organization == world.org


@pytest.mark.parametrize(
    "entry", [entry for entry in changing_pages() if entry.route.startswith("o/<")], ids=str
)
def test_being_refused_leaves_one_row_that_says_so(entry, prepared, as_user):
    """A member with a viewer's role on the tenant may do none of it, besides leaving."""
    if entry.name == "orgs:leave":
        return
    world, deed = prepared, DEEDS[entry.name]
    person = make_member(world.org, "viewer")
    make_grant(world.tenant, person, "viewer")
    path = entry.path({**world.values, **deed.values(world)}) + deed.query
    data = deed.data(world)
    before = AuditEvent.objects.count()
    response = as_user(person).post(path, data)
    assert response.status_code == 403
    rows = list(AuditEvent.objects.all()[: AuditEvent.objects.count() - before])
    assert [(row.action, row.outcome, row.actor) for row in rows] == [("access.refused", "refused", person)]
