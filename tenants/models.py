import secrets
import uuid
from datetime import timedelta

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission as AuthPermission
from django.db import models, transaction
from django.urls import reverse
from django.utils import timezone
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from orgs.invitations.models import Invitation
from orgs.models import Membership, Organization, slug_validator
from orgs.permissions import Permission
from orgs.roles.effects import Holding, State
from orgs.roles.models import Role, RolePermission
from orgs.teams.models import Team
from zenpro_site.names import PlainNames

from .permissions import NEEDS, codenames_of
from .sealing import seal, unseal


def new_secrets() -> str:
    """Secrets of a new tenant, sealed: what its server and we know of each other."""
    return seal(
        {
            "oauth_secret": secrets.token_urlsafe(32),
            "jwt_secret": secrets.token_hex(32),
            "encryption_key": secrets.token_hex(32),
        }
    )


class TenantQuerySet(models.QuerySet):
    def live(self):
        """Tenants that are not deleted."""
        return self.exclude(desired_state=Tenant.DesiredState.DELETED)

    def visible_to(self, user, rights):
        """Live ones the user can see: all with TENANT_MANAGE_ALL among `rights`, else those they hold a role on.

        `rights` is what orgs.access.permissions_of says; nothing is visible to outsiders, who have none.
        """
        tenants = self.live()
        if Permission.TENANT_MANAGE_ALL in rights:
            return tenants
        if not rights:
            return tenants.none()
        return self.with_right(user, "view_tenant")

    def with_right(self, user, codename: str):
        """Live ones on which the user's own roles give this object-level right; all of them for a superuser.

        Guardian's rows know no expiry: an expired role gives nothing, even before the agent has removed it.
        """
        if user.is_superuser and user.is_active:
            return self.live()
        own, shared = (
            models.Q(pk__in=rows.filter(permission__codename=codename).values("content_object"))
            for rows in held_rows(user)
        )
        lasting = TenantGrant.objects.valid().of_person(user).giving(NEEDS[codename])
        return self.live().filter(own | shared, pk__in=lasting.order_by().values("tenant"))

    def available(self):
        return self.filter(status=Tenant.Status.AVAILABLE)

    def ending_soon(self, user, rights):
        """Grants that expire within a week, as far as they concern the user: their own, and those they can extend."""
        grants = TenantGrant.objects.ending_soon().filter(tenant__in=self.live())
        if Permission.TENANT_MANAGE_ALL not in rights:
            managed = self.with_right(user, "manage_access").values("pk")
            own = TenantGrant.objects.of_person(user).values("pk")
            grants = grants.filter(models.Q(tenant__in=managed) | models.Q(pk__in=own))
        grants = grants.select_related("tenant", "role", "team", "membership__user")
        return grants.order_by("expires_at", "pk")

    def held_by(self, user):
        """Tenants, not deleted, on which the user holds a valid role, directly or through a team."""
        grants = TenantGrant.objects.valid().of_person(user)
        return self.live().filter(pk__in=grants.order_by().values("tenant"))

    def free_workspace_name(self, slug: str, organization: Organization) -> str:
        """The name ZenML knows the tenant by: its slug, or slug and organization when another one has it."""
        wishes = [slug, f"{slug}-{organization.slug}"]
        wishes += [f"{slug}-{secrets.token_hex(3)}"]
        taken = set(self.filter(workspace_name__in=wishes).values_list("workspace_name", flat=True))
        return next(wish for wish in wishes if wish not in taken)


class Tenant(PlainNames, models.Model):
    """A real ZenML server. People change `desired_state`; only the agent writes `status`."""

    class DesiredState(models.TextChoices):
        AVAILABLE = "available", "Available"
        DEACTIVATED = "deactivated", "Deactivated"
        DELETED = "deleted", "Deleted"

    class Status(models.TextChoices):
        NOT_INITIALIZED = "not_initialized", "Not started yet"
        PENDING = "pending", "Being created"
        AVAILABLE = "available", "Available"
        FAILED = "failed", "Failed"
        DEACTIVATED = "deactivated", "Deactivated"
        DELETED = "deleted", "Deleted"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="tenants")
    name = models.CharField(max_length=60)
    slug = models.SlugField(max_length=40, validators=[slug_validator])
    workspace_name = models.CharField(max_length=100, unique=True, editable=False)
    description = models.CharField(max_length=300, blank=True)
    zenml_version = models.CharField(max_length=20)
    desired_state = models.CharField(
        max_length=12, choices=DesiredState, default=DesiredState.AVAILABLE, db_index=True
    )
    status = models.CharField(max_length=16, choices=Status, default=Status.NOT_INITIALIZED)
    state_reason = models.CharField(max_length=500, blank=True)
    progress = models.JSONField(
        default=list, editable=False, help_text="Steps of the last start: name, state, started, ended, note."
    )
    port = models.PositiveIntegerField(null=True, blank=True, unique=True, editable=False)
    server_url = models.URLField(blank=True, editable=False)
    sealed_secrets = models.TextField(default=new_secrets, editable=False)
    project_id = models.UUIDField(null=True, blank=True, editable=False)
    restart_requested_at = models.DateTimeField(null=True, blank=True, editable=False)
    restarted_at = models.DateTimeField(null=True, blank=True, editable=False)
    reported_version = models.CharField(max_length=20, blank=True, editable=False)
    reported_at = models.DateTimeField(null=True, blank=True, editable=False)
    available_since = models.DateTimeField(null=True, blank=True, editable=False)
    silent_since = models.DateTimeField(null=True, blank=True, editable=False)  # runs, and does not answer
    disk_bytes = models.BigIntegerField(default=0, editable=False)
    disk_measured_at = models.DateTimeField(null=True, blank=True, editable=False)
    disk_budget = models.BigIntegerField(
        null=True, blank=True, editable=False, help_text="Bytes; empty: as everywhere, 0: no limit."
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="tenants_created"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = TenantQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        permissions = [
            ("manage_access", "Can manage who has access"),
            ("view_template", "Can view templates"),
            ("create_template", "Can create templates"),
            ("run_template", "Can run templates"),
            ("delete_template", "Can delete templates"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "slug"],
                condition=~models.Q(desired_state="deleted"),
                name="tenant_slug_once_per_organization",
            ),
            models.CheckConstraint(
                condition=models.Q(desired_state="deleted", deleted_at__isnull=False)
                | (~models.Q(desired_state="deleted") & models.Q(deleted_at=None)),
                name="tenant_deleted_at_iff_deleted",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("tenants:overview", args=[self.organization.slug, self.slug])

    @property
    def has_projects(self) -> bool:
        """Whether its version has them: since 0.80, when tenants of old became workspaces (protocol §12)."""
        return self.release >= (0, 80)

    @property
    def release(self) -> tuple[int, int]:
        """Of the version that was asked for: 0.98.0 is (0, 98)."""
        major, minor = self.zenml_version.split(".")[:2]
        return int(major), int(minor)

    def opened_secrets(self) -> dict[str, str]:
        """oauth_secret, jwt_secret and encryption_key in clear. Raises SecretsUnreadable."""
        return unseal(self.sealed_secrets)

    @property
    def is_available(self) -> bool:
        return self.status == self.Status.AVAILABLE

    @property
    def shown_status(self) -> str:
        """The word for people: `status`, or "silent" while its process runs and gives no answer."""
        return "silent" if self.is_available and self.silent_since else self.status

    @property
    def is_elsewhere(self) -> bool:
        """Does someone else run its server?"""
        return hasattr(self, "enrollment")


class TenantUserObjectPermission(UserObjectPermissionBase):
    """Guardian's rows for people. They end with the tenant and with the membership."""

    content_object = models.ForeignKey(Tenant, on_delete=models.CASCADE)
    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="+")

    class Meta(UserObjectPermissionBase.Meta):
        abstract = False

    def save(self, **kwargs):
        organization = self.content_object.organization_id
        self.membership = Membership.objects.get(user=self.user, organization=organization)
        super().save(**kwargs)


class TenantGroupObjectPermission(GroupObjectPermissionBase):
    """Guardian's rows for teams. They end with the tenant and with the team."""

    content_object = models.ForeignKey(Tenant, on_delete=models.CASCADE)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+")

    class Meta(GroupObjectPermissionBase.Meta):
        abstract = False

    def save(self, **kwargs):
        self.team = Team.objects.get(pk=self.group_id, organization=self.content_object.organization_id)
        super().save(**kwargs)


def held_rows(user):
    """Guardian's rows of a person and their teams, as two query sets.

    The same that guardian finds, but by foreign key: it compares keys as texts, which no index serves.
    """
    direct = TenantUserObjectPermission.objects.filter(user=user)
    return direct, TenantGroupObjectPermission.objects.filter(group__user=user)


# Who can hold a role, and the rows guardian keeps for it.
HOLDERS = {"membership": TenantUserObjectPermission, "team": TenantGroupObjectPermission}
BATCH = 500  # holders brought up to date together
NOTICE = timedelta(days=7)  # how long before it expires a role is announced


class TenantGrantQuerySet(models.QuerySet):
    def valid(self):
        """Grants that have not expired."""
        return self.filter(models.Q(expires_at=None) | models.Q(expires_at__gt=timezone.now()))

    def ending_soon(self):
        """Grants that expire within a week."""
        return self.valid().filter(expires_at__lte=timezone.now() + NOTICE)

    def of_person(self, user):
        """Grants to the person themselves and to their teams."""
        return self.filter(_for(user))

    def of_holder(self, holder):
        """Grants to this very Membership or Team."""
        return self.filter(**_as_holder(holder))

    def beyond(self, user, rights):
        """Grants on live tenants whose access the user does not manage, and so could not give.

        `rights`: what orgs.access.permissions_of says.
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

    def give(self, *, tenant, role, holder, by=None, expires_at=None) -> "TenantGrant":
        """Give `role` on `tenant` to `holder` (a Membership or a Team of the tenant's organization).

        Idempotent; a role already held only gets the new end. Writes guardian's rows of that holder in the
        same transaction. Raises ValueError when holder or role belong to another organization.
        """
        if not tenant.organization_id == holder.organization_id == role.organization_id:
            raise ValueError("Holder, role and tenant must belong to one organization.")
        if role.level != Role.Level.TENANT:
            raise ValueError("An organization role can't be assigned on a tenant.")
        with transaction.atomic():
            grant, is_new = self.get_or_create(
                tenant=tenant,
                role=role,
                **_as_holder(holder),
                defaults={"granted_by": by, "expires_at": expires_at},
            )
            if not is_new:
                grant.renew(by, expires_at)
            self.sync(tenant, holder)
        return grant

    def withdraw(self, grant: "TenantGrant") -> None:
        """End a grant and bring guardian's rows of its holder up to date in the same transaction."""
        with transaction.atomic():
            tenant, holder = grant.tenant, grant.holder
            grant.delete()
            self.sync(tenant, holder)

    def sync(self, tenant, holder) -> None:
        """Make guardian's rows of `holder` on `tenant` match the holder's valid grants."""
        codenames: set[str] = set()
        for grant in tenant.grants.valid().of_holder(holder).select_related("role"):
            codenames |= codenames_of(grant.role.rights)
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

    def state_of(self, people, tenants) -> State:
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
        return State(frozenset(holdings), members | teams, rights)

    def joining(self, team: Team, people) -> tuple[State, State]:
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

    def state(self) -> State:
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


def _for(user) -> models.Q:
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
    def holder(self):
        """The Membership or the Team."""
        return self.team or self.membership

    @property
    def is_over(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()

    @property
    def ends_soon(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now() + NOTICE

    def renew(self, by, expires_at) -> None:
        """Set another end, which will be announced again. Whoever renews an expired grant counts as its giver."""
        if self.is_over:
            self.granted_by = by
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
            tenant=self.tenant, role=self.role, holder=membership, by=self.invitation.invited_by
        )


class ShareQuerySet(models.QuerySet):
    def of_person(self, user):
        """What was shared with the person themselves and with their teams."""
        return self.filter(_for(user))


class Share(models.Model):
    """One action on one object inside a tenant, shared by its owner from within ZenML (protocol §3.10)."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="shares")
    membership = models.ForeignKey(Membership, null=True, on_delete=models.CASCADE, related_name="shares")
    team = models.ForeignKey(Team, null=True, on_delete=models.CASCADE, related_name="shares")
    project_id = models.UUIDField(null=True)
    resource_type = models.CharField(max_length=40)
    resource_id = models.UUIDField()
    action = models.CharField(max_length=40)
    shared_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ShareQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["tenant", "resource_type", "resource_id"], name="share_by_resource")]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "resource_id", "resource_type", "action", "membership"],
                condition=models.Q(team=None),
                name="share_once_per_person",
            ),
            models.UniqueConstraint(
                fields=["tenant", "resource_id", "resource_type", "action", "team"],
                condition=models.Q(membership=None),
                name="share_once_per_team",
            ),
            models.CheckConstraint(
                condition=models.Q(team=None, membership__isnull=False)
                | models.Q(membership=None, team__isnull=False),
                name="share_to_person_or_team",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.resource_type}/{self.resource_id}: {self.action}"


class TenantAccountQuerySet(models.QuerySet):
    def enter(self, tenant: Tenant, user) -> None:
        """Note that the tenant's server is about to let the person in. One statement, run before we answer yes."""
        row = self.model(tenant=tenant, user=user, entered_at=timezone.now(), cut_at=None)
        keys, news = ["tenant", "user"], ["entered_at", "cut_at"]
        self.bulk_create([row], update_conflicts=True, unique_fields=keys, update_fields=news)


class TenantAccount(models.Model):
    """The account a person has inside a tenant's server since they signed in there.

    `cut_at`: when that account was switched off because the person can no longer enter; empty while it may be active.
    """

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="accounts")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tenant_accounts"
    )
    entered_at = models.DateTimeField()
    cut_at = models.DateTimeField(null=True)

    objects = TenantAccountQuerySet.as_manager()

    class Meta:
        ordering = ["-entered_at"]
        constraints = [models.UniqueConstraint(fields=["tenant", "user"], name="tenant_account_once")]
        indexes = [
            models.Index(fields=["tenant"], condition=models.Q(cut_at=None), name="tenant_account_open")
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.tenant}"
