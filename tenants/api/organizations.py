from datetime import datetime
from typing import Literal
from uuid import UUID

from django.db import transaction
from ninja import Query, Router, Schema
from pydantic import Field

from orgs.models import Organization
from orgs.organizations import actions
from orgs.organizations.forms import NewOrganizationForm, OrganizationForm
from orgs.permissions import Permission
from tenants.models import DefaultHome, Tenant
from tenants.moves.default_homes import choose_default_home

from .callers import Anyone, needs
from .problems import checked
from .shapes import Body, Page, Slice, Text, page_of

HOMES = {Tenant.Kind.LOCAL: "machine", Tenant.Kind.KUBERNETES: "kubernetes"}
KINDS = {home: kind for kind, home in HOMES.items()}
router = Router(tags=["Organizations"])


class OrganizationOut(Schema):
    id: UUID
    name: str
    slug: str
    description: str
    created: datetime
    updated: datetime


class OrganizationFull(OrganizationOut):
    default_home: Literal["machine", "kubernetes"] = Field(description="Where its new tenants live.")


class OrganizationNew(Body):
    name: Text = Field(examples=["Acme AI"])
    slug: Text = Field(description="Used in addresses; it can't be changed.", examples=["acme-ai"])
    description: Text = ""


class OrganizationChange(Body):
    """What is left out stays as it is."""

    name: Text | None = None
    description: Text | None = None
    default_home: Literal["machine", "kubernetes"] | None = None


def shown(one: Organization) -> dict:
    fields = {name: getattr(one, name) for name in ("id", "name", "slug", "description")}
    return {**fields, "created": one.created_at, "updated": one.updated_at}


def shown_full(one: Organization) -> dict:
    return {**shown(one), "default_home": HOMES[DefaultHome.objects.of(one)]}


@router.get("/organizations", auth=needs(Anyone.SIGNED_IN), response=Page[OrganizationOut])
def organization_list(request, part: Query[Slice]):
    """Your organizations; all of them for a superuser."""
    mine, key = Organization.objects.of(request.user).order_by("name", "pk"), request.key
    if key and key.tenant_id:
        mine = mine.filter(tenants=key.tenant_id)
    if key and key.organization_id:
        mine = mine.filter(pk=key.organization_id)
    return page_of(mine, part, shown)


@router.post("/organizations", auth=needs(Anyone.SUPERUSER), response={201: OrganizationOut})
def organization_create(request, body: OrganizationNew):
    """Create an organization with its predefined roles; you become its Admin. For superusers."""
    values = checked(NewOrganizationForm(body.dict()))
    return shown(actions.create_organization(by=request.actor, **values))


@router.get(
    "/organizations/{organization}", auth=needs(Permission.ORGANIZATION_VIEW), response=OrganizationFull
)
def organization_get(request, organization: str):
    return shown_full(request.org)


@router.patch(
    "/organizations/{organization}", auth=needs(Permission.ORGANIZATION_CHANGE), response=OrganizationFull
)
def organization_update(request, organization: str, body: OrganizationChange):
    """Change name, description or the home of new tenants. The slug stays, so that addresses keep working."""
    words = body.dict(exclude_none=True, exclude={"default_home"})
    now = {"name": request.org.name, "description": request.org.description}
    values = checked(OrganizationForm(now | words, instance=request.org))
    with transaction.atomic():
        if body.default_home:
            kind = KINDS[body.default_home]
            choose_default_home(organization=request.org, kind=kind, by=request.actor)
        if words:
            actions.update_organization(organization=request.org, by=request.actor, **values)
    return shown_full(request.org)
