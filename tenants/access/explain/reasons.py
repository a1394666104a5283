"""Why someone can do something in a tenant, and what has to change so that they can.

The verdict is the one of tenants.access.decisions, or of tenants.access.gate for the tenant itself. The paths are read from the
same rows: each of them alone gives the right, and without all of them it is gone.
"""

from dataclasses import dataclass, field
from functools import cached_property

from django.db.models import Q
from django.utils import timezone

from orgs.models import Membership
from orgs.permissions import Permission
from orgs.roles.models import Role
from orgs.roles.predefined_permissions import DASHBOARD, READ, RESOURCES, actions_of, nearest
from orgs.roles.rights_grid import action_words, resource_words
from orgs.teams.models import Team
from tenants.access.decisions import ACTION, allowed
from tenants.access.gate import can
from tenants.models import Share, Tenant, TenantGrant
from tenants.models.tenant_permissions import TenantPermission

ITSELF = "tenant"  # the resource type of rights on the tenant in this dashboard
DASHBOARD_RIGHTS = {
    "view": TenantPermission.VIEW,
    "change": TenantPermission.CHANGE,
    "delete": TenantPermission.DELETE,
    "manage_access": TenantPermission.ACCESS,
}
UNPROTECTED = ("tag",)
WORDS = {
    "tenant:view": "see the tenant",
    "tenant:change": "change settings",
    "tenant:delete": "delete the tenant",
    "tenant:manage_access": "manage members",
    "secret:read_secret_value": "read secret values",
    "service_connector:read_secret_value": "read connector values",
}


@dataclass(frozen=True)
class Path:
    """One thing that gives a right. `kind`: direct, team, share, organization or superuser."""

    kind: str
    role: Role | None = None
    team: Team | None = None
    grant: TenantGrant | None = None
    share: Share | None = None

    @property
    def words(self) -> str:
        """ "team ml-eng → Developer"."""
        through = f"team {self.team} → " if self.team else ""
        if self.kind == "superuser":
            return "superuser"
        if self.kind == "share":
            return f"{through}{resource_words(self.share.resource_type)} shared individually"
        if self.kind == "organization":
            return f"{through}organization role {self.role}"
        return f"{through}{self.role}" if self.team else f"direct role {self.role}"

    @cached_property
    def rights(self) -> frozenset[str]:
        return self.role.rights if self.role else frozenset()

    @property
    def ends(self):
        """When it expires; None for never."""
        return self.grant.expires_at if self.grant else None

    @property
    def is_over(self) -> bool:
        return bool(self.ends and self.ends <= timezone.now())


@dataclass(frozen=True)
class Remedy:
    """One thing to do. `kind`: reactivate, join, role, team_role or team."""

    kind: str
    role: Role | None = None
    team: Team | None = None


@dataclass(frozen=True)
class Question:
    """Can `user` do `action` in `tenant`, with all of a type or with one object of it? Ids as they are written."""

    user: object
    tenant: Tenant
    action: str
    resource: str
    object: str | None = None
    project: str | None = None

    @property
    def right(self) -> str:
        return f"{self.resource}:{self.action}"

    @property
    def meant(self) -> tuple[str, str]:
        """The known (type, action) whose right answers it, as decisions have it; a known one stands for itself."""
        odd = self.resource == ITSELF or not ACTION.fullmatch(self.action)
        return (self.resource, self.action) if odd else nearest(self.resource, self.action)

    @property
    def exists(self) -> bool:
        """Does anyone ever ask this?"""
        return self.resource in (*RESOURCES, *DASHBOARD) and self.action in actions_of(self.resource)

    @property
    def words(self) -> str:
        """ "update pipelines"."""
        return WORDS.get(self.right) or f"{action_words(self.action)} {resource_words(self.resource)}"

    @property
    def text(self) -> str:
        """The resource as tenants write it."""
        scope = f"{self.project}:" if self.project else ""
        return scope + self.resource + (f"/{self.object}" if self.object else "")


@dataclass(frozen=True)
class Explanation:
    """The answer. `paths` give it; `others` are what else the person holds there.

    For no: all `first` have to be done, and then one of `ways` when there are any.
    """

    question: Question
    yes: bool
    paths: list[Path]
    others: list[Path]
    first: list[Remedy] = field(default_factory=list)
    ways: list[Remedy] = field(default_factory=list)

    @property
    def is_switched_off(self) -> bool:
        """The tenant lets no one in, whatever their roles."""
        return self.question.tenant.desired_state != Tenant.DesiredState.AVAILABLE

    @property
    def owners_may(self) -> bool:
        """ZenML never asks about objects the person owns, or that have no owner (protocol §6)."""
        return self.question.action != "create" and self.question.resource not in (ITSELF, "project")

    @property
    def is_unprotected(self) -> bool:
        """ZenML itself lets everyone in the tenant do it."""
        return self.question.resource in UNPROTECTED


class Standing:
    """A person in an organization and all they hold on some of its tenants: as many queries for any number of them."""

    def __init__(self, user, tenants, membership: Membership | None = None):
        self.user, self.tenants = user, {tenant.pk: tenant for tenant in tenants}
        self.organization = next(iter(self.tenants.values())).organization if self.tenants else None
        self._membership = membership

    @cached_property
    def membership(self) -> Membership | None:
        return self._membership or self.organization.memberships.filter(user=self.user).first()

    @cached_property
    def teams(self) -> dict:
        """The person's teams in the organization, by key."""
        return {team.pk: team for team in self.organization.teams.filter(user=self.user)}

    @property
    def _own(self) -> Q:
        """Rows for the person in this organization and for their teams. By keys: joined, all rows would be read."""
        memberships = self.organization.memberships.filter(user=self.user).order_by().values("pk")
        return Q(membership__among=memberships) | Q(team__in=self.teams)

    @cached_property
    def held(self) -> list[Path]:
        """Roles of the person and their teams, the strongest first, expired ones too."""
        grants = TenantGrant.objects.filter(self._own, tenant__in=self.tenants)
        grants = grants.select_related("role", "granted_by").prefetch_related("role__permissions")
        return [self._path(grant) for grant in grants.order_by("role__rank", "role__name", "created_at")]

    def _path(self, grant: TenantGrant) -> Path:
        grant.tenant = self.tenants[grant.tenant_id]
        team = self.teams.get(grant.team_id)
        return Path("team" if team else "direct", grant.role, team, grant)

    @cached_property
    def shares(self) -> list[Path]:
        """Single objects shared with the person and their teams."""
        shares = Share.objects.filter(self._own, tenant__in=self.tenants)
        return [Path("share", team=self.teams.get(share.team_id), share=share) for share in shares]

    def on(self, tenant: Tenant) -> list[Path]:
        """The roles the person holds there, strongest first, without expired ones."""
        return [path for path in self.held if path.grant.tenant_id == tenant.pk and not path.is_over]

    @cached_property
    def organization_paths(self) -> list[Path]:
        """The person's organization roles: their own first, then those of their teams."""
        roles = {
            role.slug: role
            for role in self.organization.roles.organization_level().prefetch_related("permissions")
        }
        own = [Path("organization", roles.get(self.membership.role))] if self.membership else []
        through = [Path("organization", roles.get(team.org_role), team) for team in self.teams.values()]
        return [path for path in own + through if path.role]

    @property
    def manages_joined(self) -> bool:
        """Can the person change the settings of every tenant they have a role on?"""
        right = Permission.TENANT_MANAGE_JOINED
        return any(right in path.rights for path in self.organization_paths)


def explain(question: Question, standing: Standing | None = None) -> Explanation:
    """Yes or no, with all paths that give it or with what is missing. Never raises for odd input."""
    standing = standing or Standing(question.user, [question.tenant])
    giving = _giving(question, standing)
    paths = paths_of(question, standing)
    others = [
        path for path in standing.held if path.grant.tenant_id == question.tenant.pk and path not in paths
    ]
    if _verdict(question):
        return Explanation(question, True, paths, others)
    first = _first(standing) if question.exists else []
    enough = giving or standing.user.is_superuser or not question.exists
    return Explanation(question, False, [], others, first, [] if enough else _ways(question, standing))


def _verdict(question: Question) -> bool:
    """The answer of whatever enforces the right."""
    if question.resource == ITSELF:
        permission = DASHBOARD_RIGHTS.get(question.action)
        return permission is not None and can(question.user, permission, question.tenant)
    return allowed(question.user.pk, question.tenant, question.action, [question.text])[question.text]


def paths_of(question: Question, standing: Standing) -> list[Path]:
    """Everything that gives the person the right now: each path alone does."""
    user = standing.user
    if not user.is_active:
        return []
    return [Path("superuser")] * user.is_superuser + _giving(question, standing) * bool(standing.membership)


def _giving(question: Question, standing: Standing) -> list[Path]:
    """Everything the person and their teams hold that gives it to active members."""
    found = [path for path in standing.on(question.tenant) if _gives(path.rights, question, standing)]
    if question.resource != ITSELF:
        return found + [path for path in standing.shares if _opens(path.share, question)]
    return found + [path for path in standing.organization_paths if _manages_all(path, question)]


def _manages_all(path: Path, question: Question) -> bool:
    return question.action in DASHBOARD_RIGHTS and Permission.TENANT_MANAGE_ALL in path.rights


def _first(standing: Standing) -> list[Remedy]:
    """What keeps the person from everything."""
    first = [] if standing.user.is_active else [Remedy("reactivate")]
    if standing.membership is None and not standing.user.is_superuser:
        first.append(Remedy("join"))
    return first


def _opens(share: Share, question: Question) -> bool:
    """Does the share give this? Whoever got an object can read the project it is in."""
    if share.tenant_id != question.tenant.pk or question.object is None:
        return False
    if question.right == f"project:{READ}" and question.object == str(share.project_id):
        return True
    return _is_about(share, question)


def _is_about(share: Share, question: Question) -> bool:
    asked = (*question.meant, question.object)
    home = str(share.project_id) if share.project_id else None
    return asked == (share.resource_type, share.action, str(share.resource_id)) and (
        question.project is None or home in (None, question.project)
    )


def _gives(rights: frozenset[str], question: Question, standing: Standing) -> bool:
    """Does a role with these rights on the tenant give it to the person?"""
    if question.resource != ITSELF or question.action not in DASHBOARD_RIGHTS:
        return ":".join(question.meant) in rights
    if question.action == "view":
        return True
    if question.action == "change" and standing.manages_joined:
        return True
    return question.right in rights


def _ways(question: Question, standing: Standing) -> list[Remedy]:
    """Changes that each give the right: the weakest role for the person or one of their teams, or another team."""
    roles = standing.organization.roles.tenant_level().prefetch_related("permissions")
    giving = [role for role in roles if _gives(role.rights, question, standing)]
    if not giving:
        return []
    weakest = min(giving, key=lambda role: (len(role.rights), -role.rank, role.name))
    teams = [Remedy("team_role", weakest, team) for team in standing.teams.values()]
    return [Remedy("role", weakest), *teams, *_other_teams(question, standing, giving)]


def _other_teams(question: Question, standing: Standing, roles: list[Role]) -> list[Remedy]:
    """Teams the person could be added to because they hold one of the roles there."""
    grants = question.tenant.grants.valid().filter(team__organization=standing.organization, role__in=roles)
    others = grants.exclude(team__in=standing.teams).select_related("team", "role")
    found = {
        grant.team_id: Remedy("team", grant.role, grant.team)
        for grant in others.order_by("role__rank", "team__label")
    }
    return list(found.values())
