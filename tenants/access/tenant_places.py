"""Tenants as the places where an organization's roles are given (orgs.access.places)."""

from django.db.models import Count, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

from orgs.access.places import RoleHolders
from orgs.models import Membership
from orgs.permissions import Permission
from tenants.models import InvitationGrant, Tenant, TenantGrant
from zenpro_site.common.sql import number_of


class TenantPlaces:
    """Answers for tenants; deleted ones count for nothing."""

    def number(self):
        return number_of(Tenant.objects, "organization")

    # teams

    def are_given_to(self, team) -> bool:
        return team.tenant_grants.valid().exists()

    def are_beyond(self, team, user, rights) -> bool:
        return team.tenant_grants.valid().beyond(user, rights).exists()

    def number_of_team(self, request):
        grants = TenantGrant.objects.filter(team=OuterRef("pk")).order_by()
        # Known ones are picked while counting: else PostgreSQL may read all grants on them for each team.
        known = Q(tenant__among=_known(request).order_by().values("pk"))
        found = grants.values("team").annotate(n=Count("tenant", distinct=True, filter=known))
        return Coalesce(Subquery(found.values("n")), 0)

    def roles_of_team(self, team, request=None):
        grants = team.tenant_grants.valid()
        if request is None:
            return _still_there(grants)
        grants = grants.filter(tenant__in=_known(request))
        return grants.select_related("tenant", "role", "granted_by").order_by("tenant__name", "role__rank")

    def joining(self, team, people):
        return team.tenant_grants.valid().joining(team, people)

    # roles

    def rights_changed(self, role) -> None:
        role.grants.sync_holders()

    def hand_over(self, role, replacement=None) -> None:
        role.grants.hand_over(role, replacement)

    def use(self, role) -> bool:
        promised = InvitationGrant.objects.filter(role=role)
        waiting = role.organization.invitations.open().filter(pk__in=promised.values("invitation"))
        return _live(role.grants).exists() or waiting.exists()

    def are_held(self, role, user) -> bool:
        return role.grants.filter(Q(membership__user=user) | Q(team__user=user)).exists()

    def held(self, role) -> RoleHolders:
        organization, grants = role.organization, _live(role.grants).order_by()
        promised = InvitationGrant.objects.filter(role=role)
        return RoleHolders(
            # Not once more of this organization: databases would look through all its members for it.
            Membership.objects.filter(pk__among=grants.exclude(membership=None).values("membership")),
            organization.teams.filter(pk__among=grants.exclude(team=None).values("team")),
            organization.invitations.open().filter(pk__among=promised.values("invitation")),
            organization.tenants.filter(pk__among=grants.values("tenant")),
        )

    def state(self, role):
        return role.grants.valid().state()

    def names(self, organization, keys) -> dict:
        return dict(organization.tenants.filter(pk__in=keys).values_list("pk", "name"))

    def counted(self, roles):
        live = ~Q(grants__tenant__desired_state=Tenant.DesiredState.DELETED)
        return roles.annotate(
            people=Count("grants__membership", filter=live, distinct=True),
            teams=Count("grants__team", filter=live, distinct=True),
        )

    # invitations

    def offered(self, organization, rights) -> list[Tenant]:
        return list(organization.tenants.live()) if Permission.TENANT_MANAGE_ALL in rights else []

    def roles_like(self, member, user, rights):
        seen = member.organization.tenants.visible_to(user, rights)
        grants = member.tenant_grants.valid().filter(tenant__in=seen).select_related("tenant", "role")
        return grants.order_by("tenant__name", "role__rank")

    def promise(self, wishes) -> None:
        InvitationGrant.objects.bulk_create(
            InvitationGrant(invitation=invitation, tenant=tenant, role=role)
            for invitation, tenant, role in wishes
        )

    def are_promised(self, invitation) -> bool:
        return invitation.tenant_grants.exists()

    def promised(self, invitation) -> list[tuple]:
        grants = invitation.tenant_grants.select_related("tenant", "role")
        return [(grant.tenant, grant.role) for grant in grants]

    def with_promises(self, invitations):
        return invitations.prefetch_related("tenant_grants__tenant", "tenant_grants__role")

    def still_promised(self, invitation):
        return _still_there(invitation.tenant_grants.all())

    def keep_promises(self, invitation, membership) -> list[tuple]:
        grants = invitation.tenant_grants.select_related("tenant", "role", "invitation__invited_by")
        for waiting in grants:
            waiting.apply(membership)
        return [(grant.tenant, grant.role) for grant in grants]


def _known(request):
    """Tenants whose names the person may read: a team's role must not give away the others."""
    if Permission.TENANT_MANAGE_ALL in request.org_permissions:
        return request.org.tenants.live()
    return request.org.tenants.held_by(request.user)


def _live(grants):
    return grants.exclude(tenant__desired_state=Tenant.DesiredState.DELETED)


def _still_there(grants):
    return _live(grants).select_related("tenant", "role")
