from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from django.conf import settings
from ninja import Query, Router, Schema
from pydantic import Field

from orgs.access.gate import refuse
from orgs.permissions import Permission
from tenants.credentials import devices
from tenants.hosting import actions
from tenants.hosting.backends import spec_of
from tenants.hosting.base import TenantError
from tenants.hosting.elsewhere.actions import enroll
from tenants.hosting.elsewhere.server import environment_block
from tenants.hosting.forms import ELSEWHERE, HERE, IN_CLUSTER, OTHER, SettingsForm, TenantForm
from tenants.models import Tenant, TenantMove
from tenants.models.tenant_permissions import TenantPermission
from tenants.moves.actions import move_tenant
from tenants.runs.connection import connect
from tenants.server_packages.actions import add_packages, remove_packages
from tenants.server_packages.store_packages import StorePackages, extension_of, present_in, proposals_for
from tenants.upgrades.actions import upgrade
from tenants.upgrades.forms import UpgradeForm

from .callers import Anyone, needs, opened, tenants_of
from .problems import Invalid, checked, fault
from .shapes import Body, Page, Reference, Slice, Text, page_of, reference

router = Router(tags=["Tenants"])
TENANTS = "/organizations/{organization}/tenants"
TENANT = TENANTS + "/{tenant}"
HOMES = {
    Tenant.Kind.LOCAL: "machine",
    Tenant.Kind.KUBERNETES: "kubernetes",
    Tenant.Kind.ELSEWHERE: "elsewhere",
}
PLACES = {"machine": HERE, "kubernetes": IN_CLUSTER, None: ""}  # "": the first that there is
Status = Literal["not_initialized", "pending", "available", "failed", "deactivated", "deleted"]


class MoveOut(Schema):
    """From one home to another."""

    origin: Literal["machine", "kubernetes", "elsewhere"]
    destination: Literal["machine", "kubernetes", "elsewhere"]
    step: Literal["stopping", "taking", "putting", "starting", "moved", "returning", "returned"] = Field(
        description="`moved` and `returned` are the ends; while it is `returning`, the old server starts again."
    )
    began: datetime
    ended: datetime | None
    failure: str = Field(description="Why it returned.")


class TenantOut(Schema):
    id: UUID
    name: str
    slug: str
    workspace_name: str = Field(description="The name the zenml client knows it by.")
    description: str
    organization: Reference
    desired_state: Literal["available", "deactivated", "deleted"]
    status: Status = Field(description="The state it is in now; it follows the desired state within seconds.")
    state_reason: str
    zenml_version: str
    server_url: str | None
    home: Literal["machine", "kubernetes", "elsewhere"] = Field(description="Where its server runs.")
    created: datetime
    updated: datetime


class TenantFull(TenantOut):
    move: MoveOut | None = Field(description="The last move, or the one under way.")


class TenantFilters(Slice):
    q: Text = Field("", description="Part of the name.")
    status: Status | None = None


class TenantNew(Body):
    name: Text = Field(examples=["Production"])
    slug: Text = Field(description="Used in addresses; it can't be changed.", examples=["production"])
    version: Text | None = Field(
        None, description="ZenML version; the newest offered one if left out.", examples=["0.98.0"]
    )
    description: Text = ""
    server_url: Text | None = Field(
        None, description="Address of a server that someone else runs; if left out, ZenPro runs one."
    )
    home: Literal["machine", "kubernetes"] | None = Field(
        None,
        description="Where ZenPro runs it: on its own machine, or in the Kubernetes cluster. If left out, the organization's "
        "default, or the only one there is.",
    )


class NewHome(Body):
    home: Literal["machine", "kubernetes"] = Field(description="Where it is to live.")


class Environment(Schema):
    environment: str | None = Field(
        description="NAME=value lines for that server's environment, including secrets."
    )


class TenantChange(Body):
    """What is left out stays as it is."""

    name: Text | None = None
    description: Text | None = None


def shown(tenant: Tenant) -> dict:
    names = ("id", "name", "slug", "workspace_name", "description", "desired_state", "status", "state_reason")
    return {
        **{name: getattr(tenant, name) for name in (*names, "zenml_version")},
        "organization": reference(tenant.organization),
        "server_url": tenant.server_url or None,
        "home": HOMES[tenant.kind],
        "created": tenant.created_at,
        "updated": tenant.updated_at,
    }


def shown_full(tenant: Tenant) -> dict:
    move = tenant.moves.first()
    return {**shown(tenant), "move": _move(move) if move else None}


def _move(move: TenantMove) -> dict:
    homes = {"origin": HOMES[move.origin], "destination": HOMES[move.destination]}
    times = {"began": move.began_at, "ended": move.ended_at}
    return {**homes, **times, "step": move.step, "failure": move.failure}


def _matching(tenants, asked: TenantFilters):
    found = tenants.filter(name__icontains=asked.q).select_related("organization")
    found = found.filter(status=asked.status) if asked.status else found
    return found.order_by("name", "pk")


@router.get("/tenants", auth=needs(Anyone.SIGNED_IN), response=Page[TenantOut])
def my_tenant_list(request, asked: Query[TenantFilters]):
    """Tenants you can see, in all your organizations."""
    theirs = opened(request, devices.tenants_of(request.user, member_only=False))
    return page_of(_matching(theirs, asked), asked, shown)


@router.get(TENANTS, auth=needs(Permission.ORGANIZATION_VIEW), response=Page[TenantOut])
def tenant_list(request, organization: str, asked: Query[TenantFilters]):
    """Tenants of the organization that you can see."""
    return page_of(_matching(tenants_of(request), asked), asked, shown)


def chosen(version: str, offered: Sequence[str] = ()) -> dict[str, str]:
    """As the forms have it, which offer some versions and take any other."""
    return {"version": version} if version in offered else {"version": OTHER, "other_version": version}


@router.post(TENANTS, auth=needs(Permission.TENANT_CREATE), response={201: TenantOut})
def tenant_create(request, organization: str, body: TenantNew):
    """Create a tenant; you become its Admin. Its server starts within a minute: watch `status`. Only Admins of the
    organization can connect a server that someone else runs (`server_url`)."""
    if body.server_url and body.home:
        raise Invalid([fault("Leave this out for a server that someone else runs.", "home")])
    versions = settings.ZENPRO_ZENML_VERSIONS
    version = body.version or versions[0]
    where = ELSEWHERE if body.server_url else PLACES[body.home]
    typed = body.dict() | chosen(version, versions) | {"where": where}
    form = TenantForm(typed, org=request.org, versions=versions)
    values = checked(form, other_version="version", where="home")
    about = {name: values[name] for name in ("name", "slug", "version", "description")}
    about |= {"org": request.org, "by": request.actor}
    if body.server_url:
        if Permission.TENANT_MANAGE_ALL not in request.org_permissions:
            refuse(request, Permission.TENANT_MANAGE_ALL, request.org)
        return shown(enroll(server_url=values["server_url"], **about))
    return shown(actions.create_tenant(kind=values["kind"], **about))


@router.get(TENANT, auth=needs(TenantPermission.VIEW), response=TenantFull)
def tenant_get(request, organization: str, tenant: str):
    return shown_full(request.tenant)


LOST = {"responses": {503: {"description": "Its secrets can't be read"}}}


@router.get(
    TENANT + "/environment",
    auth=needs(TenantPermission.CHANGE),
    response=Environment,
    openapi_extra=LOST,
)
def tenant_environment(request, organization: str, tenant: str):
    """The environment that a server someone else runs has to be started with; null for one that ZenPro runs."""
    is_elsewhere = request.tenant.is_elsewhere
    return {"environment": environment_block(spec_of(request.tenant)) if is_elsewhere else None}


@router.patch(TENANT, auth=needs(TenantPermission.CHANGE), response=TenantOut)
def tenant_update(request, organization: str, tenant: str, body: TenantChange):
    """Change name and description."""
    now = {"name": request.tenant.name, "description": request.tenant.description}
    values = checked(SettingsForm(now | body.dict(exclude_none=True)))
    actions.update_tenant(tenant=request.tenant, by=request.actor, **values)
    return shown(request.tenant)


@router.post(TENANT + "/deactivate", auth=needs(TenantPermission.CHANGE), response=TenantOut)
def tenant_deactivate(request, organization: str, tenant: str):
    """Stop the server and keep its data."""
    actions.deactivate(tenant=request.tenant, by=request.actor)
    return shown(request.tenant)


@router.post(TENANT + "/activate", auth=needs(TenantPermission.CHANGE), response=TenantOut)
def tenant_activate(request, organization: str, tenant: str):
    """Start a deactivated tenant again."""
    actions.activate(tenant=request.tenant, by=request.actor)
    return shown(request.tenant)


@router.post(TENANT + "/restart", auth=needs(TenantPermission.CHANGE), response=TenantOut)
def tenant_restart(request, organization: str, tenant: str):
    """Restart the server; runs in progress continue."""
    actions.request_restart(tenant=request.tenant, by=request.actor)
    return shown(request.tenant)


class Upgrade(Body):
    version: Text = Field(description="Newer than the one it has.", examples=["0.98.0"])


@router.post(TENANT + "/upgrade", auth=needs(TenantPermission.CHANGE), response=TenantOut)
def tenant_upgrade(request, organization: str, tenant: str, body: Upgrade):
    """Copy its database, then start its server with a newer version of ZenML: watch `status`."""
    form = UpgradeForm(chosen(body.version), tenant=request.tenant, versions=[])
    values = checked(form, other_version="version")
    upgrade(tenant=request.tenant, version=values["version"], by=request.actor)
    return shown(request.tenant)


@router.post(TENANT + "/retry", auth=needs(TenantPermission.CHANGE), response=TenantOut)
def tenant_retry(request, organization: str, tenant: str):
    """Try a failed tenant again."""
    actions.retry(tenant=request.tenant, by=request.actor)
    return shown(request.tenant)


@router.post(TENANT + "/move", auth=needs(TenantPermission.DELETE), response=TenantFull)
def tenant_move(request, organization: str, tenant: str, body: NewHome):
    """Move the tenant with its data to another home. Its server stops meanwhile, and its address changes: watch `status`
    and `move`."""
    kinds = {home: kind for kind, home in HOMES.items()}
    move_tenant(tenant=request.tenant, to=kinds[body.home], by=request.actor)
    return shown_full(request.tenant)


class StoreOut(Schema):
    integration: str = Field(description="Of ZenML.", examples=["s3"])
    store: str = Field(examples=["S3"])
    packages: list[str]
    stacks: list[str] = Field(description="Names of the stacks whose logs are there; of proposals only.")


class ServerPackages(Schema):
    state: Literal["none", "absent", "building", "ready", "failed"]
    reason: str = Field(description="Why they could not be installed; the server then runs without them.")
    present: list[StoreOut] = Field(description="What the server has besides ZenML.")
    proposals: list[StoreOut] | None = Field(
        description="For stores of its stacks that it can't read yet; null where the server was not asked, or is silent."
    )


class StoreName(Body):
    integration: Text = Field(description="One of those that are proposed.", examples=["s3"])


def _store(one: StorePackages) -> dict:
    return {name: getattr(one, name) for name in ("integration", "store", "packages", "stacks")}


def _packages(request, proposals=None) -> dict:
    extension = extension_of(request.tenant)
    return {
        "state": extension.state if extension else "none",
        "reason": extension.reason if extension else "",
        "present": [_store(one) for one in present_in(request.tenant)],
        "proposals": None if proposals is None else [_store(one) for one in proposals],
    }


PACKAGES = TENANT + "/server-packages"


@router.get(PACKAGES, auth=needs(TenantPermission.CHANGE), response=ServerPackages)
def server_packages_get(request, organization: str, tenant: str):
    """What the server has besides ZenML, and what it needs to read logs and results of its stacks."""
    try:
        proposals = proposals_for(request.tenant, connect(request.user, request.tenant))
    except TenantError:
        proposals = None
    return _packages(request, proposals)


@router.post(PACKAGES, auth=needs(TenantPermission.CHANGE), response=ServerPackages)
def server_packages_add(request, organization: str, tenant: str, body: StoreName):
    """Add the packages that ZenML names for the artifact store of an integration, and restart the server."""
    add_packages(tenant=request.tenant, integration=body.integration, by=request.actor)
    return _packages(request)


@router.delete(PACKAGES + "/{integration}", auth=needs(TenantPermission.CHANGE), response=ServerPackages)
def server_packages_remove(request, organization: str, tenant: str, integration: str):
    """Remove them again, and restart the server."""
    remove_packages(tenant=request.tenant, integration=integration, by=request.actor)
    return _packages(request)


@router.delete(TENANT, auth=needs(TenantPermission.DELETE), response={204: None})
def tenant_delete(request, organization: str, tenant: str):
    """Delete the tenant: it disappears from every list immediately, its data is removed some days later."""
    actions.delete_tenant(tenant=request.tenant, by=request.actor)
