"""What ZenPro's account on the database server has to be allowed, and what of it it is not."""

from __future__ import annotations

import re

from tenants.hosting.kubernetes.database_names import RIGHTS
from tenants.hosting.kubernetes.database_server import DatabaseServer

NEEDED = (*RIGHTS, "CREATE USER")
PASSING_ON = "GRANT OPTION"
EVERYTHING = re.compile(r"GRANT (.+) ON \*\.\* TO .*", re.DOTALL)
ROLE = re.compile(r"GRANT [`'][^ ]+ TO ")


def lacking(server: DatabaseServer) -> list[str]:
    """Asks for its grants and changes nothing. Rights that come with a role can't be told: then nothing is said.

    Raises SupervisorGone and DatabaseRefused.
    """
    with server.session() as run:
        found = [str(line) for (line, *_) in run("SHOW GRANTS")]
    if any(ROLE.match(line) for line in found):
        return []
    given, can_pass_on = _given(found)
    missing = [] if "ALL PRIVILEGES" in given else [one for one in NEEDED if one not in given]
    return missing if can_pass_on else [*missing, PASSING_ON]


def _given(lines: list[str]) -> tuple[set[str], bool]:
    """(rights on all databases, can they be given to others?)"""
    found = [match for match in map(EVERYTHING.fullmatch, lines) if match]
    given = {right.strip() for match in found for right in match[1].split(",")}
    return given, any(f"WITH {PASSING_ON}" in match[0] for match in found)
