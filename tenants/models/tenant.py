"""Tenants, and guardian's rows for who may do what with them in this dashboard."""

import secrets
import uuid

from django.conf import settings
from django.db import models
from django.urls import reverse
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from orgs.models import Membership, Organization, slug_validator
from orgs.permissions import Permission
from orgs.teams.models import Team
from tenants.models.tenant_permissions import NEEDS
from zenpro_site.common.names import PlainNames
from zenpro_site.common.sealing import seal, unseal


def new_secrets() -> str:
    """Secrets of a new tenant, sealed: what its server and we know of each other."""
    return seal(
        {
            "oauth_secret": secrets.token_urlsafe(32),
            "jwt_secret": secrets.token_hex(32),
            "encryption_key": secrets.token_hex(32),
        }
    )


def servers_first(collector, field, tenants, using) -> None:
    """On deleting an organization: tenants that are gone go with it; one that may have a server protects it.

    Raises ProtectedError with those tenants.
    """
    standing = set(tenants.exclude(status=Tenant.Status.DELETED))
    if standing:
        raise models.ProtectedError("Tenants protect their organization.", standing)
    models.CASCADE(collector, field, tenants, using)


class TenantQuerySet(models.QuerySet):
    def live(self):
        """Tenants that are not deleted."""
        return self.exclude(desired_state=Tenant.DesiredState.DELETED)

    def visible_to(self, user, rights):
        """Live ones the user can see: all with TENANT_MANAGE_ALL among `rights`, else those they hold a role on.

        `rights` is what orgs.access.gate.permissions_of says; nothing is visible to outsiders, who have none.
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
        return self.live() if user.is_superuser and user.is_active else self.held_with(user, codename)

    def held_with(self, user, codename: str, at=None):
        """Live ones on which the user's own roles give this right, be they a superuser or not; `at` another time than now."""
        own, shared = (
            models.Q(pk__among=rows.filter(permission__codename=codename).values("content_object"))
            for rows in held_rows(user)
        )
        lasting = _grants().valid(at).of_person(user).giving(NEEDS[codename])
        return self.live().filter(own | shared, pk__among=lasting.order_by().values("tenant"))

    def hosted(self):
        """Those whose servers we run ourselves."""
        return self.exclude(kind=Tenant.Kind.ELSEWHERE)

    def with_open_database(self):
        """Those whose database on this machine we can write to."""
        return self.filter(kind=Tenant.Kind.LOCAL).exclude(pk__in=self.moving().values("pk"))

    def moving(self):
        """Those on their way to another home. Until they are there, no one can tell which database will be theirs."""
        return Tenant.objects.filter(pk__in=_moves().open().order_by().values("tenant"))

    def available(self):
        return self.filter(status=Tenant.Status.AVAILABLE)

    def ending_soon(self, user, rights):
        """Grants that expire within a week, as far as they concern the user: their own, and those they can extend."""
        grants = _grants().ending_soon().filter(tenant__in=self.live())
        if Permission.TENANT_MANAGE_ALL not in rights:
            managed = self.with_right(user, "manage_access").values("pk")
            own = _grants().of_person(user).values("pk")
            grants = grants.filter(models.Q(tenant__in=managed) | models.Q(pk__in=own))
        grants = grants.select_related("tenant", "role", "team", "membership__user")
        return grants.order_by("expires_at", "pk")

    def held_by(self, user):
        """Tenants, not deleted, on which the user holds a valid role, directly or through a team."""
        grants = _grants().valid().of_person(user)
        return self.live().filter(pk__in=grants.order_by().values("tenant"))

    def free_workspace_name(self, slug: str, organization: Organization) -> str:
        """The name ZenML knows the tenant by: its slug, or slug and organization when another one has it."""
        wishes = [slug, f"{slug}-{organization.slug}"]
        wishes += [f"{slug}-{secrets.token_hex(3)}"]
        taken = set(self.filter(workspace_name__in=wishes).values_list("workspace_name", flat=True))
        return next(wish for wish in wishes if wish not in taken)


def _grants():
    """The grants on tenants, whose module imports this one."""
    return Tenant.grants.rel.related_model.objects


def _moves():
    """The moves of tenants, whose module imports this one."""
    return Tenant.moves.rel.related_model.objects


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

    class Kind(models.TextChoices):
        """Where its server lives; hosting.backend_for has the backend of each. Moves change it (TenantMove).

        Another place is one more line here and one in hosting.backends.KINDS.
        """

        LOCAL = "local", "On this machine"
        ELSEWHERE = "elsewhere", "A server someone else runs"
        KUBERNETES = "kubernetes", "In the Kubernetes cluster"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=servers_first, related_name="tenants")
    name = models.CharField(max_length=60)
    slug = models.SlugField(max_length=40, validators=[slug_validator])
    workspace_name = models.CharField(max_length=100, unique=True, editable=False)
    description = models.CharField(max_length=300, blank=True)
    kind = models.CharField(max_length=12, choices=Kind, default=Kind.LOCAL, editable=False)
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
    on_database_server = models.BooleanField(
        default=False,
        editable=False,
        help_text="In the cluster: are its rows in a database of its own on a server, and not on a volume?",
    )
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
    server_packages = models.JSONField(
        default=dict,
        editable=False,
        help_text="Integration of ZenML -> the packages for it that its server has besides ZenML.",
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="tenants_created"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)
    retired_at = models.DateTimeField(null=True, blank=True, editable=False)  # nothing is left of its server

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
        """oauth_secret, jwt_secret, encryption_key and perhaps database_password in clear. Raises SecretsUnreadable."""
        return unseal(self.sealed_secrets)

    def take_database_server(self) -> bool:
        """From now on its rows belong into a database on a server, for which it gets a password.

        False when its secrets were changed meanwhile. Raises SecretsUnreadable.
        """
        found = self.opened_secrets()
        found.setdefault(
            "database_password", f"{secrets.token_urlsafe(32)}-aA1"
        )  # policies ask for such ends
        sealed, same = seal(found), Tenant.objects.filter(pk=self.pk, sealed_secrets=self.sealed_secrets)
        if not same.update(sealed_secrets=sealed, on_database_server=True):
            return False
        self.sealed_secrets, self.on_database_server = sealed, True
        return True

    @property
    def other_home(self) -> str:
        """The kind of home that it can be moved to; "" where there is none. No one carries rows from a database server."""
        if self.is_elsewhere or self.on_database_server:
            return ""
        return next((kind for kind in own_homes() if kind != self.kind), "")

    @property
    def is_available(self) -> bool:
        return self.status == self.Status.AVAILABLE

    @property
    def is_to_restart(self) -> bool:
        """Has someone asked for a restart that the agent has not begun yet?"""
        asked, begun = self.restart_requested_at, self.restarted_at
        return asked is not None and (begun is None or begun < asked)

    @property
    def shown_status(self) -> str:
        """The word for people: `status`, or "silent" while its process runs and gives no answer."""
        return "silent" if self.is_available and self.silent_since else self.status

    @property
    def is_elsewhere(self) -> bool:
        """Does someone else run its server?"""
        return self.kind == self.Kind.ELSEWHERE

    @property
    def is_in_cluster(self) -> bool:
        """Does its server run in the Kubernetes cluster?"""
        return self.kind == self.Kind.KUBERNETES


def own_homes() -> list[str]:
    """Kinds of homes in which this installation runs servers itself; the first is meant where no one says which."""
    there = {
        Tenant.Kind.LOCAL: settings.ZENPRO_LOCAL_TENANTS,
        Tenant.Kind.KUBERNETES: settings.ZENPRO_KUBERNETES is not None,
    }
    return [kind for kind, is_there in there.items() if is_there]


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

    The same that guardian finds, but by foreign key: it compares keys as texts, which no index serves. Teams are asked
    for before all else: joined, PostgreSQL may read all members of a team for each of its rows.
    """
    teams = Team.user_set.through.objects.filter(user=user).values("group")
    direct = TenantUserObjectPermission.objects.filter(user=user)
    return direct, TenantGroupObjectPermission.objects.filter(group__among=teams)
