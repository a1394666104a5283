from datetime import datetime
from typing import Literal
from uuid import UUID

from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema
from pydantic import Field

from orgs.invitations import actions
from orgs.invitations.forms import TENANT_FIELD, InvitationFilter, InviteForm
from orgs.invitations.models import Invitation
from orgs.permissions import Permission

from .callers import needs
from .problems import checked
from .shapes import Body, Page, Reference, Slice, Text, page_of, reference

router = Router(tags=["Invitations"])
INVITATIONS = "/organizations/{organization}/invitations"
INVITATION = INVITATIONS + "/{invitation}"


class TenantPromise(Schema):
    tenant: Reference
    role: str


class InvitationOut(Schema):
    id: UUID
    email: str
    role: str = Field(description="Slug of the organization role.")
    teams: list[Reference]
    tenant_roles: list[TenantPromise]
    state: str = Field(
        description="invited, expired or delivery_failed. Accepted and revoked invitations are not listed."
    )
    invited_by: Reference | None
    sent: datetime
    expires: datetime


class InvitationFilters(Slice):
    q: Text = Field("", description="Part of an email address.")
    state: Literal["", "invited", "expired", "delivery_failed"] = ""


class InvitationNew(Body):
    emails: list[Text] = Field(min_length=1, examples=[["grace@example.org", "linus@example.org"]])
    role: Text = Field("member", description="Slug of an organization role.")
    teams: list[UUID] = Field([], max_length=100)
    tenant_roles: dict[UUID, Text] = Field({}, description="Id of a tenant -> slug of a tenant role.")


class Sent(Schema):
    """The result for one address. The link is shown only once."""

    email: str
    outcome: actions.Sending
    invitation: UUID | None
    link: str | None


def shown(one: Invitation) -> dict:
    fields = {name: getattr(one, name) for name in ("id", "email", "role", "state")}
    return {
        **fields,
        "teams": [{"id": str(team.uuid), "name": team.label} for team in one.teams.all()],
        "tenant_roles": [
            {"tenant": reference(grant.tenant), "role": grant.role.slug} for grant in one.tenant_grants.all()
        ],
        "invited_by": reference(one.invited_by),
        "sent": one.sent_at,
        "expires": one.expires_at,
    }


def shown_result(result: actions.Result) -> dict:
    invitation = result.invitation.pk if result.invitation else None
    link = result.link or None
    return {"email": result.address, "outcome": result.outcome, "invitation": invitation, "link": link}


def _open(request):
    found = request.org.invitations.open().select_related("organization", "invited_by", "mail")
    return found.prefetch_related("teams", "tenant_grants__tenant", "tenant_grants__role")


@router.get(INVITATIONS, auth=needs(Permission.INVITATION_MANAGE), response=Page[InvitationOut])
def invitation_list(request, organization: str, asked: Query[InvitationFilters]):
    """Open invitations, latest first; expired ones can be resent."""
    chosen = InvitationFilter({"q": asked.q, "state": asked.state}, _open(request))
    return page_of(chosen.qs.order_by("-sent_at", "pk"), asked, shown)


@router.post(INVITATIONS, auth=needs(Permission.INVITATION_MANAGE), response={201: list[Sent]})
def invitation_create(request, organization: str, body: InvitationNew):
    """Invite several addresses to the same role, teams and tenants: a result for each, with its link."""
    data = {f"{TENANT_FIELD}{tenant}": role for tenant, role in body.tenant_roles.items()}
    data |= {"addresses": "\n".join(body.emails), "role": body.role, "teams": body.teams}
    form = InviteForm(data, org=request.org, rights=request.org_permissions)
    names = {name: ["tenant_roles", name.removeprefix(TENANT_FIELD)] for name in data if "-" in name}
    addresses = checked(form, addresses="emails", **names)["addresses"]
    results = actions.invite(
        organization=request.org, addresses=addresses, offer=form.offer, by=request.actor
    )
    return [shown_result(result) for result in results]


@router.get(INVITATION, auth=needs(Permission.INVITATION_MANAGE), response=InvitationOut)
def invitation_get(request, organization: str, invitation: UUID):
    return shown(get_object_or_404(_open(request), pk=invitation))


@router.post(INVITATION + "/resend", auth=needs(Permission.INVITATION_MANAGE), response=Sent)
def invitation_resend(request, organization: str, invitation: UUID):
    """Create a new link and email it; the previous link stops working."""
    found = get_object_or_404(_open(request), pk=invitation)
    return shown_result(actions.renew(invitation=found, by=request.actor))


@router.delete(INVITATION, auth=needs(Permission.INVITATION_MANAGE), response={204: None})
def invitation_revoke(request, organization: str, invitation: UUID):
    """Revoke the invitation; its link stops working."""
    actions.revoke(invitation=get_object_or_404(_open(request), pk=invitation), by=request.actor)
