"""Who holds which role where, who is in which team, and what each role may do; and how two such states differ.

What a person may do at a place is everything their roles there give, their own and those of their teams: the rule every
decision follows.
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

NOTHING: frozenset[str] = frozenset()


class Holding(NamedTuple):
    """A role someone holds: `holder` is a key of RolesState.people, `role` one of RolesState.rights."""

    place: Hashable
    holder: Hashable
    role: Hashable


class Effect(NamedTuple):
    """What changes for one person at one place."""

    person: Hashable
    place: Hashable
    before: frozenset[str]
    after: frozenset[str]


@dataclass(frozen=True)
class RolesState:
    holdings: frozenset[Holding]
    people: Mapping[Hashable, frozenset]
    rights: Mapping[Hashable, frozenset[str]]

    def with_rights(self, role, rights: Iterable[str]) -> "RolesState":
        """The role may do exactly this."""
        return replace(self, rights={**self.rights, role: frozenset(rights)})

    def with_roles(self, place, holder, roles: Iterable) -> "RolesState":
        """The holder has exactly these roles at the place."""
        others = {one for one in self.holdings if (one.place, one.holder) != (place, holder)}
        return replace(self, holdings=frozenset(others | {Holding(place, holder, role) for role in roles}))

    def with_more(self, *, rights: Mapping, people: Mapping) -> "RolesState":
        """Roles and holders that no one here has had so far. No one gains or loses by that."""
        return replace(self, rights={**self.rights, **rights}, people={**self.people, **people})


def effective(state: RolesState) -> dict[tuple, frozenset[str]]:
    """(person, place) -> all they may do there. Each combination of roles is put together once."""
    roles: dict[tuple, set] = {}
    for place, holder, role in state.holdings:
        for person in state.people.get(holder, ()):
            roles.setdefault((person, place), set()).add(role)

    @cache
    def union(held: frozenset) -> frozenset[str]:
        return NOTHING.union(*(state.rights.get(role, NOTHING) for role in held))

    return {key: union(frozenset(held)) for key, held in roles.items()}


def compare(before: RolesState, after: RolesState) -> list[Effect]:
    """Everyone for whom something changes, and where."""
    had, has = effective(before), effective(after)
    found = (Effect(*key, had.get(key, NOTHING), has.get(key, NOTHING)) for key in had.keys() | has.keys())
    return [effect for effect in found if effect.before != effect.after]
