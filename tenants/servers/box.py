"""Placeholder of the walls around tenants' programs: the words that other modules use."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from tenants.servers.base import StartFailed


class Kind(StrEnum):
    BUBBLEWRAP = "bubblewrap"
    LANDLOCK = "landlock"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Isolation:
    """How programs of tenants are held on this machine, in words."""

    kind: Kind
    sentence: str
    leaves_open: str = ""
    remedy: str = ""


@cache
def probe() -> Isolation:
    return Isolation(Kind.BUBBLEWRAP, "Tenants are isolated by bubblewrap.")


def chosen(setting: str) -> Isolation:
    """The walls to use. Raises StartFailed when there are none and nobody accepted that."""
    found = probe()
    if setting == "none":
        return Isolation(Kind.NONE, "Tenants are not isolated, as ZENPRO_ISOLATION=none says.")
    if found.kind is Kind.NONE:
        raise StartFailed(f"{found.sentence} {found.remedy}")
    return found
