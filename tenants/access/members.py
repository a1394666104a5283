"""Who is in a tenant, with which role, and where the role comes from."""

from collections import defaultdict
from dataclasses import dataclass, field

from django.db.models import BooleanField, Count, ExpressionWrapper, Q

from orgs.access.gate import members_who_can
from orgs.models import Membership, Organization, OrgRole
from orgs.permissions import Permission
from orgs.roles.models import Role
from orgs.teams.models import Team
from tenants.models import Tenant, TenantGrant

NO_RANK = 1000


@dataclass(frozen=True)
class RoleSource:
    """One way in which a person has their role: `kind` is direct, team or organization."""

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
    sources: list[RoleSource] = field(default_factory=list)

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
        """The person's role inside the server; None for an organization Admin who has not joined."""
        return self.sources[0].role

    @property
    def direct(self) -> list[TenantGrant]:
        """Roles assigned directly, which can be changed here."""
        return [source.grant for source in self.sources if source.kind == "direct"]

    @property
    def elsewhere(self) -> Role | None:
        """The strongest role, if it comes from a team and is changed there."""
        return self.role if self.sources[0].kind == "team" else None

    def has_role(self, slug: str) -> bool:
        return any(source.role and source.role.slug == slug for source in self.sources)

    @property
    def ends(self):
        """When the strongest role expires. `then` is the role that is left after that."""
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


def members_in(tenant: Tenant, *, text: str = "", role: str = "", managers: bool = True):
    """Memberships of everyone who has a role on the tenant or, with `managers`, manages it; by name. Query set.

    `text`: in name or email; `role`: only those who have the role with this slug here.
    """
    grants, org = tenant.grants.valid().order_by(), tenant.organization
    if role:
        grants = grants.filter(role__slug=role)
    through = Team.user_set.through.objects.filter(group__among=grants.exclude(team=None).values("team"))
    ways = [grants.exclude(membership=None).values("membership")]
    ways.append(org.memberships.order_by().filter(user__in=through.values("user")).values("pk"))
    if managers and not role:
        ways.append(_managers(org).order_by().values("pk"))
    # Not one condition with OR, nor once more of this organization: databases would look at every member for it.
    found = Membership.objects.filter(pk__among=ways[0].union(*ways[1:]))
    if text:
        found = found.filter(Q(user__name__icontains=text) | Q(user__email__icontains=text))
    return found.order_by("user__name", "user__email")


def person_rows(tenant: Tenant, memberships) -> list[PersonRow]:
    """A row for each of these, with every source of their roles. Three queries, however many they are."""
    manages = ExpressionWrapper(_manages(tenant.organization), BooleanField())
    found = memberships.select_related("user").annotate(manages=manages)
    rows = {membership.user_id: PersonRow(membership) for membership in found}
    members = {row.membership.pk: row for row in rows.values()}
    grants = tenant.grants.valid().filter(Q(membership__in=members) | Q(team__isnull=False))
    given = defaultdict(list)
    for grant in grants.select_related("role", "membership__user", "team", "granted_by"):
        given[grant.team_id].append(_at_home(grant, tenant))
    for grant in given.pop(None, ()):
        source = RoleSource("direct", grant.role, grant, _given_by(grant, tenant))
        members[grant.membership_id].sources.append(source)
    for user, team in Team.user_set.through.objects.filter(user__in=rows, group__in=given).values_list(
        "user", "group"
    ):
        rows[user].sources += [RoleSource("team", grant.role, grant) for grant in given[team]]
    for row in rows.values():
        if row.membership.manages:
            row.sources.append(RoleSource("organization", note=_why_manager(row.membership)))
    return [_in_order(row, tenant) for row in rows.values()]


def _at_home(grant: TenantGrant, tenant: Tenant) -> TenantGrant:
    """The grant with what pages read of it already filled in, so that none of it is queried again."""
    grant.tenant, grant.holder.organization = tenant, tenant.organization
    return grant


def _in_order(row: PersonRow, tenant: Tenant) -> PersonRow:
    row.membership.organization = tenant.organization
    row.sources.sort(key=lambda source: source.rank)
    return row


def teams_of(tenant: Tenant) -> list[TeamRow]:
    """The teams among the holders, by name. Two queries."""
    grants = tenant.grants.valid().filter(team__isnull=False).select_related("role", "team", "granted_by")
    given: dict[Team, list[TenantGrant]] = {}
    for grant in grants:
        given.setdefault(grant.team, []).append(_at_home(grant, tenant))
    people = Team.objects.filter(pk__in=[team.pk for team in given]).annotate(people=Count("user"))
    count_of = dict(people.order_by().values_list("pk", "people"))
    rows = [TeamRow(team, held, count_of[team.pk]) for team, held in given.items()]
    return sorted(rows, key=lambda row: row.team.label.lower())


def _given_by(grant: TenantGrant, tenant: Tenant) -> str:
    """Where a direct role comes from, in words; people who took it themselves are named as such."""
    user, giver = grant.membership.user, grant.granted_by
    if giver is None:
        return "Direct"
    if giver.pk != user.pk:
        return f"Direct, by {giver}"
    return "Created the tenant" if tenant.created_by_id == user.pk else "Joined on their own"


def _managers(organization: Organization):
    """Members who manage every tenant: by their own organization role, a team's, or as superusers. Query set."""
    return members_who_can(Permission.TENANT_MANAGE_ALL, organization)


def _why_manager(membership: Membership) -> str:
    if membership.role == OrgRole.ADMIN:
        return "Organization Admin"
    return "Superuser" if membership.user.is_superuser else "Organization role, direct or from a team"


def _manages(organization: Organization) -> Q:
    """The same as a condition on memberships."""
    return Q(pk__among=_managers(organization).values("pk"))
