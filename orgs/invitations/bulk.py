"""Pasted lists: what each line would do, found out without doing it."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from orgs.models import Organization
from orgs.roles.models import Role
from orgs.teams.models import Team
from zenpro_site.common.mailboxes import pasted, why_no_address
from zenpro_site.common.names import without_odd

from .actions import Offer, Result, Sending, reason_against_offer, standings_of

MOST_LINES = 500
HEADINGS = {"email", "e-mail", "mail", "address", "email address", "e-mail address"}
SPACES = re.compile(r"[;\s]+")


class LineState(StrEnum):
    READY = "ready"
    MEMBER = "member"
    INVITED = "invited"
    INVALID = "invalid"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    DUPLICATE = "duplicate"


OUTCOMES = {
    LineState.MEMBER: Sending.MEMBER,
    LineState.INVITED: Sending.INVITED,
    LineState.INVALID: Sending.INVALID,
}


@dataclass
class PastedLine:
    """One address of a pasted list. `role` and `teams`: as written; `offer` and `state` once it was checked."""

    number: int
    address: str
    role: str = ""
    teams: list[str] = field(default_factory=list)
    state: LineState = LineState.READY
    problem: str = ""
    offer: Offer | None = None

    @property
    def is_ready(self) -> bool:
        return self.state == LineState.READY

    @property
    def left_out(self) -> Result:
        return Result(self.address, OUTCOMES.get(self.state, Sending.LEFT_OUT), note=self.problem)


@dataclass(frozen=True)
class Choices:
    """What the inviter may give: roles by slug and name, teams by name. `base`: what every line gets as well."""

    roles: Sequence[Role]
    teams: Sequence[Team]
    base: Offer


def read(text: str) -> list[PastedLine]:
    """Lines of `email, role, team; team`, or of several addresses. Commas or tabs, as spreadsheets copy them."""
    lines = []
    for number, row in enumerate(without_odd(text).splitlines(), start=1):
        cells = _cells(row)
        if not any(cells) or (not lines and cells[0].lower() in HEADINGS):
            continue
        if len(cells) > 1 and all("@" in cell for cell in cells if cell):
            lines += [PastedLine(number, pasted(cell)) for cell in cells if cell]
        else:
            teams = [team.strip() for cell in cells[2:] for team in cell.split(";") if team.strip()]
            lines.append(PastedLine(number, pasted(cells[0]), " ".join(cells[1:2]), teams))
    return lines


def _cells(row: str) -> list[str]:
    mark = next((mark for mark in "\t,;" if mark in row), ",")
    cells = next(csv.reader([row], delimiter=mark, skipinitialspace=True), [""])
    if mark in row and len(cells) == 1:
        cells = row.replace('"', "").split(mark)  # a quotation mark that nothing closes
    parts = [part for cell in cells for part in (SPACES.split(cell) if cell.count("@") > 1 else [cell])]
    return [part.strip() for part in parts] or [""]


def check(
    lines: Sequence[PastedLine], organization: Organization, choices: Choices, inviter
) -> Sequence[PastedLine]:
    """Set offer, state and problem of each line. Reads only; as many queries for any number of lines."""
    standings = standings_of(organization, [line.address for line in lines])
    seen, offers = {}, {}
    for line in lines:
        _fill(line, choices)
        _stand(line, standings, seen)
        if line.is_ready:
            line.offer, line.problem = _same(line.offer, organization, inviter, offers)
            line.state = LineState.REFUSED if line.problem else LineState.READY
    return lines


def _fill(line: PastedLine, choices: Choices) -> None:
    """The offer, from the words of the line."""
    role = _named(line.role, choices.roles, "name", "slug") if line.role else choices.base.role
    teams = [_named(word, choices.teams, "label") for word in line.teams]
    if role is None:
        line.state, line.problem = LineState.UNKNOWN, f"There is no role “{line.role}” that you can assign."
    elif None in teams:
        name = line.teams[teams.index(None)]
        line.state, line.problem = LineState.UNKNOWN, f"There is no team “{name}” that you can add people to."
    else:
        together = list(dict.fromkeys([*choices.base.teams, *teams]))
        line.offer = Offer(role, together, choices.base.tenant_roles)


def _named(word: str, things: Sequence, *names: str):
    """The thing of that name; in other letters when nothing is written exactly so."""
    for alike in (str, str.lower):
        for thing in things:
            if any(alike(getattr(thing, name)) == alike(word) for name in names):
                return thing
    return None


def _stand(line: PastedLine, standings: dict, seen: dict[str, PastedLine]) -> None:
    """What keeps the address itself from being invited; it outweighs a wrong role."""
    outcome = standings[line.address].outcome
    first = seen.setdefault(line.address, line)
    if reason := why_no_address(line.address):
        line.state, line.problem = LineState.INVALID, reason
    elif first is not line:
        line.state, line.problem = LineState.DUPLICATE, f"The same address is on line {first.number}."
    elif outcome:
        line.state, line.problem = LineState(outcome.value), ""


def _same(offer: Offer, organization: Organization, inviter, offers: dict) -> tuple[Offer, str]:
    """The first offer equal to this one, and why it may not be made: asked once for all lines that get the same."""
    key = (offer.role.pk, *(team.pk for team in offer.teams))
    if key not in offers:
        offers[key] = offer, reason_against_offer(inviter, organization, offer)
    return offers[key]
