from datetime import datetime
from uuid import UUID

from ninja import Query, Router, Schema
from pydantic import Field

from orgs.models import Organization
from orgs.organizations import actions
from orgs.organizations.forms import NewOrganizationForm, OrganizationForm
from orgs.permissions import Permission

from .callers import Anyone, needs
from .problems import checked
from .shapes import Body, Page, Slice, Text, page_of

router = Router(tags=["Organizations"])


class OrganizationOut(Schema):
    id: UUID
    name: str
    slug: str
    description: str
    created: datetime
    updated: datetime


class OrganizationNew(Body):
    name: Text = Field(examples=["Acme AI"])
    slug: Text = Field(description="Used in addresses; it can't be changed.", examples=["acme-ai"])
    description: Text = ""


class OrganizationChange(Body):
    """What is left out stays as it is."""

    name: Text | None = None
    description: Text | None = None


def shown(one: Organization) -> dict:
    fields = {name: getattr(one, name) for name in ("id", "name", "slug", "description")}
    return {**fields, "created": one.created_at, "updated": one.updated_at}


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
    "/organizations/{organization}", auth=needs(Permission.ORGANIZATION_VIEW), response=OrganizationOut
)
def organization_get(request, organization: str):
    return shown(request.org)


@router.patch(
    "/organizations/{organization}", auth=needs(Permission.ORGANIZATION_CHANGE), response=OrganizationOut
)
def organization_update(request, organization: str, body: OrganizationChange):
    """Change name and description. The slug stays, so that addresses keep working."""
    now = {"name": request.org.name, "description": request.org.description}
    values = checked(OrganizationForm(now | body.dict(exclude_none=True), instance=request.org))
    actions.update_organization(organization=request.org, by=request.actor, **values)
    return shown(request.org)
