"""Names of the rights at organization level. The question is always orgs.access.can(user, Permission.X, org)."""

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
