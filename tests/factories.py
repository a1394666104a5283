"""One plain function a model; every argument has a sensible default."""

import itertools
from copy import copy
from uuid import uuid4

from django.contrib.auth import get_user_model
from django.db import connection

from orgs.models import Membership, Organization
from orgs.roles.models import Role, RolePermission
from orgs.roles.predefined_permissions import complete
from orgs.teams.models import Team
from tenants.credentials.models import ApiKey
from tenants.models import Tenant, TenantGrant
from tenants.run_templates.models import CodeVersion, RunTemplate, TemplateRun

PASSWORD = "correct horse battery"
_numbers = itertools.count(1)


def make_user(email: str | None = None, *, superuser: bool = False, **fields):
    if not email:
        fields.setdefault("username", f"person{next(_numbers)}")
        email = f"{fields['username']}@example.org"
    create = get_user_model().objects.create_superuser if superuser else get_user_model().objects.create_user
    return create(email, PASSWORD, **fields)


def make_org(name: str | None = None) -> Organization:
    name = name or f"Organization {next(_numbers)}"
    organization = Organization.objects.create(name=name, slug=Organization.objects.free_slug(name))
    _seed(organization)
    return organization


_seeded = []  # roles and rows of rights, as the real seed wrote them for the first organization


def _seed(organization: Organization) -> None:
    """The predefined roles. Later organizations get copies: it is five times as quick, and nearly every test waits."""
    if not _seeded:
        Role.objects.seed(organization)
        rows = RolePermission.objects.filter(role__organization=organization)
        _seeded.extend([list(organization.roles.all()), list(rows.values_list("role", "resource", "action"))])
        return
    roles, keys = [copy(role) for role in _seeded[0]], {}
    for role in roles:
        old, role.pk, role.organization = role.pk, uuid4(), organization
        keys[old] = Role._meta.pk.get_db_prep_value(role.pk, connection)
    Role.objects.bulk_create(roles)
    _insert([(keys[role], resource, action) for role, resource, action in _seeded[1]])


def _insert(rows) -> None:
    """Some 350 of them. PostgreSQL takes them at once, and would need three times as long for one after the other."""
    into = f"INSERT INTO {RolePermission._meta.db_table} (role_id, resource, action)"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            columns = [list(column) for column in zip(*rows, strict=True)]
            cursor.execute(f"{into} SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[])", columns)
        else:
            cursor.executemany(f"{into} VALUES (%s, %s, %s)", rows)


def make_member(org: Organization, role: str = "member", user=None, **fields):
    """A person of the organization; returns the user, with `membership` set on it."""
    user = user or make_user(**fields)
    user.membership = Membership.objects.create(organization=org, user=user, role=role)
    return user


def make_service_account(org: Organization, name: str = "ci", role: str = "member"):
    """The user, with `membership` set on it."""
    fields = {"username": get_user_model().objects.free_username(name), "is_service_account": True}
    user = get_user_model().objects.create_user(f"{fields['username']}@service.invalid", name=name, **fields)
    return make_member(org, role, user=user)


def make_key(user, label: str = "nightly", **fields) -> ApiKey:
    """A key with its secret in clear as `secret`."""
    key = ApiKey(user=user, label=label, created_by=user, **fields)
    key.secret = key.new_secret()
    key.save()
    return key


def make_team(org: Organization, label: str | None = None, members=(), **fields) -> Team:
    team = Team.objects.create(organization=org, label=label or f"team-{next(_numbers)}", **fields)
    team.user_set.add(*members)
    return team


def make_tenant(org: Organization, slug: str | None = None, *, status="available", **fields) -> Tenant:
    number = next(_numbers)
    slug = slug or f"tenant-{number}"
    defaults = {
        "name": slug,
        "slug": slug,
        "workspace_name": f"{slug}-{uuid4().hex[:6]}",
        "zenml_version": "0.98.0",
        "status": status,
        "server_url": f"http://127.0.0.1:{9000 + number}",
    }
    return Tenant.objects.create(organization=org, **{**defaults, **fields})


def tenant_role(org: Organization, slug: str) -> Role:
    return org.roles.get(level=Role.Level.TENANT, slug=slug)


def make_role(org: Organization, name: str = "Reviewer", *, level="tenant", base=None, rights=()) -> Role:
    """A role of the organization's own. `base`: slug of a predefined role."""
    slug, base = name.lower().replace(" ", "-"), base and org.roles.get(level=level, slug=base)
    role = Role.objects.create(organization=org, level=level, slug=slug, name=name, base=base)
    role.set_rights(complete(level, frozenset(rights) | role.inherited))
    return role


def make_grant(tenant: Tenant, holder, role: str = "viewer", **fields) -> TenantGrant:
    """`holder` is a user made by make_member, or a team."""
    holder = holder if isinstance(holder, Team) else tenant.organization.memberships.get(user=holder)
    return TenantGrant.objects.give(
        tenant=tenant, role=tenant_role(tenant.organization, role), holder=holder, **fields
    )


def make_code(tenant: Tenant, pipeline: str = "churn_training", **fields) -> CodeVersion:
    number = tenant.code_versions.filter(pipeline_name=pipeline).count() + 1
    defaults = {
        "number": number,
        "kind": "folder",
        "origin": "/nowhere",
        "code_hash": "0" * 64,
        "roots": [""],
    }
    return CodeVersion.objects.create(tenant=tenant, pipeline_name=pipeline, **{**defaults, **fields})


def make_template(tenant: Tenant, name: str | None = None, **fields) -> RunTemplate:
    defaults = {
        "name": name or f"template-{next(_numbers)}",
        "pipeline_name": "churn_training",
        "project_id": uuid4(),
        "source_run_id": uuid4(),
        "source_run_name": "churn_training-1",
        "source_snapshot_id": uuid4(),
        "stack_id": uuid4(),
        "stack_name": "default",
        "snapshot": {},
    }
    if "code" not in fields:
        fields["code"] = make_code(tenant, fields.get("pipeline_name", "churn_training"))
    return RunTemplate.objects.create(tenant=tenant, **{**defaults, **fields})


def make_template_run(template: RunTemplate, person=None, **fields) -> TemplateRun:
    number = template.runs.count() + 1
    defaults = {"number": number, "run_name": f"{template.name}-{number}", "configuration": {}}
    defaults |= {"code": template.code, "requirements": template.requirements}
    return TemplateRun.objects.create(template=template, created_by=person, **{**defaults, **fields})
