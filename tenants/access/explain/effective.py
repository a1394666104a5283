"""Everything a person can do in a tenant, in groups people know, each with the paths that give it."""

from dataclasses import dataclass

from orgs.roles.predefined_permissions import DASHBOARD, RESOURCES, actions_of
from orgs.roles.rights_grid import ICONS, TENANT_GROUPS, summary
from tenants.access.explain.reasons import Path, Question, Standing, paths_of
from tenants.models import Tenant

RIGHTS = [(resource, action) for resource in (*DASHBOARD, *RESOURCES) for action in actions_of(resource)]


@dataclass(frozen=True)
class AccessLine:
    """What the same paths give, in words."""

    words: str
    paths: tuple[Path, ...]


@dataclass(frozen=True)
class AccessGroup:
    name: str
    icon: str
    lines: list[AccessLine]


@dataclass(frozen=True)
class Access:
    """A tenant with what someone can do there. `held`: their roles; `shared`: how many objects are shared with them."""

    tenant: Tenant
    held: list[Path]
    groups: list[AccessGroup]
    shared: int

    @property
    def anything(self) -> bool:
        return bool(self.shared or any(group.lines for group in self.groups))


def rights_of(standing: Standing, tenant: Tenant) -> dict[str, tuple[Path, ...]]:
    """`resource:action` about whole types -> all paths that give it. A second tenant costs no further query."""
    asked = (Question(standing.user, tenant, action, resource) for resource, action in RIGHTS)
    found = {question.right: tuple(paths_of(question, standing)) for question in asked}
    return {right: paths for right, paths in found.items() if paths}


def access_to(standing: Standing, tenant: Tenant) -> Access:
    """What the person can do in the tenant: every group of the grid in order, empty ones too."""
    rights = rights_of(standing, tenant)
    groups = [
        AccessGroup(name, ICONS[name], _lines(rights, resources)) for name, resources in TENANT_GROUPS.items()
    ]
    shares = [path.share for path in standing.shares if path.share.tenant_id == tenant.pk]
    shared = len({(share.resource_type, share.resource_id) for share in shares})
    return Access(tenant, standing.on(tenant), groups, shared)


def _lines(rights: dict[str, tuple[Path, ...]], resources: tuple[str, ...]) -> list[AccessLine]:
    """One line for each set of paths, the one with most rights first."""
    by_paths: dict[tuple[Path, ...], list[str]] = {}
    for right, paths in rights.items():
        if right.partition(":")[0] in resources:
            by_paths.setdefault(paths, []).append(right)
    ordered = sorted(by_paths.items(), key=lambda item: -len(item[1]))
    return [AccessLine(summary(found, resources), paths) for paths, found in ordered]
