from datetime import datetime
from typing import Literal
from uuid import UUID

from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema
from pydantic import Field, model_validator

from tenants.access import actions as grant_actions
from tenants.access.forms import GrantForm
from tenants.models import TenantGrant
from tenants.models.tenant_permissions import TenantPermission

from .callers import needs
from .problems import Invalid, checked, fault
from .shapes import Body, Moment, Page, Reference, Slice, Text, page_of, reference
from .tenants import TENANT

router = Router(tags=["Grants"])
GRANTS = TENANT + "/grants"


class Holder(Reference):
    type: Literal["member", "team"]


class GrantOut(Schema):
    id: UUID
    holder: Holder
    role: str = Field(description="Slug of the tenant role.")
    expires: datetime | None
    granted_by: Reference | None
    created: datetime


class GrantNew(Body):
    """For a member or a team."""

    member: UUID | None = Field(None, description="Id in the list of members.")
    team: UUID | None = None
    role: Text = Field(description="Slug of a tenant role.", examples=["developer"])
    expires: Moment | None = Field(None, description="When the role expires; never if left out.")

    @model_validator(mode="after")
    def one_holder(self):
        if (self.member is None) == (self.team is None):
            raise ValueError("Name either a member or a team.")
        return self


def shown(grant: TenantGrant) -> dict:
    if grant.team:
        holder = {"type": "team", "id": str(grant.team.uuid), "name": grant.team.label}
    else:
        holder = {"type": "member", "id": str(grant.membership_id), "name": str(grant.membership.user)}
    facts = {"expires": grant.expires_at, "created": grant.created_at}
    return {
        "id": grant.pk,
        "holder": holder,
        "role": grant.role.slug,
        "granted_by": reference(grant.granted_by),
    } | facts


def _grants(request):
    grants = request.tenant.grants.valid()
    return grants.select_related("role", "team", "membership__user", "granted_by")


@router.get(GRANTS, auth=needs(TenantPermission.VIEW), response=Page[GrantOut])
def grant_list(request, organization: str, tenant: str, part: Query[Slice]):
    """Unexpired roles of people and teams on the tenant."""
    return page_of(_grants(request).order_by("role__rank", "created_at", "pk"), part, shown)


@router.post(GRANTS, auth=needs(TenantPermission.ACCESS), response={201: GrantOut})
def grant_give(request, organization: str, tenant: str, body: GrantNew):
    """Assign a role; a role already held gets the new expiry."""
    holder = f"team:{body.team}" if body.team else f"person:{body.member}"
    role = request.org.roles.tenant_level().filter(slug=body.role).first()
    if role is None:
        raise Invalid([fault("This organization has no such role.", "role")])
    form = GrantForm({"holder": holder, "role": role.pk}, org=request.org)
    chosen = checked(form, holder="team" if body.team else "member")
    values = {"holder": chosen["holder"], "role": chosen["role"], "expires_at": body.expires}
    return shown(grant_actions.give_grant(tenant=request.tenant, by=request.actor, **values))


@router.delete(GRANTS + "/{grant}", auth=needs(TenantPermission.ACCESS), response={204: None})
def grant_withdraw(request, organization: str, tenant: str, grant: UUID):
    """Remove a role. Other roles of the holder stay."""
    found = get_object_or_404(request.tenant.grants.select_related("tenant__organization"), pk=grant)
    grant_actions.withdraw_grant(grant=found, by=request.actor)
