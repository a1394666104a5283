"""Who is in a tenant, with which role, and where the role comes from."""

from dataclasses import dataclass, field

from orgs.models import Membership, Organization
from orgs.permissions import Permission
from orgs.roles.models import Role
from orgs.teams.models import Team

from .models import Tenant, TenantGrant

NO_RANK = 1000


@dataclass(frozen=True)
class Source:
    """One way in which a person has her role: `kind` is direct, team or organization."""

    kind: str
    role: Role | None = None
    grant: TenantGrant | None = None
    note: str = ""

    @property
    def rank(self) -> int:
        return self.role.rank if self.role else NO_RANK


@dataclass
class PersonRow:
    """A person of the tenant; the strongest source comes first."""

    membership: Membership
    sources: list[Source] = field(default_factory=list)

    @property
    def user(self):
        return self.membership.user

    @property
    def uuid(self) -> str:
        return str(self.membership.pk)

    @property
    def url(self) -> str:
        return self.membership.get_absolute_url()

    @property
    def role(self) -> Role | None:
        """Her role inside the server; None for an organization Admin who has not joined."""
        return self.sources[0].role

    @property
    def direct(self) -> list[TenantGrant]:
        """Her own roles, which are changed here."""
        return [source.grant for source in self.sources if source.kind == "direct"]

    @property
    def elsewhere(self) -> Role | None:
        """The role that decides, when it comes from a team and is changed there."""
        return self.role if self.sources[0].kind == "team" else None

    def has_role(self, slug: str) -> bool:
        return any(source.role and source.role.slug == slug for source in self.sources)

    @property
    def ends(self):
        """When the deciding role ends, and the role that is left then."""
        deciding = self.sources[0].grant
        return deciding.expires_at if deciding else None

    @property
    def then(self) -> str:
        left = next(
            (s.role for s in self.sources[1:] if s.role and not (s.grant and s.grant.expires_at)), None
        )
        return left.name if left else ""


@dataclass(frozen=True)
class TeamRow:
    """A team with its roles, strongest first."""

    team: Team
    direct: list[TenantGrant]
    people: int

    @property
    def uuid(self) -> str:
        return str(self.team.uuid)

    def has_role(self, slug: str) -> bool:
        return any(grant.role.slug == slug for grant in self.direct)


def people_of(tenant: Tenant, grants: list[TenantGrant] | None = None) -> list[PersonRow]:
    """Everybody who has a role on the tenant or manages it, by name. A fixed number of queries.

    `grants`: what grants_of said, when known.
    """
    grants = grants_of(tenant) if grants is None else grants
    rows: dict = {}
    for grant in grants:
        if grant.membership:
            _add(rows, grant.membership, Source("direct", grant.role, grant, _given_by(grant, tenant)))
    _add_through_teams(rows, tenant, grants)
    for membership in _managers(tenant.organization):
        _add(rows, membership, Source("organization", note="Organization Admin"))
    for row in rows.values():
        row.membership.organization = tenant.organization
        row.sources.sort(key=lambda source: source.rank)
    return sorted(rows.values(), key=lambda row: str(row.user).lower())


def teams_of(grants: list[TenantGrant]) -> list[TeamRow]:
    """The teams among the holders, by name."""
    given: dict[Team, list[TenantGrant]] = {}
    for grant in grants:
        if grant.team:
            given.setdefault(grant.team, []).append(grant)
    rows = [TeamRow(team, held, len(team.user_set.all())) for team, held in given.items()]
    return sorted(rows, key=lambda row: row.team.label.lower())


def grants_of(tenant: Tenant) -> list[TenantGrant]:
    """Valid grants with their holders, roles and teams' people. Two queries."""
    grants = tenant.grants.valid().select_related("role", "membership__user", "team", "granted_by")
    found = list(grants.prefetch_related("team__user_set"))
    for grant in found:
        grant.tenant, grant.holder.organization = tenant, tenant.organization
    return found


def _add(rows: dict, membership: Membership, source: Source) -> None:
    rows.setdefault(membership.user_id, PersonRow(membership)).sources.append(source)


def _add_through_teams(rows: dict, tenant: Tenant, grants: list[TenantGrant]) -> None:
    pairs = [(grant, user) for grant in grants if grant.team for user in grant.team.user_set.all()]
    found = tenant.organization.memberships.filter(user__in={user.pk for _, user in pairs})
    memberships = {membership.user_id: membership for membership in found.select_related("user")}
    for grant, user in pairs:
        if user.pk in memberships:
            _add(rows, memberships[user.pk], Source("team", grant.role, grant))


def _given_by(grant: TenantGrant, tenant: Tenant) -> str:
    """Where a direct role comes from, in words; who gave it to herself is named as such."""
    user, by = grant.membership.user, grant.granted_by
    if by is None:
        return "Direct"
    if by.pk != user.pk:
        return f"Direct, by {by}"
    return "Created the tenant" if tenant.created_by_id == user.pk else "Added herself"


def _managers(organization: Organization) -> list[Membership]:
    """Members who manage every tenant: their own organization role gives the right."""
    roles = organization.roles.organization_level().filter(
        permissions__resource="tenant", permissions__action=Permission.TENANT_MANAGE_ALL.partition(":")[2]
    )
    found = organization.memberships.filter(role__in=roles.values("slug"), user__is_active=True)
    return list(found.select_related("user"))
