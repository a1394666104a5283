"""Every URL of ours, opened and posted to by everybody: what each of them gets is written down here.

Declared by hand and not read from the views' decorators: a decorator with the wrong right fails too.

A new URL needs a row in MATRIX: how it is used (`reads` GET, `does` POST, `asks` both) and by whom (a rule). What its
parameters stand for is in tests/guards/world.py; ADDRESSES has what one page alone needs.
"""

import logging
from collections.abc import Callable
from contextlib import contextmanager
from datetime import timedelta
from http.cookies import SimpleCookie
from types import SimpleNamespace
from uuid import UUID

import pytest
from django.conf import settings
from django.db import transaction
from django.template.backends.django import Template
from django.test import Client
from django.utils import timezone
from factories import make_key, make_template, make_template_run, make_tenant

from orgs.users.models import User
from tenants.credentials.models import AccessToken
from tenants.hosting.elsewhere.models import Enrollment
from tenants.run_templates.engine import runner
from tenants.run_templates.engine.code import freeze
from tenants.run_templates.models import CodeTry, CodeVersion, PushKey
from tenants.runs import connection
from tests.tenants.runs.fakes import CUSTOMERS, RUN_ID, FakeTenantClient, churn

from .people import clients_of, people_of
from .test_audit_rows import EXAMPLE, a_request, a_signed_in_computer
from .walk import admin_pages, all_pages

pytestmark = [pytest.mark.thorough, pytest.mark.any_database]

# -- answers

OK = "let through"  # also when something posted is missing (400, 422) or cannot be done now (409)
LOGIN = "sent to sign in"
NO, GONE, WRONG_METHOD, UNKNOWN_CALLER, CANNOT = 403, 404, 405, 401, 503
LOGIN_PAGES = ("/accounts/login/", "/admin/login/")
LET_THROUGH = {"GET": {200, 204, 302}, "POST": {200, 204, 302, 400, 409, 422}}

# -- rules: role -> answer. The disabled person is no one, whatever roles they held.

NOBODY = {"anonymous": LOGIN, "disabled": LOGIN}
STRANGERS = {"outsider": GONE, "removed": GONE, "foreign": GONE}  # as for an organization that is not
INSIDERS = ("member", "viewer", "editor", "admin")  # organization roles; none of them on the tenant
TENANT_ROLES = ("tenant_viewer", "tenant_operator", "tenant_editor", "tenant_developer", "tenant_admin")
# Organization Editor who is also Viewer of the tenant.
IN_TENANT = (*TENANT_ROLES, "tenant_org_editor")
PEOPLE = (*STRANGERS, *INSIDERS, "superuser")


def everybody(answer) -> dict:
    return dict.fromkeys((*NOBODY, *PEOPLE), answer)


def organization(*allowed: str) -> dict:
    """A page of the organization for these roles; superusers always."""
    answers = {role: OK if role in allowed else NO for role in INSIDERS}
    return NOBODY | STRANGERS | answers | {"superuser": OK}


def tenant(*allowed: str, admin=OK) -> dict:
    """A page of a tenant for these; insiders without a role on it do not see it, Admins manage it (`admin`)."""
    unseen = {role: GONE for role in INSIDERS}
    answers = {role: OK if role in allowed else NO for role in IN_TENANT}
    return NOBODY | STRANGERS | unseen | answers | {"admin": admin, "superuser": OK}


PUBLIC = everybody(OK)
UNKNOWN_LINK = everybody(GONE)
SIGNED_IN = everybody(OK) | NOBODY
SUPERUSER_ONLY = everybody(NO) | NOBODY | {"superuser": OK}
OWN = everybody(GONE) | NOBODY | {"member": OK}  # the object belongs to the Member
INVITED_ONLY = everybody(NO) | {
    "anonymous": OK,
    "disabled": OK,
}  # whoever has the link and is not somebody else
SESSION_IS_NOTHING = everybody(UNKNOWN_CALLER)  # programs show a token: see BEARERS below
NO_SUCH_ENDPOINT = everybody(GONE)

EVERY_MEMBER = organization("member", "viewer", "editor", "admin")
VIEWERS = organization("viewer", "editor", "admin")
EDITORS = organization("editor", "admin")
ADMINS = organization("admin")
VIEWERS_AND_ONESELF, ADMINS_AND_ONESELF = VIEWERS, ADMINS  # the object is none of these people
ORGANIZATION_ADDRESS = EVERY_MEMBER

SEES_TENANT = tenant(*IN_TENANT)
RUNS_TENANT = tenant("tenant_admin", "tenant_org_editor")
TENANT_ADMINS = tenant("tenant_admin")
ORG_ADMIN_JOINS = tenant()
ORG_ADMIN_CONNECTS = tenant()
SEES_TEMPLATES = tenant(*IN_TENANT, admin=NO)
MAKES_TEMPLATES = tenant("tenant_editor", "tenant_developer", "tenant_admin", admin=NO)
OWN_PUSH = MAKES_TEMPLATES | {"tenant_developer": GONE, "tenant_admin": GONE, "superuser": GONE}
CHANGES_TEMPLATES = tenant("tenant_admin", admin=NO)  # of somebody else
RUNS_TEMPLATES = tenant("tenant_operator", "tenant_editor", "tenant_developer", "tenant_admin", admin=NO)
CANCELS_OTHERS_RUNS = tenant("tenant_admin", admin=NO)
READS_SERVER = tenant(*IN_TENANT, admin=CANNOT)  # the Admin is told that they have no role in there
TEAM_PAGE = VIEWERS | {"member": GONE}  # not in this team
TEAM_MANAGERS = EDITORS | {"member": GONE}  # or its maintainers


def reads(rule: dict) -> dict:
    return {"GET": rule}


def does(rule: dict) -> dict:
    return {"POST": rule}


def asks(rule: dict) -> dict:
    return {"GET": rule, "POST": rule}


MATRIX = {
    "home": reads(SIGNED_IN),
    "livez": reads(PUBLIC),
    "readyz": reads(PUBLIC),
    "theme": does(PUBLIC),
    "first_sign_in": asks(UNKNOWN_LINK),
    # a person's own
    "users:email": asks(SIGNED_IN),
    "users:settings": asks(SIGNED_IN),
    "users:no_organization": reads(SIGNED_IN),
    "users:sessions": reads(SIGNED_IN),
    "users:sign_out_everywhere": does(SIGNED_IN),
    "users:session_end": does(UNKNOWN_LINK | NOBODY),
    "users:two_factor": reads(SIGNED_IN),
    "users:two_factor_done": reads(SIGNED_IN),
    "users:two_factor_needed": reads(SIGNED_IN),
    "users:totp_activate": asks(SIGNED_IN),
    "users:totp_deactivate": asks(UNKNOWN_LINK | NOBODY),  # nobody has any
    "users:codes_generate": asks(SIGNED_IN),
    "users:passkey_add": asks(SIGNED_IN),
    "users:passkey_rename": asks(SIGNED_IN),  # all are asked for their password first
    "users:passkey_remove": asks(SIGNED_IN),
    "run_templates:notice_default": asks(SIGNED_IN),
    "webhooks:try_default": does(SIGNED_IN),
    "webhooks:own": asks(SIGNED_IN),
    "webhooks:own_secret": does(UNKNOWN_LINK | NOBODY),  # nobody here has one
    "webhooks:own_test": does(UNKNOWN_LINK | NOBODY),
    "webhooks:own_remove": does(UNKNOWN_LINK | NOBODY),
    "webhooks:own_retry": does(UNKNOWN_LINK | NOBODY),
    "control_plane:device_list": reads(SIGNED_IN),
    "control_plane:device_sign_out": does(OWN),
    "control_plane:device_verify": {"GET": SIGNED_IN, "POST": UNKNOWN_LINK | NOBODY},
    "control_plane:token_list": asks(SIGNED_IN),
    "control_plane:token_rotate": asks(OWN),
    "control_plane:token_revoke": asks(OWN),
    "invitations:accept": {"GET": PUBLIC, "POST": INVITED_ONLY},
    # the organization
    "orgs:create": asks(SUPERUSER_ONLY),
    "orgs:home": reads(EVERY_MEMBER),
    "orgs:runs": reads(EVERY_MEMBER),
    "orgs:run_columns": reads(EVERY_MEMBER),
    "orgs:runs_compare": reads(EVERY_MEMBER),
    "orgs:saved_views": asks(EVERY_MEMBER),
    "orgs:members": reads(VIEWERS),
    "orgs:member_detail": reads(VIEWERS_AND_ONESELF),
    "explain:question": reads(EVERY_MEMBER),
    "explain:person": reads(ADMINS_AND_ONESELF),
    "orgs:members_export": reads(VIEWERS),
    "orgs:members_team": does(EDITORS),
    "orgs:members_role": does(ADMINS),
    "orgs:members_remove": does(ADMINS),
    "orgs:member_role": does(ADMINS),
    "orgs:member_remove": asks(ADMINS),
    "orgs:leave": asks(EVERY_MEMBER),
    "orgs:settings": asks(ADMINS),
    "orgs:two_factor": does(ADMINS),
    "orgs:package_builds": does(ADMINS),
    "moves:default_home": does(ADMINS),
    "orgs:delete": asks(ADMINS),
    "invitations:list": reads(ADMINS),
    "invitations:create": asks(ADMINS),
    "invitations:renew": does(ADMINS),
    "invitations:bulk": asks(ADMINS),
    "invitations:bulk_send": does(ADMINS),
    "invitations:deliveries": reads(ADMINS),
    "invitations:retry": does(ADMINS),
    "invitations:retry_all": does(ADMINS),
    "invitations:revoke": does(ADMINS),
    "teams:list": reads(EVERY_MEMBER),
    "teams:create": asks(EDITORS),
    "teams:detail": reads(TEAM_PAGE),
    "teams:edit": asks(EDITORS),
    "teams:delete": asks(EDITORS),
    "teams:member_add": does(TEAM_MANAGERS),
    "teams:member_remove": does(TEAM_MANAGERS),
    "teams:maintainer_add": does(EDITORS),
    "teams:maintainer_remove": does(EDITORS),
    "roles:list": reads(VIEWERS),
    "roles:matrix": reads(VIEWERS),
    "roles:create": asks(ADMINS),
    "roles:import": asks(ADMINS),
    "roles:detail": reads(VIEWERS),
    "roles:preview": does(ADMINS),
    "roles:rights": does(ADMINS),
    "roles:edit": asks(ADMINS),
    "roles:delete": asks(ADMINS),
    "roles:export": reads(VIEWERS),
    "audit:list": reads(ADMINS),
    "audit:export_csv": reads(ADMINS),
    "audit:export_jsonl": reads(ADMINS),
    "run_templates:org_list": reads(EVERY_MEMBER),
    "usage:organization": reads(ADMINS),
    "usage:organization_csv": reads(ADMINS),
    "usage:organization_limits": asks(organization()),
    "control_plane:account_list": reads(ADMINS),
    "control_plane:account_create": asks(ADMINS),
    "control_plane:account_detail": asks(ADMINS),
    "control_plane:account_deactivate": does(ADMINS),
    "control_plane:account_activate": does(ADMINS),
    "control_plane:account_key_rotate": asks(ADMINS),
    "control_plane:account_key_revoke": asks(ADMINS),
    # a tenant
    "tenants:create": asks(EDITORS),
    "tenants:overview": reads(SEES_TENANT),
    "tenants:progress": reads(SEES_TENANT),
    "tenants:log": reads(RUNS_TENANT),
    "tenants:settings": asks(RUNS_TENANT),
    "tenants:server_packages": asks(RUNS_TENANT),
    "tenants:upgrade": asks(RUNS_TENANT),
    "tenants:deactivate": does(RUNS_TENANT),
    "tenants:activate": does(RUNS_TENANT),
    "tenants:restart": does(RUNS_TENANT),
    "tenants:retry": does(RUNS_TENANT),
    "tenants:move": asks(TENANT_ADMINS),
    "tenants:delete": asks(TENANT_ADMINS),
    "tenants:members": reads(SEES_TENANT),
    "tenants:grant_give": asks(TENANT_ADMINS),
    "tenants:grant_withdraw": asks(TENANT_ADMINS),
    "matrix:grid": reads(VIEWERS),
    "tenants:person_roles": asks(TENANT_ADMINS),
    "tenants:team_roles": asks(TENANT_ADMINS),
    "tenants:join": asks(ORG_ADMIN_JOINS),
    "tenants:runs": reads(SEES_TENANT),
    "tenants:run_columns": reads(SEES_TENANT),
    "tenants:saved_views": asks(SEES_TENANT),
    "tenants:run_detail": reads(SEES_TENANT),
    "tenants:compare": reads(SEES_TENANT),
    "tenants:compare_csv": reads(READS_SERVER),
    "tenants:run_tags": asks(RUNS_TEMPLATES),
    "tenants:run_stop": asks(RUNS_TEMPLATES),
    "tenants:run_output": reads(SEES_TENANT),
    "tenants:step_log": reads(READS_SERVER),
    "tenants:artifact_frame": reads(READS_SERVER),
    "tenants:artifact_download": reads(SEES_TENANT),  # with the reason, where it cannot be had
    "tenants:run_kept": reads(READS_SERVER),
    "enrollment:detail": reads(SEES_TENANT),
    "enrollment:correct": does(ORG_ADMIN_CONNECTS),
    "kubernetes:detail": reads(RUNS_TENANT),
    "usage:tenant": reads(TENANT_ADMINS),
    "usage:tenant_csv": reads(TENANT_ADMINS),
    "usage:tenant_limits": asks(ORG_ADMIN_JOINS),
    "run_templates:list": reads(SEES_TEMPLATES),
    "run_templates:create": asks(MAKES_TEMPLATES),
    "run_templates:code_add": asks(MAKES_TEMPLATES),
    "run_templates:code": asks(MAKES_TEMPLATES),
    "run_templates:use_code": does(CHANGES_TEMPLATES),
    "run_templates:push": reads(OWN_PUSH),
    "run_templates:try": asks(OWN_PUSH),
    "run_templates:git_list": asks(CHANGES_TEMPLATES),
    "run_templates:git_detail": reads(CHANGES_TEMPLATES),
    "run_templates:git_confirm": does(CHANGES_TEMPLATES),
    "run_templates:git_read": does(CHANGES_TEMPLATES),
    "run_templates:git_remove": asks(CHANGES_TEMPLATES),
    "run_templates:receive": does(SESSION_IS_NOTHING),
    "run_templates:again": does(MAKES_TEMPLATES),  # of a run nobody ran again yet
    "run_templates:prepare": asks(MAKES_TEMPLATES),
    "run_templates:save": asks(CHANGES_TEMPLATES),
    "run_templates:undo": does(CANCELS_OTHERS_RUNS),
    "run_templates:detail": reads(SEES_TEMPLATES),
    "run_templates:edit": asks(CHANGES_TEMPLATES),
    "run_templates:delete": asks(CHANGES_TEMPLATES),
    "run_templates:make_default": asks(CHANGES_TEMPLATES),
    "run_templates:rules": asks(CHANGES_TEMPLATES),
    "run_templates:runners": asks(CHANGES_TEMPLATES),
    "run_templates:preset_new": asks(RUNS_TEMPLATES),
    "run_templates:preset_edit": asks(CHANGES_TEMPLATES),  # a shared one
    "run_templates:preset_run": does(RUNS_TEMPLATES),
    "run_templates:preset_delete": does(CHANGES_TEMPLATES),
    "run_templates:history": reads(SEES_TEMPLATES),
    "run_templates:run_notice": asks(SEES_TEMPLATES),
    "webhooks:try_run": does(SEES_TEMPLATES),
    "webhooks:try_template": does(SEES_TEMPLATES),
    "webhooks:try_tenant": does(SEES_TEMPLATES),
    "run_templates:tenant_notice": asks(SEES_TEMPLATES),
    "run_templates:template_notice": does(SEES_TEMPLATES),
    "webhooks:detail": asks(CHANGES_TEMPLATES),
    "webhooks:secret": does(CHANGES_TEMPLATES),
    "webhooks:test": does(CHANGES_TEMPLATES),
    "webhooks:remove": does(CHANGES_TEMPLATES),
    "webhooks:retry": does(CHANGES_TEMPLATES),
    "run_templates:sweep_new": asks(RUNS_TEMPLATES),
    "run_templates:sweep": reads(SEES_TEMPLATES),
    "run_templates:sweep_stop": does(CANCELS_OTHERS_RUNS),
    "run_templates:run": asks(RUNS_TEMPLATES),
    "run_templates:run_detail": reads(SEES_TEMPLATES),
    "run_templates:cancel": does(CANCELS_OTHERS_RUNS),
    # addresses that ZenML prints
    "control_plane:workspace": reads(SEES_TENANT),
    "control_plane:workspace_root": reads(SEES_TENANT),
    "control_plane:workspace_page": reads(SEES_TENANT),
    "control_plane:organization": reads(ORGANIZATION_ADDRESS),
    "control_plane:organization_root": reads(ORGANIZATION_ADDRESS),
    "control_plane:organization_page": reads(ORGANIZATION_ADDRESS),
    "control_plane:organization_tenant": reads(SEES_TENANT),
    "control_plane:organization_tenant_root": reads(SEES_TENANT),
    "control_plane:organization_tenant_page": reads(SEES_TENANT),
    # for programs
    "api:openapi": reads(PUBLIC),
    "api:docs": reads(SIGNED_IN),
    "control_plane:auth_login": {"GET": SIGNED_IN, "POST": PUBLIC},
    "control_plane:device_authorization": does(PUBLIC),
    "moves:database": asks(NO_SUCH_ENDPOINT),  # to all but carriers; its own tests say what they may
    "control_plane:missing": asks(NO_SUCH_ENDPOINT),
    "control_plane:authorize_server": reads(SESSION_IS_NOTHING),
    "pods:code": asks(NO_SUCH_ENDPOINT),  # to all but pods of runs; its own tests say what they get
    "control_plane:workspace_status": does(SESSION_IS_NOTHING),
    "control_plane:tenant_status": does(SESSION_IS_NOTHING),
    "control_plane:check_permissions": asks(SESSION_IS_NOTHING),
    "control_plane:allowed_resource_ids": reads(SESSION_IS_NOTHING),
    "control_plane:resource_members": does(SESSION_IS_NOTHING),
    "control_plane:resources": {},  # DELETE
    "control_plane:entitlement": reads(SESSION_IS_NOTHING),
    "control_plane:usage_event": does(SESSION_IS_NOTHING),
    **{
        f"control_plane:api_{name}": reads(SESSION_IS_NOTHING)
        for name in ("workspaces", "workspace", "tenants", "tenant", "organizations", "organization")
    },
}
KEPT_RUN = UUID(int=9)
TWO_RUNS = f"?run={RUN_ID}&run=00000000-0000-0000-0000-000000000001"
# What one page alone needs to be found: values of its parameters, and a query.
ADDRESSES: dict[str, Callable[[SimpleNamespace], tuple[dict, str]]] = {
    "control_plane:device_sign_out": lambda w: (w.device, ""),
    "control_plane:device_verify": lambda w: (
        {},
        f"?device_id={w.asked.pk}&user_code={w.asked.user_code}",
    ),
    "control_plane:token_rotate": lambda w: ({"key": w.own_key.pk}, ""),
    "control_plane:token_revoke": lambda w: ({"key": w.own_key.pk}, ""),
    "control_plane:workspace_page": lambda w: ({"rest": "runs"}, ""),
    "control_plane:organization_page": lambda w: ({"rest": "settings"}, ""),
    "control_plane:organization_tenant": lambda w: ({"tenant": w.world.tenant.pk}, ""),
    "control_plane:organization_tenant_root": lambda w: ({"tenant": w.world.tenant.pk}, ""),
    "control_plane:organization_tenant_page": lambda w: ({"tenant": w.world.tenant.pk, "rest": "x"}, ""),
    "control_plane:authorize_server": lambda w: ({}, f"?server_id={w.world.tenant.pk}"),
    "control_plane:check_permissions": lambda w: ({}, f"?user_id={w.world.admin.pk}&action=read"),
    "control_plane:allowed_resource_ids": lambda w: (
        {},
        f"?user_id={w.world.admin.pk}&action=read&resource=stack",
    ),
    "control_plane:api_organization": lambda w: ({"name": w.world.org.slug}, ""),
    "first_sign_in": lambda w: ({"uid": "x"}, ""),
    "users:session_end": lambda w: ({"session": 0}, ""),
    "users:passkey_rename": lambda w: ({"pk": 0}, ""),
    "users:passkey_remove": lambda w: ({"pk": 0}, ""),
    "run_templates:create": lambda w: ({}, f"?run={RUN_ID}"),
    "run_templates:code_add": lambda w: ({}, f"?run={RUN_ID}"),
    "run_templates:code": lambda w: ({}, f"?run={RUN_ID}"),
    "run_templates:push": lambda w: ({"push": w.push.pk}, ""),
    "run_templates:again": lambda w: ({"run": RUN_ID}, ""),
    "run_templates:prepare": lambda w: ({"run": RUN_ID}, ""),
    "run_templates:save": lambda w: ({"template": w.unlisted.pk}, ""),
    "run_templates:try": lambda w: ({"code_try": w.code_try.pk}, f"?run={RUN_ID}"),
    "run_templates:make_default": lambda w: ({}, f"?run={RUN_ID}"),
    "tenants:run_detail": lambda w: ({"run": RUN_ID}, ""),
    "tenants:compare": lambda w: ({}, TWO_RUNS),
    "tenants:compare_csv": lambda w: ({}, TWO_RUNS),
    "tenants:run_tags": lambda w: ({"run": RUN_ID}, ""),
    "tenants:run_stop": lambda w: ({"run": RUN_ID}, ""),
    "tenants:run_output": lambda w: ({"run": RUN_ID}, ""),
    "control_plane:device_authorization": lambda w: ({"home": w.elsewhere.pk}, ""),
    "tenants:artifact_frame": lambda w: ({"run": RUN_ID, "artifact": CUSTOMERS}, ""),
    "tenants:artifact_download": lambda w: ({"run": RUN_ID, "artifact": CUSTOMERS}, ""),
    "tenants:run_kept": lambda w: ({"run": KEPT_RUN}, ""),
    "tenants:step_log": lambda w: ({"run": RUN_ID, "step": churn("steps")["items"][0]["id"]}, ""),
}


@pytest.fixture
def quiet(monkeypatch):
    """Statuses alone count here: templates are not filled in, which would take three times as long."""
    monkeypatch.setattr(settings, "SESSION_ENGINE", "django.contrib.sessions.backends.signed_cookies")
    monkeypatch.setattr(Template, "render", lambda *args, **kwargs: "")
    monkeypatch.setattr(connection, "_clients", SimpleNamespace(get=lambda *args: a_server()))
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def everything(quiet, world, foreign, tmp_path, monkeypatch):
    """Both worlds, all people, and what belongs to the Member; the code of the template is really there."""
    monkeypatch.setattr(settings, "ZENPRO_DATA", tmp_path)
    CodeVersion.objects.filter(pk=world.template.code_id).update(code_hash=freeze(str(EXAMPLE)))
    a_run_with_files(world.template)
    people = people_of(world, foreign)
    clients = clients_of(people)
    own = SimpleNamespace(tenant=world.tenant, admin=people["member"])
    return SimpleNamespace(
        world=world,
        people=people,
        foreign=foreign,
        clients=clients,
        sessions={role: session_of(client) for role, client in clients.items()},
        own_key=make_key(people["member"]),
        push=PushKey.objects.create(tenant=world.tenant, run_id=RUN_ID, person=people["tenant_editor"]),
        unlisted=make_template(world.tenant, code=world.template.code, is_listed=False),
        code_try=CodeTry.objects.create(code=world.template.code, person=people["tenant_editor"]),
        elsewhere=Enrollment.objects.create(tenant=make_tenant(world.org)).tenant,
        asked=a_request().login,
        device=a_signed_in_computer(own),
        values=world.values
        | {"organization": world.org.pk, "workspace": world.tenant.pk, "feature": "pipeline", "rest": "x"},
    )


def a_server() -> FakeTenantClient:
    """It knows the run whose files are kept, too."""
    client = FakeTenantClient()
    client.run_answers[str(KEPT_RUN)] = churn("run")
    return client


def a_run_with_files(template) -> None:
    """What it wrote is kept until tomorrow."""
    until = timezone.now() + timedelta(days=1)
    run = make_template_run(template, state="failed", zenml_run_id=KEPT_RUN, kept_until=until, kept_bytes=6)
    file = runner.kept_file(run.pk)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"packed")


def session_of(client: Client) -> str:
    cookie = client.cookies.get(settings.SESSION_COOKIE_NAME)
    return cookie.value if cookie else ""


def address(page, everything) -> str:
    values, query = ADDRESSES.get(page.name, lambda _: ({}, ""))(everything)
    return page.path(everything.values | values) + query


@contextmanager
def nothing_stays():
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def answer(client: Client, method: str, path: str, session: str = "", **headers):
    """What somebody gets, in the words of the rules. Whatever it did is undone."""
    client.cookies = SimpleCookie({settings.SESSION_COOKIE_NAME: session} if session else {})
    with nothing_stays():
        response = getattr(client, method.lower())(path, headers=headers)
    if response.status_code == 302 and response.url.startswith(LOGIN_PAGES):
        return LOGIN
    return OK if response.status_code in LET_THROUGH[method] else response.status_code


def test_every_url_has_a_row_and_every_row_a_url():
    names = {page.name for page in all_pages()}
    missing = [f"{page.name or 'a URL without name'} ({page.route})" for page in all_pages()]
    missing = [line for line in missing if line.split(" ")[0] not in MATRIX]
    assert not missing, (
        "Say in MATRIX of tests/guards/test_matrix.py who may open these and post to them, for example\n"
        '    "teams:edit": asks(EDITORS),\n'
        "with reads() for GET, does() for POST, asks() for both, and one of the rules above it:\n"
        + "\n".join(missing)
    )
    assert not set(MATRIX) - names, f"No such pages (any more): {set(MATRIX) - names}"


# A wrong method is answered before anybody asks who it is: three ask, not everybody.
SOME = ("anonymous", "member", "superuser")


def wrong_answers(pages, method: str, everything) -> list[str]:
    """What differs from MATRIX, a line each."""
    wrong = []
    for page in pages:
        path = address(page, everything)
        expected = MATRIX[page.name].get(method) or dict.fromkeys(SOME, WRONG_METHOD)
        for role, wanted in expected.items():
            got = answer(everything.clients[role], method, path, everything.sessions[role])
            if got != wanted:
                wrong.append(f"{method} {page.name} as {role}: {got}, declared: {wanted}")
    return wrong


@pytest.mark.thorough
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_everybody_gets_what_is_declared(method, everything):
    declared = [page for page in all_pages() if page.name in MATRIX]
    wrong = wrong_answers(declared, method, everything)
    assert not wrong, "\n".join(wrong)


def test_a_wrong_answer_is_named(everything, monkeypatch):
    """The walk finds what it is for: with a row that is wrong it says which page, who and how."""
    monkeypatch.setitem(MATRIX, "orgs:settings", asks(EDITORS))
    page = next(page for page in all_pages() if page.name == "orgs:settings")
    found = wrong_answers([page], "POST", everything)
    assert found == ["POST orgs:settings as editor: 403, declared: let through"]


# -- Django admin: superusers only, and no one else, whatever their roles elsewhere; tests/test_admin.py does the rest

FOR_ALL = {"admin:login", "admin:logout", "admin:jsi18n", "admin:password_change"}  # lead to our own pages


def test_admin_is_for_superusers(everything):
    """Every person for the first page and where it sends them; every address for the one that comes nearest."""
    for role, wanted in (everybody(LOGIN) | {"superuser": OK}).items():
        assert answer(everything.clients[role], "GET", "/admin/", everything.sessions[role]) == wanted, role
    for role, wanted in (everybody(NO) | NOBODY | {"superuser": OK}).items():
        got = answer(everything.clients[role], "GET", "/admin/login/", everything.sessions[role])
        assert got == wanted, role
    User.objects.filter(pk=everything.people["admin"].pk).update(is_staff=True)
    client, session = everything.clients["admin"], everything.sessions["admin"]
    paths = {
        page.path({name: everything.world.org.pk for name in page.parameters})
        for page in admin_pages()
        if page.name not in FOR_ALL
    }
    assert len(paths) > 100
    wrong = [
        (m, path) for path in paths for m in ("GET", "POST") if answer(client, m, path, session) != LOGIN
    ]
    assert not wrong


# -- programs: who calls is what the token says, whatever session comes with it

BEARERS = ("nobody", "made_up", "raw_key", "ended", "person", "removed", "disabled", "foreign")
SERVERS = ("server", "foreign_server", "stopped_server")
NOT_SIGNED_IN = dict.fromkeys(BEARERS + SERVERS, UNKNOWN_CALLER)
OF_PEOPLE = NOT_SIGNED_IN | {
    "person": OK,
    "removed": OK,
    "foreign": OK,
}  # lists of one's own things: maybe nothing
OF_MEMBERS = OF_PEOPLE | {"removed": GONE, "foreign": GONE}
TO_SIGN_IN = OF_PEOPLE | {"removed": NO, "foreign": NO}
OF_SERVERS = NOT_SIGNED_IN | {"server": OK, "foreign_server": NO, "stopped_server": NO}
API_MATRIX = {
    "authorize_server": reads(TO_SIGN_IN),
    "workspace_status": does(OF_SERVERS),
    "tenant_status": does(OF_SERVERS),
    "check_permissions": asks(OF_SERVERS),
    "allowed_resource_ids": reads(OF_SERVERS),
    "resource_members": does(OF_SERVERS),
    "entitlement": reads(OF_SERVERS),
    "usage_event": does(OF_SERVERS),
    "api_workspaces": reads(OF_PEOPLE),
    "api_workspace": reads(OF_MEMBERS),
    "api_tenants": reads(OF_PEOPLE),
    "api_tenant": reads(OF_MEMBERS),
    "api_organizations": reads(OF_PEOPLE),
    "api_organization": reads(OF_MEMBERS),
}


def tokens_of(everything) -> dict[str, str]:
    """Caller -> what it shows. All say that they ask for the tenant of the world."""
    issue, soon = AccessToken.objects.issue, timedelta(minutes=5)
    people = everything.people
    stopped = make_tenant(everything.world.org, desired_state="deactivated")
    owners = {"person": people["tenant_viewer"], "removed": people["removed"], "disabled": people["disabled"]}
    owners["foreign"] = people["foreign"]
    tenants = {"server": everything.world.tenant, "stopped_server": stopped}
    tenants["foreign_server"] = everything.foreign.tenant
    ended = issue(kind="user", user=everything.world.admin, lifetime=-soon)
    return {
        "nobody": "",
        "made_up": "zpu_" + "x" * 40,
        "raw_key": everything.own_key.secret,
        "ended": ended,
        **{role: issue(kind="user", user=user, lifetime=soon) for role, user in owners.items()},
        **{role: issue(kind="server", tenant=tenant, lifetime=soon) for role, tenant in tenants.items()},
    }


def test_every_endpoint_for_programs_says_which_tokens_it_takes():
    """A key that pushes code is no token: its own tests say who holds one."""
    rows = {name: row for name, row in MATRIX.items() if SESSION_IS_NOTHING in row.values()}
    assert {name.partition(":")[2] for name in rows} == set(API_MATRIX) | {"receive"}


def test_programs_get_what_is_declared(everything):
    tokens, wrong = tokens_of(everything), []
    for page in all_pages():
        for method, expected in API_MATRIX.get(page.name.partition(":")[2], {}).items():
            path = address(page, everything)
            for role, wanted in expected.items():
                headers = {"authorization": f"Bearer {tokens[role]}"} if tokens[role] else {}
                if role in SERVERS:
                    headers["zenml-server-id"] = str(everything.world.tenant.pk)
                got = answer(everything.clients["admin"], method, path, **headers)
                if got != wanted:
                    wrong.append(f"{method} {page.name} with the token of {role}: {got}, declared: {wanted}")
    assert not wrong, "\n".join(wrong)
