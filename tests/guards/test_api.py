"""Every operation of the JSON API, called by everybody with a key: who gets what is written down here.

A new operation needs a row in MATRIX, and in DEEDS how to do it when it changes something.
"""

import io
import json
import logging
import re
import tarfile
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from factories import make_code, make_key, make_member, make_tenant

from orgs.audit.models import AuditEvent
from orgs.permissions import Permission
from orgs.users.models import User
from tenants.api import tenants as tenants_api
from tenants.api.app import api
from tenants.api.callers import Anyone
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates import actions as template_actions
from tenants.run_templates.engine.code import freeze
from tenants.run_templates.engine.integration_packages import IntegrationPackages
from tenants.server_packages import actions as server_packages
from tests.tenants.runs.fakes import RUN_ID, FakeTenantClient, connect_to

from .people import people_of
from .test_audit_rows import EXAMPLE, robot_is_inactive, runs_are_over, second_grant, state, waited
from .test_matrix import (
    ADMINS,
    CANCELS_OTHERS_RUNS,
    CHANGES_TEMPLATES,
    EDITORS,
    EVERY_MEMBER,
    GONE,
    LOGIN,
    MAKES_TEMPLATES,
    NO,
    OK,
    RUNS_TEMPLATES,
    RUNS_TENANT,
    SEES_TEMPLATES,
    SEES_TENANT,
    SIGNED_IN,
    SUPERUSER_ONLY,
    TEAM_MANAGERS,
    TEAM_PAGE,
    TENANT_ADMINS,
    UNKNOWN_CALLER,
    VIEWERS,
    everybody,
)
from .walk import modules

pytestmark = [pytest.mark.thorough, pytest.mark.any_database]

PARAMETER = re.compile(r"{(\w+)}")
ROUNDS = "steps.train.parameters.rounds"
OWN_KEY = everybody(GONE) | {"anonymous": LOGIN, "disabled": LOGIN, "member": OK}
MATRIX = {
    "organization_list": SIGNED_IN,
    "organization_create": SUPERUSER_ONLY,
    "organization_get": EVERY_MEMBER,
    "organization_update": ADMINS,
    "member_list": VIEWERS,
    "member_get": VIEWERS,
    "member_change_role": ADMINS,
    "member_remove": ADMINS,
    "invitation_list": ADMINS,
    "invitation_create": ADMINS,
    "invitation_get": ADMINS,
    "invitation_resend": ADMINS,
    "invitation_revoke": ADMINS,
    "team_list": EVERY_MEMBER,
    "team_create": EDITORS,
    "team_get": TEAM_PAGE,
    "team_update": EDITORS,
    "team_delete": EDITORS,
    "team_member_list": TEAM_PAGE,
    "team_member_add": TEAM_MANAGERS,
    "team_member_remove": TEAM_MANAGERS,
    "role_list": VIEWERS,
    "role_create": ADMINS,
    "role_get": VIEWERS,
    "role_update": ADMINS,
    "role_change_rights": ADMINS,
    "role_delete": ADMINS,
    "my_tenant_list": SIGNED_IN,
    "tenant_list": EVERY_MEMBER,
    "tenant_create": EDITORS,
    "tenant_get": SEES_TENANT,
    "tenant_update": RUNS_TENANT,
    "tenant_deactivate": RUNS_TENANT,
    "tenant_activate": RUNS_TENANT,
    "tenant_restart": RUNS_TENANT,
    "tenant_upgrade": RUNS_TENANT,
    "tenant_delete": TENANT_ADMINS,
    "tenant_move": TENANT_ADMINS,
    "tenant_retry": RUNS_TENANT,
    "tenant_environment": RUNS_TENANT,
    "server_packages_get": RUNS_TENANT,
    "server_packages_add": RUNS_TENANT,
    "server_packages_remove": RUNS_TENANT,
    "grant_list": SEES_TENANT,
    "grant_give": TENANT_ADMINS,
    "grant_withdraw": TENANT_ADMINS,
    "template_list": SEES_TEMPLATES,
    "template_create": MAKES_TEMPLATES,
    "template_get": SEES_TEMPLATES,
    "template_update": CHANGES_TEMPLATES,
    "template_delete": CHANGES_TEMPLATES,
    "code_list": SEES_TEMPLATES,
    "code_add": CHANGES_TEMPLATES,
    "rules_get": CHANGES_TEMPLATES,
    "rules_replace": CHANGES_TEMPLATES,
    "runners_get": CHANGES_TEMPLATES,
    "runners_replace": CHANGES_TEMPLATES,
    "preset_list": RUNS_TEMPLATES,
    "preset_create": RUNS_TEMPLATES,
    "preset_get": RUNS_TEMPLATES,
    "preset_update": CHANGES_TEMPLATES,  # a shared one
    "preset_delete": CHANGES_TEMPLATES,
    "preset_run": RUNS_TEMPLATES,
    "run_list": SEES_TEMPLATES,
    "run_start": RUNS_TEMPLATES,
    "run_get": SEES_TEMPLATES,
    "run_cancel": CANCELS_OTHERS_RUNS,
    "service_account_list": ADMINS,
    "service_account_create": ADMINS,
    "service_account_get": ADMINS,
    "service_account_deactivate": ADMINS,
    "service_account_activate": ADMINS,
    "service_account_key_list": ADMINS,
    "service_account_key_create": ADMINS,
    "service_account_key_rotate": ADMINS,
    "service_account_key_revoke": ADMINS,
    "me": SIGNED_IN,
    "token_list": SIGNED_IN,
    "token_create": SIGNED_IN,
    "token_rotate": OWN_KEY,
    "token_revoke": OWN_KEY,
    "event_list": ADMINS,
}


@dataclass
class Deed:
    """What is sent, after what preparation, and with what in the path instead of the world's own."""

    body: Callable = lambda world: {}
    before: Callable = lambda world: None
    values: Callable = lambda world: {}
    by_superuser: bool = False


def has_packages(world) -> None:
    type(world.tenant).objects.filter(pk=world.tenant.pk).update(server_packages={"s3": ["s3fs"]})


def somebody(world) -> str:
    return str(make_member(world.org).membership.pk)


def packed(folder) -> bytes:
    """A folder as an archive."""
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w:gz") as archive:
        archive.add(folder, arcname=".")
    return memory.getvalue()


def template_body(world) -> dict:
    return {"run": str(RUN_ID), "name": "weekly", "code": str(world.version.pk)}


DEEDS = {
    "organization_create": Deed(lambda w: {"name": "New", "slug": "new-one"}, by_superuser=True),
    "organization_update": Deed(lambda w: {"description": "All of it"}),
    "member_change_role": Deed(lambda w: {"role": "viewer"}),
    "member_remove": Deed(),
    "invitation_create": Deed(lambda w: {"emails": ["grace@example.org"]}),
    "invitation_resend": Deed(before=waited),
    "invitation_revoke": Deed(),
    "team_create": Deed(lambda w: {"name": "fraud"}),
    "team_update": Deed(lambda w: {"name": "fraud"}),
    "team_delete": Deed(),
    "team_member_add": Deed(lambda w: {"member": somebody(w)}),
    "team_member_remove": Deed(),
    "role_create": Deed(lambda w: {"level": "tenant", "name": "Auditor"}),
    "role_update": Deed(lambda w: {"name": "Auditor"}),
    "role_change_rights": Deed(lambda w: {"rights": ["model:update"], "version": w.role.version}),
    "role_delete": Deed(),
    "tenant_create": Deed(lambda w: {"name": "Staging", "slug": "staging"}),
    "tenant_update": Deed(lambda w: {"name": "Live"}),
    "tenant_deactivate": Deed(),
    "tenant_activate": Deed(before=state(desired_state="deactivated", status="deactivated")),
    "tenant_restart": Deed(),
    "tenant_delete": Deed(),
    "tenant_upgrade": Deed(lambda w: {"version": "1.0.0"}),
    "tenant_move": Deed(lambda w: {"home": "kubernetes"}, before=runs_are_over),
    "tenant_retry": Deed(before=state(status="failed")),
    "server_packages_add": Deed(lambda w: {"integration": "s3"}),
    "server_packages_remove": Deed(before=has_packages, values=lambda w: {"integration": "s3"}),
    "grant_give": Deed(lambda w: {"team": str(w.team.uuid), "role": "viewer"}),
    "grant_withdraw": Deed(values=second_grant),
    "template_create": Deed(template_body),
    "template_update": Deed(lambda w: {"name": "weekly"}),
    "template_delete": Deed(before=lambda w: w.template.runs.all().delete()),
    "code_add": Deed(lambda w: packed(EXAMPLE)),
    "rules_replace": Deed(lambda w: {"rules": [{"path": ROUNDS, "kind": "locked"}]}),
    "runners_replace": Deed(lambda w: {"narrowed": True, "roles": ["viewer"]}),
    "preset_create": Deed(lambda w: {"name": "Weekly"}),
    "preset_update": Deed(lambda w: {"name": "Weekly"}),
    "preset_delete": Deed(),
    "preset_run": Deed(),
    "run_start": Deed(),
    "run_cancel": Deed(),
    "service_account_create": Deed(lambda w: {"name": "nightly"}),
    "service_account_deactivate": Deed(),
    "service_account_activate": Deed(before=robot_is_inactive),
    "service_account_key_create": Deed(lambda w: {"name": "github"}),
    "service_account_key_rotate": Deed(),
    "service_account_key_revoke": Deed(),
    "token_create": Deed(lambda w: {"name": "laptop", "organization": str(w.org.pk)}),
    "token_rotate": Deed(values=lambda w: {"token": make_key(w.admin, organization=w.org).pk}),
    "token_revoke": Deed(values=lambda w: {"token": make_key(w.admin, organization=w.org).pk}),
}


LET_THROUGH = {200, 201, 204, 409, 422}  # the last ones: allowed, but not this or not now
RECORDED = set(DEEDS) - {
    "organization_create"
}  # a refusal leaves a row; there is no organization to tell yet


@dataclass(frozen=True)
class Operation:
    name: str
    method: str
    route: str
    rights: tuple

    @property
    def parameters(self) -> list[str]:
        return PARAMETER.findall(self.route)

    @property
    def changes(self) -> bool:
        return self.method != "GET"

    def path(self, values: dict) -> str:
        return "/api/v1" + PARAMETER.sub(lambda found: str(values[found[1]]), self.route)


def operations() -> list[Operation]:
    found = []
    for _, router in api._routers:
        for route, view in router.path_operations.items():
            for one in view.operations:
                rights = tuple(getattr(asked, "right", None) for asked in one.auth_callbacks)
                found += [Operation(one.view_func.__name__, method, route, rights) for method in one.methods]
    return found


@contextmanager
def nothing_stays():
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture
def everything(world, foreign, monkeypatch, tmp_path, settings):
    """Both worlds, everybody with a key, a server that answers and a directory of code."""
    for module in (template_actions, tenants_api):
        monkeypatch.setattr(module, "connect", connect_to(FakeTenantClient()))
    needed = IntegrationPackages(["s3fs"], [])
    monkeypatch.setattr(server_packages, "needed_for", lambda tenant, integration: needed)
    settings.ZENPRO_DATA = tmp_path
    world.version = make_code(world.tenant, "churn", code_hash=freeze(str(EXAMPLE)))
    people = people_of(world, foreign)
    secrets = {role: make_key(person).secret for role, person in people.items()} | {"anonymous": ""}
    User.objects.filter(pk=people["disabled"].pk).update(is_active=False)
    own = make_key(people["member"])
    names = {"organization": "org", "member": "membership"}
    values = {**world.values, **{name: world.values[other] for name, other in names.items()}, "token": own.pk}
    logging.disable(logging.CRITICAL)
    cache.clear()
    yield SimpleNamespace(world=world, foreign=foreign, people=people, secrets=secrets, values=values)
    logging.disable(logging.NOTSET)


def call(secret: str, operation: Operation, path: str, body: dict):
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    sent = body if isinstance(body, bytes) else json.dumps(body) if operation.changes else ""
    return Client().generic(operation.method, path, sent, content_type="application/json", headers=headers)


def done(everything, secret: str, operation: Operation, **instead):
    """The answer to doing it as DEEDS says, with other values in the path if wanted, and the audit rows it left."""
    deed, world = DEEDS.get(operation.name, Deed()), everything.world
    deed.before(world)
    values = everything.values | deed.values(world) | instead
    body, before = deed.body(world), AuditEvent.objects.count()
    answer = call(secret, operation, operation.path(values), body)
    return answer, list(AuditEvent.objects.all()[: AuditEvent.objects.count() - before])


def test_every_operation_is_declared():
    names = [one.name for one in operations()]
    assert len(names) == len(set(names)), "Names of operations are their ids in the document."
    assert set(names) == set(MATRIX), set(names) ^ set(MATRIX)
    changing = {one.name for one in operations() if one.changes}
    assert changing == set(DEEDS), changing ^ set(DEEDS)


def test_every_operation_says_what_right_it_needs():
    for one in operations():
        kinds = Anyone
        if "organization" in one.parameters:
            kinds = TenantPermission if "tenant" in one.parameters else Permission
        assert len(one.rights) == 2 and len(set(one.rights)) == 1, one
        assert isinstance(one.rights[0], kinds), one


def asked(rule: dict, below: str) -> dict:
    """Whom to ask of a rule: not those whom another test here asks, or who see a tenant as others do."""
    alike = {"outsider", "foreign", "disabled", *(("member", "editor") if below == "tenant" else ())}
    return {role: wanted for role, wanted in rule.items() if role not in alike}


@pytest.mark.thorough
@pytest.mark.parametrize("below", ["organization", "tenant"])
def test_everybody_gets_what_is_declared(below, everything):
    wrong = []
    for operation in operations():
        if ("tenant" in operation.parameters) == (below == "tenant"):
            for role, wanted in asked(MATRIX[operation.name], below).items():
                with nothing_stays():
                    answer, rows = done_by(everything, role, operation)
                got = answer.status_code
                if (OK if got in LET_THROUGH else got) != (UNKNOWN_CALLER if wanted == LOGIN else wanted):
                    wrong.append(f"{operation.name} as {role}: {got}, declared: {wanted}")
                if got == NO and operation.name in RECORDED and [row.outcome for row in rows] != ["refused"]:
                    wrong.append(f"{operation.name} as {role} was refused and left {rows}")
    assert not wrong, "\n".join(wrong)


def done_by(everything, role: str, operation: Operation):
    """Own keys are the Member's here: the key that DEEDS makes is the Admin's."""
    instead = {"token": everything.values["token"]} if "token" in operation.parameters else {}
    return done(everything, everything.secrets[role], operation, **instead)


def test_doing_it_leaves_one_row(everything):
    wrong, world = [], everything.world
    admin = make_key(world.admin).secret
    for operation in operations():
        if not operation.changes:
            continue
        deed = DEEDS[operation.name]
        secret = everything.secrets["superuser"] if deed.by_superuser else admin
        person = everything.people["superuser"] if deed.by_superuser else world.admin
        with nothing_stays():
            answer, rows = done(everything, secret, operation)
        left = [(row.actor, row.outcome, row.via) for row in rows]
        if answer.status_code >= 300 or left != [(person, "done", "api")]:
            wrong.append(f"{operation.name}: {answer.status_code} {answer.content[:300]} {rows}")
    assert not wrong, "\n".join(wrong)


def test_reading_leaves_none(everything):
    for operation in operations():
        if not operation.changes:
            _, rows = done(everything, everything.secrets["superuser"], operation)
            assert rows == [], operation


@pytest.mark.thorough
def test_an_organization_of_others_is_like_none(everything):
    wrong, secret = [], everything.secrets["outsider"]
    for operation in operations():
        if "organization" not in operation.parameters:
            continue
        names = [everything.world.org.pk, "no-such"]
        answers = [done(everything, secret, operation, organization=name)[0] for name in names]
        if {(one.status_code, one.content) for one in answers} != {(GONE, answers[-1].content)}:
            wrong.append(operation.name)
    assert not wrong, wrong


@pytest.mark.thorough
def test_an_object_of_another_organization_is_like_none(everything):
    wrong, secret = [], make_key(everything.world.admin).secret
    theirs = everything.foreign.values | {"member": everything.foreign.person.membership.pk}
    theirs["token"] = make_key(everything.foreign.admin).pk
    for operation in operations():
        for name in set(operation.parameters) - {"organization", "number", "integration"}:
            with nothing_stays():
                answers = [
                    done(everything, secret, operation, **{name: value})[0]
                    for value in (theirs[name], uuid4())
                ]
            if {(one.status_code, one.content) for one in answers} != {(GONE, answers[1].content)}:
                wrong.append(f"{operation.name} with a foreign {name}: {answers}")
    assert not wrong, "\n".join(wrong)


def test_a_bound_key_opens_nothing_else(everything):
    world, wrong = everything.world, []
    other, elsewhere = make_tenant(world.org), everything.foreign.org
    for scope in ({"tenant": other}, {"organization": elsewhere}):
        secret = make_key(world.admin, **scope).secret
        for operation in operations():
            if "organization" not in operation.parameters:
                continue
            inside = "tenant" in scope and "tenant" not in operation.parameters
            with nothing_stays():
                answer, _ = done(everything, secret, operation)
            if answer.status_code != (NO if inside else GONE):
                wrong.append(f"{operation.name} with a key of {scope}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)


def test_nothing_but_urls_imports_the_api():
    """It stands beside the pages: what both need is in actions, forms and access."""
    wrong = [
        module.where
        for name, module in modules().items()
        if not name.startswith("tenants.api") and "tenants.api" in module.path.read_text()
    ]
    assert wrong == ["zenpro_site/urls.py"]
