"""Every right of every role on one page, to print: read from the rows every decision reads."""

from collections.abc import Iterable
from dataclasses import dataclass

from orgs.roles.predefined_permissions import DASHBOARD, actions_of
from orgs.roles.rights_grid import (
    ICONS,
    ORGANIZATION_GROUPS,
    TENANT_GROUPS,
    action_words,
    resource_words,
)

from .editor import words_of
from .models import Role

AT_ONCE = 7  # roles beside each other on a sheet
LETTERS = {
    "read": "R",
    "create": "C",
    "update": "U",
    "delete": "D",
    "share": "S",
    "read_secret_value": "V",
    "backup_restore": "B",
    "client": "X",
    "promote": "P",
    "prune": "N",
    "attach": "A",
}


@dataclass(frozen=True)
class Mark:
    """One right of one role: `letter` stands for its action, a tick for rights that have none."""

    right: str
    letter: str
    words: str
    given: bool


@dataclass(frozen=True)
class PrintedLine:
    words: str
    cells: list[list[Mark]]

    @property
    def told(self) -> list[str]:
        """What each role may, in words, for those who hear the table."""
        return [", ".join(mark.words for mark in cell if mark.given) or "nothing" for cell in self.cells]

    @property
    def pairs(self) -> list[tuple[list[Mark], str]]:
        return list(zip(self.cells, self.told, strict=True))


@dataclass(frozen=True)
class PrintedGroup:
    name: str
    icon: str
    lines: list[PrintedLine]


@dataclass(frozen=True)
class Sheet:
    """Some roles of one level with all groups."""

    roles: list[Role]
    groups: list[PrintedGroup]


def sheets(roles: Iterable[Role], level: str) -> list[Sheet]:
    """The roles, a few at a time. Needs their `permissions` prefetched to make no query."""
    roles = list(roles)
    parts = [roles[start : start + AT_ONCE] for start in range(0, len(roles), AT_ONCE)]
    groups = _of_organization if level == Role.Level.ORGANIZATION else _of_tenants
    return [Sheet(part, groups([role.rights for role in part])) for part in parts]


def legend() -> list[tuple[str, str]]:
    return [(letter, action_words(action)) for action, letter in LETTERS.items()]


def _of_organization(given: list[frozenset[str]]) -> list[PrintedGroup]:
    return [
        PrintedGroup(name, icon, [_single(str(right), given) for right in rights])
        for (name, icon), rights in ORGANIZATION_GROUPS.items()
    ]


def _of_tenants(given: list[frozenset[str]]) -> list[PrintedGroup]:
    groups = sorted(TENANT_GROUPS.items(), key=lambda item: item[1] == tuple(DASHBOARD))
    return [
        PrintedGroup(name, ICONS[name], [line for resource in resources for line in _lines(resource, given)])
        for name, resources in groups
    ]


def _lines(resource: str, given: list[frozenset[str]]) -> list[PrintedLine]:
    if resource in DASHBOARD:
        return [_single(f"{resource}:{action}", given) for action in actions_of(resource)]
    cells = [[_mark(resource, action, rights) for action in actions_of(resource)] for rights in given]
    return [PrintedLine(resource_words(resource).capitalize(), cells)]


def _single(right: str, given: list[frozenset[str]]) -> PrintedLine:
    words = words_of(right).removeprefix("The tenant: ")
    return PrintedLine(
        words[:1].upper() + words[1:], [[Mark(right, "", "yes", right in rights)] for rights in given]
    )


def _mark(resource: str, action: str, rights: frozenset[str]) -> Mark:
    right = f"{resource}:{action}"
    return Mark(right, LETTERS[action], action_words(action), right in rights)
