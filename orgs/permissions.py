"""Names of the rights at organization level. The question is always orgs.access.gate.can(user, Permission.X, org)."""

from enum import StrEnum


class Permission(StrEnum):
    """`resource:action`, as stored in a custom role's permission rows."""

    ORGANIZATION_VIEW = "organization:view"
    ORGANIZATION_CHANGE = "organization:change"
    ORGANIZATION_DELETE = "organization:delete"
    MEMBER_VIEW = "member:view"
    MEMBER_MANAGE = "member:manage"
    INVITATION_MANAGE = "invitation:manage"
    TEAM_VIEW = "team:view"
    TEAM_MANAGE = "team:manage"
    ROLE_VIEW = "role:view"
    ROLE_MANAGE = "role:manage"
    TENANT_CREATE = "tenant:create"
    TENANT_MANAGE_JOINED = "tenant:manage_joined"
    TENANT_MANAGE_ALL = "tenant:manage_all"
    AUDIT_VIEW = "audit:view"

    @property
    def deed(self) -> str:
        """What it allows, to go after "You can't", with {} for where."""
        return DEEDS[self]


DEEDS: dict[Permission, str] = {
    Permission.ORGANIZATION_VIEW: "open {}",
    Permission.ORGANIZATION_CHANGE: "change the settings of {}",
    Permission.ORGANIZATION_DELETE: "delete {}",
    Permission.MEMBER_VIEW: "see members in {}",
    Permission.MEMBER_MANAGE: "manage members in {}",
    Permission.INVITATION_MANAGE: "invite people to {}",
    Permission.TEAM_VIEW: "see all teams in {}",
    Permission.TEAM_MANAGE: "manage teams in {}",
    Permission.ROLE_VIEW: "see roles in {}",
    Permission.ROLE_MANAGE: "manage roles in {}",
    Permission.TENANT_CREATE: "create tenants in {}",
    Permission.TENANT_MANAGE_JOINED: "manage tenants in {}",
    Permission.TENANT_MANAGE_ALL: "manage all tenants in {}",
    Permission.AUDIT_VIEW: "see the audit log of {}",
}
