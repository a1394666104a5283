"""Which roles each team has on each tenant, in as many queries for any number of either."""

from dataclasses import dataclass
from uuid import UUID

from django.urls import reverse
from django.utils.html import format_html

from orgs.permissions import Permission
from orgs.teams.models import Team
from tenants.models import Tenant, TenantGrant
from tenants.models.tenant_permissions import TenantPermission
from zenpro_site.common.sql import number_of

TEAMS = 100  # rows; more are found by name
TENANTS = 12  # columns of one page
NOBODY = UUID(int=0)
NONE = '<span class="none">–<span class="sr">no role</span></span>'
SHUT = f'<div id="{{}}"><div class="cell">{NONE}</div></div>'
EMPTY = (
    '<div id="{}"><button class="cell" formaction="{}"><span class="sr">{} on {}: </span>'
    + NONE
    + "</button></div>"
)


@dataclass(frozen=True)
class MatrixCell:
    """`grants`: the team's roles on the tenant, strongest first. `url`: where they are changed, for those who can."""

    team: Team
    tenant: Tenant
    grants: list[TenantGrant]
    url: str = ""

    @property
    def id(self) -> str:
        return cell_id(self.team, self.tenant)

    @property
    def empty(self) -> str:
        """The HTML without a role, as in most cells: with a thousand of them, a template takes ten times as long."""
        return format_html(EMPTY if self.url else SHUT, self.id, self.url, self.team.label, self.tenant.name)


@dataclass(frozen=True)
class MatrixRow:
    team: Team
    cells: list[MatrixCell]


def cell_id(team: Team, tenant: Tenant) -> str:
    """Also the id of the cell's element on the page."""
    return f"cell-{team.pk}-{tenant.slug}"


def cell_of(team: Team, tenant: Tenant, grants: list[TenantGrant]) -> MatrixCell:
    """A cell that can be changed."""
    return MatrixCell(team, tenant, grants, _pages(tenant).replace(str(NOBODY), str(team.uuid)))


def _pages(tenant: Tenant) -> str:
    """Address of the form of a team on the tenant, with a key in it that stands for the team's: a reverse for each
    of a thousand cells takes longer than all else."""
    return reverse("tenants:team_roles", args=[tenant.organization.slug, tenant.slug, NOBODY])


def teams_named(organization, text: str) -> list[Team]:
    """The first teams by name with the number of their `people`, and one more than fits if there are more."""
    inside = number_of(Team.user_set.through.objects.all(), "group")
    found = organization.teams.filter(label__icontains=text).annotate(people=inside)
    return list(found.order_by("label")[: TEAMS + 1])


def rows_of(teams: list[Team], tenants: list[Tenant], managed: set) -> list[MatrixRow]:
    """One row per team, one cell per tenant. `managed`: keys of the tenants whose members can be changed. One query."""
    grants = TenantGrant.objects.valid().filter(team__in=teams, tenant__in=tenants)
    held: dict[tuple, list[TenantGrant]] = {}
    for grant in grants.select_related("role").order_by("role__rank", "created_at"):
        held.setdefault((grant.team_id, grant.tenant_id), []).append(grant)
    pages, nobody = {tenant.pk: _pages(tenant) for tenant in tenants if tenant.pk in managed}, str(NOBODY)

    def cell(team, tenant, key):
        url = pages.get(tenant.pk, "").replace(nobody, key)
        return MatrixCell(team, tenant, held.get((team.pk, tenant.pk), []), url)

    return [MatrixRow(team, [cell(team, tenant, str(team.uuid)) for tenant in tenants]) for team in teams]


def managed_by(user, rights, organization, tenants: list[Tenant]) -> set:
    """Keys of those tenants whose members the user can change. No query for users who manage all."""
    if Permission.TENANT_MANAGE_ALL in rights:
        return {tenant.pk for tenant in tenants}
    mine = organization.tenants.with_right(user, TenantPermission.ACCESS)
    return set(mine.filter(pk__in=[tenant.pk for tenant in tenants]).values_list("pk", flat=True))
