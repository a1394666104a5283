"""Who gains and who loses by a change of roles, in words, before it is saved."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from orgs.roles.editor import in_order, words_of
from orgs.roles.predefined_permissions import DASHBOARD
from orgs.roles.rights_grid import COLUMNS, action_words
from orgs.roles.state import NOTHING, Effect

NAMED = 3  # people called by name
SPELT = 4  # kinds of rights spelt out


@dataclass(frozen=True)
class EffectLine:
    """ "3 people gain update on 2 tenants", and who they are. `tone`: ok for a gain, bad for a loss."""

    tone: str
    icon: str
    words: str
    who: str


@dataclass(frozen=True)
class Consequence:
    """What a page says before saving. `kept`: how many of those touched neither gain nor lose."""

    lines: list[EffectLine] = field(default_factory=list)
    kept: int = 0

    @property
    def none(self) -> bool:
        return not self.lines


def consequence(
    effects: list[Effect], level: str, names: Mapping, places: Mapping, touched=()
) -> Consequence:
    """The effects in words. `names` of people and `places` by key; those of the places need not be complete.

    `touched`: everyone the change is about, to say how many keep what they have.
    """
    kinds = {
        ("ok", "log-in"): [e for e in effects if not e.before],
        ("ok", "arrow-up"): [e for e in effects if e.before and e.after - e.before],
        ("bad", "arrow-down"): [e for e in effects if e.after and e.before - e.after],
        ("bad", "log-out"): [e for e in effects if not e.after],
    }
    told = [_line(kind, group, level, names, places) for kind, group in kinds.items() if group]
    return Consequence(told, len(set(touched) - {effect.person for effect in effects}))


def _line(
    kind: tuple[str, str], effects: list[Effect], level: str, names: Mapping, places: Mapping
) -> EffectLine:
    tone, icon = kind
    people = {effect.person for effect in effects}
    where = _where({effect.place for effect in effects}, level, places)
    one = len(people) == 1
    if icon == "log-in":
        what = f"{'gets' if one else 'get'} access to {where}"
    elif icon == "log-out":
        what = f"{'loses' if one else 'lose'} all access to {where}"
    else:
        verb = ("gain" if tone == "ok" else "lose") + "s" * one
        what = f"{verb} {rights_in_words(_changed(effects, tone), level)} {_on(where, level)}".rstrip()
    return EffectLine(
        tone, icon, f"{len(people)} {'person' if one else 'people'} {what}", _who(people, names)
    )


def _changed(effects: list[Effect], tone: str) -> frozenset[str]:
    pairs = ((e.after, e.before) if tone == "ok" else (e.before, e.after) for e in effects)
    return NOTHING.union(*(more - less for more, less in pairs))


def _where(found: set, level: str, places: Mapping) -> str:
    if level == "organization":
        return "the organization"
    if len(found) == 1:
        return str(places.get(next(iter(found)), "1 tenant"))
    return f"{len(found)} tenants"


def _on(where: str, level: str) -> str:
    return "" if level == "organization" else f"on {where}"


def _who(people: set, names: Mapping) -> str:
    known = sorted((str(names[person]) for person in people if person in names), key=str.lower)[:NAMED]
    rest = len(people) - len(known)
    if rest and known:
        return f"{', '.join(known)} and {rest} more"
    return joined(known)


def rights_in_words(rights: Iterable[str], level: str) -> str:
    """A set of rights, short: "update", "create, update and share", or what each is called when there are one or two."""
    rights = frozenset(rights)
    if level == "organization" or len(rights) <= 2:
        words = [_quoted(right) for right in in_order(level) if right in rights]
    else:
        words = _actions(rights)
    if len(words) > SPELT:
        return f"{', '.join(words[: SPELT - 1])} and {len(words) - SPELT + 1} more"
    return joined(words)


def _quoted(right: str) -> str:
    return f"“{words_of(right)}”"


def _actions(rights: frozenset[str]) -> list[str]:
    """Kinds of rights in the order of the grid's columns; those about the tenant itself by their own names."""
    pairs = [right.split(":") for right in sorted(rights)]
    kinds = {action for resource, action in pairs if resource not in DASHBOARD}
    special = sorted(action_words(action) for action in kinds - set(COLUMNS))
    own = [action for resource, action in pairs if resource in DASHBOARD]
    named = [action_words(action) if action != "delete" else "delete the tenant" for action in own]
    return [action for action in COLUMNS if action in kinds] + special + named


def joined(words: list[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
