"""What the predefined roles may do: the only place where it is written down.

A right is `resource:action`. Organization roles use orgs.permissions.Permission. Tenant roles use the resource types and
actions of the ZenML server (protocol §6), plus `tenant:*` for the tenant itself in this dashboard.
"""

from collections.abc import Iterable
from functools import lru_cache

from orgs.permissions import Permission

CREATE, READ, UPDATE, DELETE, SHARE = "create", "read", "update", "delete", "share"
ATTACH = "attach"  # link someone else's component into a stack; asked since 0.99
ALL = (CREATE, READ, UPDATE, DELETE, SHARE)
EXTRA_ACTIONS = {
    "secret": ("read_secret_value", "backup_restore"),
    "service_connector": ("read_secret_value", "client"),
    "model": ("promote",),
    "artifact_version": ("prune",),
    "stack_component": (ATTACH,),
}
GROUPS: dict[str, tuple[str, ...]] = {
    "Pipelines & runs": (
        "pipeline",
        "pipeline_run",
        "pipeline_deployment",
        "pipeline_build",
        "schedule",
        "trigger",
        "trigger_execution",
        "event_source",
        "action",
        "webhook",
        "run_metadata",
    ),
    "Templates": ("run_template",),
    "Artifacts": ("artifact", "artifact_version"),
    "Models": ("model", "model_version"),
    "Deployments": ("deployment", "service"),
    "Stacks & components": ("stack", "stack_component", "flavor", "code_repository"),
    "Connectors": ("service_connector",),
    "Secrets": ("secret",),
    "Projects": ("project",),
    "Service accounts": ("service_account",),
    "Tags": ("tag",),
}
DASHBOARD = {"tenant": ("view", "change", "delete", "manage_access")}
WORK = tuple(
    resource
    for group in ("Pipelines & runs", "Templates", "Artifacts", "Models", "Deployments")
    for resource in GROUPS[group]
)
STACKS = GROUPS["Stacks & components"] + GROUPS["Connectors"]
RESOURCES = tuple(resource for group in GROUPS.values() for resource in group)


def actions_of(resource: str) -> tuple[str, ...]:
    """The actions that exist for a resource type, in the order of the grid's columns."""
    if resource in DASHBOARD:
        return DASHBOARD[resource]
    return ALL + EXTRA_ACTIONS.get(resource, ())


# Unknown types with such names are answered as secrets are.
_SECRETIVE = ("secret", "credential", "key", "token", "password")


def is_known(resource: str, action: str) -> bool:
    """Does a server of today ask for this action on this type?"""
    return resource in RESOURCES and action in actions_of(resource)


@lru_cache(maxsize=2000)  # both come from servers: any number of them
def nearest(resource: str, action: str) -> tuple[str, str]:
    """The known (type, action) that answers for what a newer server asks; the same for what is known.

    A type by its name, else as pipelines; an action on it as update, what is called delete as delete.
    """
    kind = resource if resource in RESOURCES else _neighbour(resource)
    if action in actions_of(kind):
        return kind, action
    return kind, DELETE if action.startswith(DELETE) else UPDATE


def _neighbour(resource: str) -> str:
    if any(word in resource for word in _SECRETIVE):
        return "secret"
    words = set(resource.split("_"))
    alike = {known: len(words & set(known.split("_"))) for known in RESOURCES}
    best = max(alike, key=alike.get)  # of several the first: groups begin with the thing itself
    return best if alike[best] else "pipeline"


def _rights(resources: Iterable[str], actions: Iterable[str]) -> set[str]:
    return {f"{resource}:{action}" for resource in resources for action in actions}


def _everything() -> set[str]:
    resources = (*RESOURCES, *DASHBOARD)
    return {f"{resource}:{action}" for resource in resources for action in actions_of(resource)}


# Anyone with a role can see what it is on, so each role of the level has it.
ALWAYS = {
    "organization": frozenset({str(Permission.ORGANIZATION_VIEW)}),
    "tenant": frozenset({"tenant:view"}),
}
# In the organization, those who manage something can see all of it.
_SEE_FIRST = {
    str(Permission.MEMBER_MANAGE): str(Permission.MEMBER_VIEW),
    str(Permission.TEAM_MANAGE): str(Permission.TEAM_VIEW),
    str(Permission.ROLE_MANAGE): str(Permission.ROLE_VIEW),
}

# A run is started from a snapshot, which the same person creates.
RUN, SNAPSHOT = "pipeline_run:create", "pipeline_deployment:create"


def rights_that_exist(level: str) -> frozenset[str]:
    """Every right that a role of the level ("organization" or "tenant") can have."""
    return frozenset(map(str, Permission)) if level == "organization" else frozenset(_everything())


def complete(level: str, rights: Iterable[str]) -> frozenset[str]:
    """The rights and those they need: what every role has, and reading for what is done to existing objects."""
    rights = frozenset(rights) | ALWAYS[level]
    if level == "organization":
        return rights | {_SEE_FIRST[right] for right in rights & set(_SEE_FIRST)}
    if RUN in rights:
        rights |= {SNAPSHOT}
    pairs = [right.split(":") for right in rights]
    return rights | {f"{kind}:{READ}" for kind, action in pairs if kind not in DASHBOARD and action != CREATE}


# What a run leaves behind is created with the rights of whoever started it: without these its steps fail.
RUN_OUTPUTS = ("artifact", "artifact_version", "run_metadata", "model", "model_version")
_SEEN = {"tenant:view"}
_READ_ALL = _SEEN | _rights(RESOURCES, [READ])
_CLIENT = {"service_connector:client"}

TENANT_ROLES: dict[str, tuple[str, str, frozenset[str]]] = {
    "admin": (
        "Admin",
        "Can do everything in the tenant, including its members and settings.",
        frozenset(_everything()),
    ),
    "developer": (
        "Developer",
        "Can create, read, change and share; can delete only their own.",
        frozenset(
            _READ_ALL
            | _CLIENT
            | _rights(WORK, [CREATE, READ, UPDATE, SHARE])
            | {"model:promote"}
            | _rights([*STACKS, "secret", "tag"], [CREATE, READ, UPDATE])
            | {"secret:read_secret_value", f"stack_component:{ATTACH}"}
        ),
    ),
    "editor": (
        "Editor",
        "Can create, read and share; can't change what others own.",
        frozenset(
            _READ_ALL
            | _CLIENT
            | _rights(WORK, [CREATE, READ, SHARE])
            | _rights(STACKS, [CREATE, READ, SHARE])
            | {"secret:create"}
        ),
    ),
    "operator": (
        "Operator",
        "Can read everything and run templates, nothing else.",
        frozenset(
            _READ_ALL | _CLIENT | _rights(["pipeline_run", "pipeline_deployment", *RUN_OUTPUTS], [CREATE])
        ),
    ),
    "viewer": (
        "Viewer",
        "Can only read; sees the names of secrets, not their values.",
        frozenset(_READ_ALL),
    ),
}

_MEMBER = {Permission.ORGANIZATION_VIEW}
_VIEWER = _MEMBER | {Permission.MEMBER_VIEW, Permission.TEAM_VIEW, Permission.ROLE_VIEW}
_EDITOR = _VIEWER | {Permission.TEAM_MANAGE, Permission.TENANT_CREATE, Permission.TENANT_MANAGE_JOINED}

ORG_ROLES: dict[str, tuple[str, str, frozenset[str]]] = {
    "admin": ("Admin", "Can manage members, teams, roles and every tenant.", frozenset(Permission)),
    "editor": ("Editor", "Can create and manage tenants and teams.", frozenset(_EDITOR)),
    "viewer": (
        "Viewer",
        "Can see the organization; tenants only where they have a role.",
        frozenset(_VIEWER),
    ),
    "member": (
        "Member",
        "Can see the tenants and teams they belong to. Best for most people.",
        frozenset(_MEMBER),
    ),
}
