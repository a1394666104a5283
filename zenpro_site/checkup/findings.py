"""What a check found: how bad it is, a sentence, and what to do."""

from dataclasses import dataclass
from enum import StrEnum

from django.conf import settings

WORDS_LENGTH = 300


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"  # works, and should be known
    PROBLEM = "problem"  # does not work, or lets someone in


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a check. `remedy`: what to do, "" when nothing is."""

    level: Level
    text: str
    remedy: str = ""


def ok(text: str) -> Finding:
    return Finding(Level.OK, text)


def warning(text: str, remedy: str = "") -> Finding:
    return Finding(Level.WARNING, text, remedy)


def problem(text: str, remedy: str = "") -> Finding:
    return Finding(Level.PROBLEM, text, remedy)


def words_of(error: Exception) -> str:
    """The first line of what an error says, without any secret of ours that a library put into it."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    words = lines[0]
    for secret in _secrets():
        words = words.replace(secret, "…")
    return words[:WORDS_LENGTH]


def _secrets() -> list[str]:
    found = [settings.SECRET_KEY, *settings.ZENPRO_SECRET_KEYS, settings.EMAIL_HOST_PASSWORD]
    found += [database.get("PASSWORD") or "" for database in settings.DATABASES.values()]
    return sorted(filter(None, found), key=len, reverse=True)
