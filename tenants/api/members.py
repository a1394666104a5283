from datetime import datetime
from uuid import UUID

from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema
from pydantic import Field

from orgs.members import actions, listing
from orgs.members.forms import MemberFilter, MemberRoleForm
from orgs.permissions import Permission
from tenants.models import TenantGrant

from .callers import needs, tenants_of
from .problems import checked
from .shapes import Body, Page, Reference, Slice, Text, page_of

router = Router(tags=["Members"])
MEMBERS = "/organizations/{organization}/members"
MEMBER = MEMBERS + "/{member}"


class User(Schema):
    id: UUID
    username: str
    name: str
    email: str
    is_active: bool
    is_service_account: bool


class MemberOut(Schema):
    id: UUID = Field(description="Id of the membership; other calls use it.")
    user: User
    role: str = Field(description="Slug of the organization role.")
    role_name: str
    teams: list[Reference]
    created: datetime
    last_active: datetime | None


class TenantRole(Schema):
    tenant: Reference
    role: str
    team: Reference | None = Field(description="The team it comes from; null if assigned directly.")
    expires: datetime | None


class MemberDetail(MemberOut):
    tenant_roles: list[TenantRole] = Field(description="On tenants you can see.")


class MemberFilters(Slice):
    q: Text = Field("", description="Part of a name or email.")
    role: Text = Field("", description="Slug of an organization role.")
    team: UUID | None = Field(None, description="Id of a team.")
    service_accounts: bool = Field(False, description="List service accounts instead of people.")


class MemberChange(Body):
    role: Text = Field(description="Slug of an organization role.", examples=["viewer"])


def shown(row: listing.MemberRow) -> dict:
    member, user = row.membership, row.membership.user
    account = {name: getattr(user, name) for name in User.model_fields}
    return {
        "id": member.pk,
        "user": account,
        "role": member.role,
        "role_name": row.role_name,
        "teams": [{"id": str(team.uuid), "name": team.label} for team in row.teams],
        "created": member.created_at,
        "last_active": user.last_active_at,
    }


def _member(request, pk: UUID):
    return get_object_or_404(request.org.memberships.select_related("user", "organization"), pk=pk)


def _detail(request, member) -> dict:
    [row] = listing.rows(request, [member])
    grants = TenantGrant.objects.valid().filter(tenant__in=tenants_of(request)).of_person(member.user)
    grants = grants.select_related("tenant", "role", "team").order_by("tenant__name", "role__rank", "pk")
    return {**shown(row), "tenant_roles": [_tenant_role(grant) for grant in grants]}


def _tenant_role(grant: TenantGrant) -> dict:
    team = grant.team and {"id": str(grant.team.uuid), "name": grant.team.label}
    tenant = {"id": str(grant.tenant_id), "name": grant.tenant.name}
    return {"tenant": tenant, "role": grant.role.slug, "team": team, "expires": grant.expires_at}


@router.get(MEMBERS, auth=needs(Permission.MEMBER_VIEW), response=Page[MemberOut])
def member_list(request, organization: str, asked: Query[MemberFilters]):
    """People or service accounts of the organization, by name."""
    everyone = request.org.memberships.filter(user__is_service_account=asked.service_accounts)
    chosen = {"q": asked.q, "role": asked.role, "team": str(asked.team or "")}
    found = MemberFilter(chosen, everyone, org=request.org).qs.distinct()
    found = found.select_related("user").order_by("user__name", "user__email", "pk")
    part = page_of(found, asked, lambda member: member)
    return part | {"items": [shown(row) for row in listing.rows(request, part["items"])]}


@router.get(MEMBER, auth=needs(Permission.MEMBER_VIEW), response=MemberDetail)
def member_get(request, organization: str, member: UUID):
    return _detail(request, _member(request, member))


@router.patch(MEMBER, auth=needs(Permission.MEMBER_MANAGE), response=MemberDetail)
def member_change_role(request, organization: str, member: UUID, body: MemberChange):
    """Change the organization role. Refused for your own, for roles stronger than yours, and for the last Admin."""
    found = _member(request, member)
    role = checked(MemberRoleForm({"role": body.role}, org=request.org))["role"]
    actions.change_role(membership=found, role=role, by=request.actor)
    return _detail(request, found)


@router.delete(MEMBER, auth=needs(Permission.MEMBER_MANAGE), response={204: None})
def member_remove(request, organization: str, member: UUID):
    """Remove a member: role, teams and tenant roles end immediately. Everything they created stays."""
    actions.remove_member(membership=_member(request, member), by=request.actor)
