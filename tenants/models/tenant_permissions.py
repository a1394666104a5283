"""Names of the object-level rights on a tenant in this dashboard, and how they follow from a role's rights."""

from collections.abc import Iterable
from enum import StrEnum


class TenantPermission(StrEnum):
    """Codenames of guardian's rows on Tenant."""

    VIEW = "view_tenant"
    CHANGE = "change_tenant"
    DELETE = "delete_tenant"
    ACCESS = "manage_access"
    TEMPLATE_VIEW = "view_template"
    TEMPLATE_CREATE = "create_template"
    TEMPLATE_RUN = "run_template"
    TEMPLATE_DELETE = "delete_template"

    @property
    def deed(self) -> str:
        """What it allows, to go after "You can't", with {} for the tenant."""
        return DEEDS[self]


DEEDS: dict[TenantPermission, str] = {
    TenantPermission.VIEW: "open {}",
    TenantPermission.CHANGE: "change the settings of {}",
    TenantPermission.DELETE: "delete {}",
    TenantPermission.ACCESS: "manage who can do what in {}",
    TenantPermission.TEMPLATE_VIEW: "see templates in {}",
    TenantPermission.TEMPLATE_CREATE: "create templates in {}",
    TenantPermission.TEMPLATE_RUN: "run templates in {}",
    TenantPermission.TEMPLATE_DELETE: "change or delete other people's templates in {}",
}


# One right each, so that two roles together give what their rights together give.
NEEDS: dict[TenantPermission, frozenset[str]] = {
    TenantPermission.VIEW: frozenset(),
    TenantPermission.CHANGE: frozenset({"tenant:change"}),
    TenantPermission.DELETE: frozenset({"tenant:delete"}),
    TenantPermission.ACCESS: frozenset({"tenant:manage_access"}),
    TenantPermission.TEMPLATE_VIEW: frozenset({"run_template:read"}),
    TenantPermission.TEMPLATE_CREATE: frozenset({"run_template:create"}),
    TenantPermission.TEMPLATE_RUN: frozenset({"pipeline_run:create"}),
    TenantPermission.TEMPLATE_DELETE: frozenset({"run_template:delete"}),
}


def codenames_of(rights: Iterable[str]) -> frozenset[TenantPermission]:
    """Dashboard codenames that a set of `resource:action` rights gives. Any role at all shows the tenant."""
    rights = frozenset(rights)
    return frozenset(name for name, needed in NEEDS.items() if needed <= rights)
