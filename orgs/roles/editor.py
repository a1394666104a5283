"""The grid in which a role's rights are ticked: its boxes, what ticks mean, and how it differs from another role.

Columns and groups have a box of their own that stands for all below it. HTML tells whether it is ticked, not whether
someone ticked it, so the page also sends which of them were ticked when it was made.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

from django.utils.text import slugify

from orgs.permissions import Permission
from orgs.roles.predefined_permissions import (
    ALWAYS,
    DASHBOARD,
    actions_of,
    complete,
    rights_that_exist,
)
from orgs.roles.rights_grid import (
    COLUMNS,
    ICONS,
    ORGANIZATION_GROUPS,
    ORGANIZATION_WORDS,
    TENANT_GROUPS,
    action_words,
    resource_words,
)

from .models import Role

ALLOWED = "allowed"
EVERYWHERE = "all"


@dataclass(frozen=True)
class Place:
    """A row of the grid: which right stands in which column, and those that have no column."""

    words: str
    columns: dict[str, str]
    special: tuple[str, ...] = ()


@dataclass(frozen=True)
class TickBox:
    """A tick box. `had`: ticked in what is stored; `locked`: it cannot be changed, for this reason."""

    value: str
    words: str
    given: bool
    had: bool = False
    locked: str = ""
    mixed: bool = False

    @property
    def id(self) -> str:
        return f"box-{slugify(self.value.replace(':', '-').replace('/', '-'))}"

    @property
    def short(self) -> str:
        """Its action alone, for a box with words beside it."""
        return action_words(self.value.partition(":")[2]).capitalize()

    @property
    def change(self) -> str:
        return "" if self.given == self.had else "added" if self.given else "removed"

    @property
    def label(self) -> str:
        """What a screen reader says: "Update models, will be added"."""
        told = f"will be {self.change}" if self.change else self.locked
        return f"{self.words}, {told}" if told else self.words


@dataclass(frozen=True)
class RightsLine:
    words: str
    boxes: list[TickBox | None]
    special: list[TickBox]


@dataclass(frozen=True)
class Section:
    slug: str
    name: str
    icon: str
    lines: list[RightsLine]
    heads: list[TickBox | None]
    folded: bool


@dataclass(frozen=True)
class Difference:
    words: str
    more: bool
    unsaved: bool


@dataclass
class RightsEditor:
    """All the page needs to show a role's rights, with ticks that are not saved."""

    role: Role
    chosen: frozenset[str]
    why_locked: str = ""
    folded: Iterable[str] = ()
    had: frozenset[str] = field(init=False)
    inherited: frozenset[str] = field(init=False)
    fixed: frozenset[str] = field(init=False)
    given: frozenset[str] = field(init=False)

    def __post_init__(self):
        self.had, self.inherited = self.role.rights, self.role.inherited
        self.fixed = self.inherited | ALWAYS[self.role.level]
        self.given = complete(self.role.level, self.chosen | self.inherited) if self.pending else self.had

    @property
    def pending(self) -> bool:
        return self.chosen != self.had

    @property
    def added(self) -> list[str]:
        return self.told(self.given - self.had)

    @property
    def removed(self) -> list[str]:
        return self.told(self.had - self.given)

    @property
    def implied(self) -> list[str]:
        """Rights that were not ticked but that others need."""
        return self.told(self.given - self.chosen - self.fixed)

    @property
    def number(self) -> int:
        return len(self.given ^ self.had)

    @property
    def columns(self) -> list[tuple[str, TickBox]]:
        return [
            (words, self._head(EVERYWHERE, column, words, "all resources"))
            for column, words in columns_of(self.role.level)
        ]

    @property
    def sections(self) -> list[Section]:
        return [self._section(name, icon, places) for (name, icon), places in layout(self.role.level).items()]

    def differences(self, other: Role) -> list[Difference]:
        """What it may do that `other` may not, and the other way round, in the order of the grid."""
        theirs, found = other.rights, []
        for right in in_order(self.role.level):
            if (right in self.given) != (right in theirs):
                more = right in self.given
            elif right in self.had - self.given:
                more = False
            else:
                continue
            unsaved = (right in self.given) != (right in self.had)
            found.append(Difference(words_of(right), more, unsaved))
        return found

    def told(self, rights: frozenset[str]) -> list[str]:
        return [words_of(right) for right in in_order(self.role.level) if right in rights]

    def _section(self, name: str, icon: str, places: tuple[Place, ...]) -> Section:
        slug = slugify(name)
        heads = []
        if len(places) > 1:
            heads = [
                self._head(slug, column, words, name.lower()) for column, words in columns_of(self.role.level)
            ]
        lines = [self._line(place) for place in places]
        return Section(slug, name, icon, lines, heads, slug in self.folded)

    def _line(self, place: Place) -> RightsLine:
        columns = [place.columns.get(column) for column, _ in columns_of(self.role.level)]
        boxes = [right and self._box(right) for right in columns]
        return RightsLine(place.words, boxes, [self._box(right) for right in place.special])

    def _box(self, right: str) -> TickBox:
        locked = self.why_locked
        if not locked and right in self.fixed:
            locked = f"from {self.role.base}" if right in self.inherited else "every role has it"
        return TickBox(right, words_of(right), right in self.given, right in self.had, locked)

    def _head(self, scope: str, column: str, words: str, of: str) -> TickBox | None:
        key = f"{scope}/{column}"
        below = heads(self.role.level).get(key)
        if not below:
            return None
        given = below & self.given
        locked = self.why_locked or ("" if below - self.fixed else "can't be changed")
        every, some = given == below, bool(given)
        return TickBox(key, f"{words} {of}", every, every, locked, mixed=some and not every)


def ticked(data, role: Role) -> frozenset[str]:
    """The rights that a posted grid means. `data` is the QueryDict; unknown rights stay in, for the action to refuse."""
    rights = set(data.getlist("right"))
    now, was = set(data.getlist("all")), set(data.getlist("was"))
    below = heads(role.level)
    for key in now - was:
        rights |= below.get(key, frozenset())
    for key in was - now:
        rights -= below.get(key, frozenset())
    return frozenset(rights) | role.inherited | ALWAYS[role.level]


def known(role: Role, rights: Iterable[str]) -> frozenset[str]:
    return frozenset(rights) & rights_that_exist(role.level)


def nearest(rights: frozenset[str], roles: Iterable[Role]) -> Role:
    """The role that differs least, to compare one with that is built on none."""
    return min(roles, key=lambda role: len(role.rights ^ rights))


@cache
def layout(level: str) -> dict[tuple[str, str], tuple[Place, ...]]:
    """(group, icon) -> its rows."""
    if level == Role.Level.ORGANIZATION:
        return {
            (name, icon): tuple(Place(ORGANIZATION_WORDS[right], {ALLOWED: str(right)}) for right in rights)
            for (name, icon), rights in ORGANIZATION_GROUPS.items()
        }
    return {
        (group, ICONS[group]): tuple(_place(resource) for resource in resources)
        for group, resources in sorted(TENANT_GROUPS.items(), key=lambda item: item[1] == tuple(DASHBOARD))
    }


def _place(resource: str) -> Place:
    actions = actions_of(resource)
    columns = {action: f"{resource}:{action}" for action in actions if action in COLUMNS}
    columns = {} if resource in DASHBOARD else columns
    special = tuple(f"{resource}:{action}" for action in actions if action not in columns)
    return Place(resource_words(resource).capitalize(), columns, special)


def columns_of(level: str) -> list[tuple[str, str]]:
    if level == Role.Level.ORGANIZATION:
        return [(ALLOWED, "Allowed")]
    return [(action, action.capitalize()) for action in COLUMNS]


@cache
def heads(level: str) -> dict[str, frozenset[str]]:
    """ "models/update" and "all/update" -> the rights below that box."""
    found: dict[str, set[str]] = {}
    for (name, _), places in layout(level).items():
        for place in places:
            for column, right in place.columns.items():
                for scope in (EVERYWHERE, slugify(name)):
                    found.setdefault(f"{scope}/{column}", set()).add(right)
    return {key: frozenset(rights) for key, rights in found.items()}


@cache
def in_order(level: str) -> tuple[str, ...]:
    """Every right, as the grid lists them."""
    return tuple(
        right
        for places in layout(level).values()
        for place in places
        for right in (*place.columns.values(), *place.special)
    )


def words_of(right: str) -> str:
    """ "model:update" -> "Update models"; rights of the organization have a sentence."""
    if right in set(Permission):
        return ORGANIZATION_WORDS[Permission(right)]
    resource, _, action = right.partition(":")
    if resource in DASHBOARD:
        return f"The tenant: {action_words(action)}"
    words = action_words(action)
    of = " of" if words == "read values" else ""
    return f"{words}{of} {resource_words(resource)}".capitalize()
