"""Roles on tenants: given, promised by invitations, and kept in step with guardian's rows."""

import uuid
from datetime import timedelta

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission as AuthPermission
from django.db import models, transaction
from django.utils import timezone

from orgs.invitations.models import Invitation
from orgs.models import Membership
from orgs.permissions import Permission
from orgs.roles.models import Role, RolePermission
from orgs.roles.state import Holding, RolesState
from orgs.teams.models import Team
from tenants.models.tenant_permissions import codenames_of
from zenpro_site.common.lasting import lasting

from .tenant import Tenant, TenantGroupObjectPermission, TenantUserObjectPermission

# Who can hold a role, and the rows guardian keeps for it.
HOLDERS = {"membership": TenantUserObjectPermission, "team": TenantGroupObjectPermission}
BATCH = 500  # holders brought up to date together
NOTICE = timedelta(days=7)  # how long before it expires a role is announced


class TenantGrantQuerySet(models.QuerySet):
    def valid(self, at=None):
        """Grants that have not expired; `at` another time than now."""
        return self.filter(lasting(at=at))

    def ending_soon(self):
        """Grants that expire within a week."""
        return self.valid().filter(expires_at__lte=timezone.now() + NOTICE)

    def of_person(self, user):
        """Grants to the person themselves and to their teams."""
        return self.filter(for_person(user))

    def held_by(self, holder):
        """Unexpired grants to this very Membership or Team."""
        return self.valid().filter(**_as_holder(holder))

    def beyond(self, user, rights):
        """Grants on live tenants whose access the user does not manage, and so could not give.

        `rights`: what orgs.access.gate.permissions_of says.
        """
        if Permission.TENANT_MANAGE_ALL in rights:
            return self.none()
        managed = Tenant.objects.with_right(user, "manage_access").order_by().values("pk")
        return self.exclude(tenant__desired_state=Tenant.DesiredState.DELETED).exclude(tenant__in=managed)

    def giving(self, rights):
        """Grants whose role has all of these `resource:action` rights."""
        found = self
        for right in rights:
            resource, _, action = right.partition(":")
            rows = RolePermission.objects.filter(role=models.OuterRef("role"))
            found = found.filter(models.Exists(rows.filter(resource=resource, action=action)))
        return found

    def give(self, *, tenant, role, holder, giver=None, expires_at=None) -> "TenantGrant":
        """Give `role` on `tenant` to `holder` (a Membership or a Team of the tenant's organization).

        `giver`: the User who does it, if anyone does. Idempotent; a role already held only gets the new end. Writes
        guardian's rows of that holder in the same transaction. Raises ValueError when holder or role belong to another
        organization.
        """
        with transaction.atomic():
            grant = self._put(tenant, role, holder, giver, expires_at)
            self.sync(tenant, holder)
        return grant

    def give_each(self, tenant, given, giver) -> None:
        """What `give` does for each (holder, role), without an end; guardian's rows are written once per holder."""
        with transaction.atomic():
            for holder, role in given:
                self._put(tenant, role, holder, giver, None)
            for holder in dict.fromkeys(holder for holder, _ in given):
                self.sync(tenant, holder)

    def _put(self, tenant, role, holder, giver, expires_at) -> "TenantGrant":
        if not tenant.organization_id == holder.organization_id == role.organization_id:
            raise ValueError("Holder, role and tenant must belong to one organization.")
        if role.level != Role.Level.TENANT:
            raise ValueError("An organization role can't be assigned on a tenant.")
        facts = {"granted_by": giver, "expires_at": expires_at}
        grant, is_new = self.get_or_create(tenant=tenant, role=role, **_as_holder(holder), defaults=facts)
        if not is_new:
            grant.renew(giver, expires_at)
        return grant

    def withdraw(self, grant: "TenantGrant") -> None:
        """End a grant and bring guardian's rows of its holder up to date in the same transaction."""
        with transaction.atomic():
            tenant, holder = grant.tenant, grant.holder
            grant.delete()
            self.sync(tenant, holder)

    def sync(self, tenant, holder) -> None:
        """Make guardian's rows of `holder` on `tenant` match the holder's valid grants."""
        held = tenant.grants.held_by(holder).order_by()
        found = held.values_list("role__permissions__resource", "role__permissions__action")
        rights = {f"{resource}:{action}" for resource, action in found}
        # A role without rights is a row too: it shows the tenant.
        codenames = codenames_of(rights) if rights else frozenset()
        rows = _permission_rows(tenant, holder)
        rows.exclude(permission__codename__in=codenames).delete()
        missing = codenames - set(rows.values_list("permission__codename", flat=True))
        permissions = AuthPermission.objects.filter(
            content_type__app_label="tenants", content_type__model="tenant", codename__in=missing
        )
        rows.model.objects.bulk_create(
            rows.model(content_object=tenant, permission=permission, **_row_holder(holder))
            for permission in permissions
        )

    def sync_holders(self) -> None:
        """What `sync` does, for all holders of these grants at once: a few statements for each 500 of them.

        Call it in the transaction that changed the rights of their role.
        """
        for kind in HOLDERS:
            _sync_places(kind, _places(self, kind))

    def state_of(self, people, tenants) -> RolesState:
        """Everything these people (ids of users, or a query for them) hold on these tenants now. Three queries.

        Teams consist of these people alone: whoever else is in them is not looked at.
        """
        inside = Team.user_set.through.objects.filter(user__in=people)
        holders = models.Q(membership__user__in=people) | models.Q(team__in=inside.values("group"))
        grants = self.model.objects.valid().filter(holders, tenant__in=tenants).order_by()
        rows = list(grants.values_list("tenant", "role", "membership", "team", "membership__user"))
        members = {membership: frozenset([user]) for *_, membership, _, user in rows if membership}
        teams: dict = {team: set() for *_, team, _ in rows if team}
        for team, user in inside.filter(group__in=teams).values_list("group", "user"):
            teams[team].add(user)
        holdings = {Holding(tenant, membership or team, role) for tenant, role, membership, team, _ in rows}
        rights = RolePermission.objects.by_role({role for _, role, *_ in rows})
        return RolesState(frozenset(holdings), members | teams, rights)

    def joining(self, team: Team, people) -> tuple[RolesState, RolesState]:
        """What these people hold on the tenants these grants of the team are for: outside the team, and in it."""
        live = self.exclude(tenant__desired_state=Tenant.DesiredState.DELETED).order_by()
        places = list(live.values_list("tenant", "role"))
        state = self.state_of(people, [tenant for tenant, _ in places])
        missing = RolePermission.objects.by_role({role for _, role in places} - state.rights.keys())
        state = state.with_more(rights=missing, people={team.pk: frozenset()})
        for tenant in {tenant for tenant, _ in places}:
            given = [role for place, role in places if place == tenant]
            state = state.with_roles(tenant, team.pk, given)
        return state, state.with_more(rights={}, people={team.pk: frozenset(people)})

    def state(self) -> RolesState:
        """What the active people who have these grants hold in all, on the tenants these grants are for."""
        people = get_user_model().objects.filter(is_active=True)
        has = models.Q(memberships__in=self.values("membership")) | models.Q(groups__in=self.values("team"))
        live = self.exclude(tenant__desired_state=Tenant.DesiredState.DELETED)
        return self.state_of(people.filter(has).values("pk"), live.values("tenant"))

    def hand_over(self, role: Role, replacement: Role | None = None) -> None:
        """End all grants of `role`, promised ones too, in favour of `replacement` or of nothing.

        Who has the replacement on that tenant already keeps the later of both end dates. Call it in the
        transaction that deletes the role.
        """
        grants = self.model.objects.filter(role=role)
        places = {kind: _places(grants, kind) for kind in HOLDERS}
        if replacement:
            _keep_later_ends(grants, self.model.objects.filter(role=replacement))
            twins = _of_same_holder(self.model.objects.filter(role=replacement))
            grants.exclude(models.Exists(twins)).update(role=replacement)
            InvitationGrant.move(role, replacement)
        grants.delete()
        for kind in HOLDERS:
            _sync_places(kind, places[kind])


def for_person(user) -> models.Q:
    """Rows for the person themselves and for their teams. By keys: joined to people, every row would be read."""
    memberships = Membership.objects.filter(user=user).order_by().values("pk")
    teams = Team.user_set.through.objects.filter(user=user).values("group")
    return models.Q(membership__among=memberships) | models.Q(team__among=teams)


def _of_same_holder(grants):
    """Those of `grants` on the tenant and for the holder of the grant in the query around."""
    holder = models.Q(membership=models.OuterRef("membership")) | models.Q(team=models.OuterRef("team"))
    return grants.filter(holder, tenant=models.OuterRef("tenant"))


def _keep_later_ends(old, new) -> None:
    """Grants of `new` whose holder has one of `old` on the same tenant last as long as the longer of the two."""
    twins = _of_same_holder(old)
    ending = new.exclude(expires_at=None)
    ending.filter(models.Exists(twins.filter(expires_at=None))).update(expires_at=None, announced_at=None)
    later = twins.filter(expires_at__gt=models.OuterRef("expires_at"))
    end = models.Subquery(later.values("expires_at")[:1])
    new.filter(models.Exists(later)).update(expires_at=end, announced_at=None)


def _places(grants, kind: str) -> list[tuple]:
    """(tenant, holder) ids of the grants whose holder is of the kind: where guardian's rows depend on them."""
    return sorted(set(grants.exclude(**{kind: None}).values_list("tenant_id", f"{kind}_id")))


def _sync_places(kind: str, places: list[tuple]) -> None:
    for start in range(0, len(places), BATCH):
        _sync_batch(kind, set(places[start : start + BATCH]))


def _sync_batch(kind: str, places: set[tuple]) -> None:
    """Make guardian's rows of these holders equal to what their valid grants say."""
    model = HOLDERS[kind]
    near = {"tenant_id": {tenant for tenant, _ in places}, f"{kind}_id": {holder for _, holder in places}}
    wanted = _wanted(kind, places, near)
    stored = _stored(model, kind, places, near)
    model.objects.filter(pk__in=[stored[key] for key in stored.keys() - wanted.keys()]).delete()
    account = "group_id" if kind == "team" else "user_id"
    model.objects.bulk_create(
        model(content_object_id=key[0], permission_id=key[2], **{f"{kind}_id": key[1], account: wanted[key]})
        for key in wanted.keys() - stored.keys()
    )


def _wanted(kind: str, places: set[tuple], near: dict) -> dict[tuple, object]:
    """(tenant, holder, permission) ids of the rows there ought to be -> the user or group they are for."""
    account = "team_id" if kind == "team" else "membership__user_id"
    grants = TenantGrant.objects.valid().filter(**{f"{name}__in": ids for name, ids in near.items()})
    grants = list(grants.order_by().values_list("tenant_id", f"{kind}_id", account, "role_id"))
    permissions = _permissions_by_role({role for *_, role in grants})
    return {
        (tenant, holder, permission): who
        for tenant, holder, who, role in grants
        if (tenant, holder) in places
        for permission in permissions[role]
    }


def _stored(model, kind: str, places: set[tuple], near: dict) -> dict[tuple, int]:
    """(tenant, holder, permission) ids of the rows there are -> primary key."""
    tenants, holders = near.values()
    rows = model.objects.filter(**{"content_object_id__in": tenants, f"{kind}_id__in": holders})
    rows = rows.values_list("pk", "content_object_id", f"{kind}_id", "permission_id")
    return {
        (tenant, holder, permission): pk
        for pk, tenant, holder, permission in rows
        if (tenant, holder) in places
    }


def _permissions_by_role(roles: set) -> dict[object, list[int]]:
    """Role id -> ids of the dashboard permissions its rights give."""
    rights = RolePermission.objects.by_role(roles)
    ids = dict(
        AuthPermission.objects.filter(
            content_type__app_label="tenants", content_type__model="tenant"
        ).values_list("codename", "pk")
    )
    return {role: [ids[name] for name in codenames_of(rights[role])] for role in roles}


def _as_holder(holder) -> dict:
    return {"team": holder} if isinstance(holder, Team) else {"membership": holder}


def _row_holder(holder) -> dict:
    if isinstance(holder, Team):
        return {"team": holder, "group_id": holder.pk}
    return {"membership": holder, "user_id": holder.user_id}


def _permission_rows(tenant, holder):
    model = TenantGroupObjectPermission if isinstance(holder, Team) else TenantUserObjectPermission
    return model.objects.filter(content_object=tenant, **_as_holder(holder))


class TenantGrant(models.Model):
    """A tenant role given to a person or a team: the source of truth for every right on a tenant."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="grants")
    role = models.ForeignKey(Role, on_delete=models.CASCADE, related_name="grants")
    membership = models.ForeignKey(
        Membership, null=True, blank=True, on_delete=models.CASCADE, related_name="tenant_grants"
    )
    team = models.ForeignKey(
        Team, null=True, blank=True, on_delete=models.CASCADE, related_name="tenant_grants"
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    granted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    announced_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = TenantGrantQuerySet.as_manager()

    class Meta:
        ordering = ["role__rank", "created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "role", "membership"],
                condition=models.Q(team=None),
                name="grant_once_per_person",
            ),
            models.UniqueConstraint(
                fields=["tenant", "role", "team"],
                condition=models.Q(membership=None),
                name="grant_once_per_team",
            ),
            models.CheckConstraint(
                condition=models.Q(team=None, membership__isnull=False)
                | models.Q(membership=None, team__isnull=False),
                name="grant_to_person_or_team",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.holder}: {self.role} on {self.tenant}"

    @property
    def place(self) -> Tenant:
        """Where the role is given, as organizations call it."""
        return self.tenant

    @property
    def holder(self):
        """The Membership or the Team."""
        return self.team or self.membership

    @property
    def is_over(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()

    @property
    def ends_soon(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now() + NOTICE

    def renew(self, giver, expires_at) -> None:
        """Set another end, which will be announced again. Whoever renews an expired grant counts as its giver."""
        if self.is_over:
            self.granted_by = giver
        if expires_at != self.expires_at:
            self.expires_at, self.announced_at = expires_at, None
        self.save()


class InvitationGrant(models.Model):
    """A tenant role that waits for an invitation to be accepted."""

    invitation = models.ForeignKey(Invitation, on_delete=models.CASCADE, related_name="tenant_grants")
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    role = models.ForeignKey(Role, on_delete=models.CASCADE, related_name="+")

    class Meta:
        ordering = ["tenant__name"]
        constraints = [
            models.UniqueConstraint(fields=["invitation", "tenant", "role"], name="invitation_grant_once")
        ]

    def __str__(self) -> str:
        return f"{self.role} on {self.tenant}"

    @classmethod
    def move(cls, role: Role, replacement: Role) -> None:
        """Promise the replacement wherever the role is promised."""
        there = cls.objects.filter(
            role=replacement, invitation=models.OuterRef("invitation"), tenant=models.OuterRef("tenant")
        )
        cls.objects.filter(role=role).exclude(models.Exists(there)).update(role=replacement)

    def apply(self, membership: Membership) -> None:
        """Turn the promise into a grant of the new member, unless the tenant was deleted meanwhile."""
        if self.tenant.desired_state == Tenant.DesiredState.DELETED:
            return
        TenantGrant.objects.give(
            tenant=self.tenant, role=self.role, holder=membership, giver=self.invitation.invited_by
        )
