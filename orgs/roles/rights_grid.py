"""Rights in words, for the roles page: which rows and columns there are, and what a cell says."""

from collections.abc import Iterable
from dataclasses import dataclass

from orgs.permissions import Permission
from orgs.roles.predefined_permissions import (
    CREATE,
    DASHBOARD,
    DELETE,
    EXTRA_ACTIONS,
    GROUPS,
    READ,
    SHARE,
    UPDATE,
    actions_of,
)

ORGANIZATION_WORDS: dict[Permission, str] = {
    Permission.ORGANIZATION_VIEW: "See the organization, their own teams and tenants",
    Permission.MEMBER_VIEW: "See all members",
    Permission.TEAM_VIEW: "See all teams",
    Permission.ROLE_VIEW: "See roles and their rights",
    Permission.TEAM_MANAGE: "Create and change teams, add and remove their members",
    Permission.TENANT_CREATE: "Create tenants and become their Admin",
    Permission.TENANT_MANAGE_JOINED: "Change settings of tenants they belong to",
    Permission.TENANT_MANAGE_ALL: "See every tenant, manage its settings and members, join it with any role",
    Permission.INVITATION_MANAGE: "Invite people",
    Permission.MEMBER_MANAGE: "Change members’ roles, remove members",
    Permission.ROLE_MANAGE: "Create and change custom roles",
    Permission.AUDIT_VIEW: "Read the audit log",
    Permission.ORGANIZATION_CHANGE: "Change the organization’s name and description",
    Permission.ORGANIZATION_DELETE: "Delete the organization",
}
ORGANIZATION_GROUPS: dict[tuple[str, str], tuple[Permission, ...]] = {
    ("Organization", "building-2"): (
        Permission.ORGANIZATION_VIEW,
        Permission.ORGANIZATION_CHANGE,
        Permission.ORGANIZATION_DELETE,
        Permission.AUDIT_VIEW,
    ),
    ("People", "users"): (
        Permission.MEMBER_VIEW,
        Permission.MEMBER_MANAGE,
        Permission.INVITATION_MANAGE,
    ),
    ("Teams", "users-round"): (Permission.TEAM_VIEW, Permission.TEAM_MANAGE),
    ("Roles", "shield-check"): (Permission.ROLE_VIEW, Permission.ROLE_MANAGE),
    ("Tenants", "server"): (
        Permission.TENANT_CREATE,
        Permission.TENANT_MANAGE_JOINED,
        Permission.TENANT_MANAGE_ALL,
    ),
}
COLUMNS = (READ, CREATE, UPDATE, DELETE, SHARE)
ICONS = {
    "Pipelines & runs": "workflow",
    "Templates": "layout-template",
    "Artifacts": "boxes",
    "Models": "brain-circuit",
    "Deployments": "rocket",
    "Stacks & components": "layers",
    "Connectors": "plug",
    "Secrets": "lock",
    "Projects": "folder",
    "Service accounts": "bot",
    "Tags": "tag",
    "The tenant itself": "server",
}
RESOURCE_WORDS = {
    "pipeline_deployment": "snapshots",
    "pipeline_build": "builds",
    "run_template": "templates",
    "run_metadata": "run metadata",
    "stack_component": "components",
    "service_connector": "connectors",
    "code_repository": "code repositories",
    "tenant": "tenant",
}
ACTION_WORDS = {
    "read_secret_value": "read values",
    "backup_restore": "back up",
    "client": "use",
    "attach": "attach",
    "view": "see it",
    "change": "change settings",
    "manage_access": "manage members",
}
TENANT_GROUPS: dict[str, tuple[str, ...]] = {"The tenant itself": tuple(DASHBOARD), **GROUPS}


@dataclass(frozen=True)
class RightCell:
    words: str
    given: bool


@dataclass(frozen=True)
class RightsRow:
    resource: str
    cells: list[RightCell]
    special: list[RightCell]


def resource_words(resource: str) -> str:
    """ "pipeline_run" -> "pipeline runs"."""
    return RESOURCE_WORDS.get(resource) or resource.replace("_", " ") + "s"


def action_words(action: str) -> str:
    return ACTION_WORDS.get(action) or action.replace("_", " ")


def summary(rights: Iterable[str], resources: Iterable[str]) -> str:
    """What a set of rights may do with a group of resource types: "All", "Read", "Read, create runs", or ""."""
    rights, resources = frozenset(rights), tuple(resources)
    existing = [f"{resource}:{action}" for resource in resources for action in actions_of(resource)]
    if all(right in rights for right in existing):
        return "Everything"
    parts = [_action_summary(action, rights, resources) for action in _actions(resources)]
    return ", ".join(filter(None, parts)).capitalize()


def _actions(resources: tuple[str, ...]) -> list[str]:
    found = dict.fromkeys(action for resource in resources for action in actions_of(resource))
    known = [action for action in COLUMNS if action in found]
    return known + [action for action in found if action not in known]


def _action_summary(action: str, rights: frozenset[str], resources: tuple[str, ...]) -> str:
    possible = [resource for resource in resources if action in actions_of(resource)]
    given = [resource for resource in possible if f"{resource}:{action}" in rights]
    if not given:
        return ""
    if len(given) == len(possible):
        return action_words(action)
    return f"{action_words(action)} {' and '.join(resource_words(resource) for resource in given)}"


def grid(rights: Iterable[str]) -> dict[str, list[RightsRow]]:
    """Every resource type of every group with a cell for each action, for one role of a tenant."""
    rights = frozenset(rights)
    return {group: [_row(resource, rights) for resource in resources] for group, resources in GROUPS.items()}


def _row(resource: str, rights: frozenset[str]) -> RightsRow:
    cells = [_cell(resource, action, rights) for action in COLUMNS]
    special = [_cell(resource, action, rights) for action in EXTRA_ACTIONS.get(resource, ())]
    return RightsRow(resource_words(resource), cells, special)


def _cell(resource: str, action: str, rights: frozenset[str]) -> RightCell:
    return RightCell(action_words(action), f"{resource}:{action}" in rights)
