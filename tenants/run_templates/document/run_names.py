"""Names of re-runs, built from a template that the tenant's server sent.

Plain replacement and nothing else: str.format would read attributes (`{date.__class__}`), raise for words it does not
know and write eighty million blanks for `{date:>80000000}`.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

LENGTH = 250  # characters; ZenML's column holds 255
READ = 1000  # characters of a template that are looked at
READABLE = 200  # characters of a template that are kept
DATE, TIME = "%Y_%m_%d", "%H_%M_%S_%f"
WORD = re.compile(r"\{([A-Za-z0-9_]{1,100})\}")


def expand(template: str, words: Mapping[str, str], now: datetime) -> str:
    """One printable line of at most LENGTH characters; `now` in UTC.

    `{date}` and `{time}` as ZenML writes them, `words` by what they stand for; all else stays as it is. A name that
    is too long is cut and ends with the time, so that the next one differs.
    """
    name = one_line(_filled(template, words, now))
    if len(name) > LENGTH or len(template) > READ:
        time = now.strftime(TIME)
        name = f"{name[: LENGTH - len(time) - 1]}-{time}"
    return name


def length(template: str, words: Mapping[str, str]) -> int:
    """How long a name would be that no one cuts; more than LENGTH for a template longer than READ."""
    return len(_filled(template, words, datetime(2000, 1, 1))) + len(template[READ:])


def template_of(*candidates: Any) -> str:
    """The first of the candidates that can be a name: one line, short enough for `{date}` and `{time}` behind it."""
    names = (one_line(text[:READ])[:READABLE] for text in candidates if isinstance(text, str))
    return next(filter(None, names), "")


def _filled(template: str, words: Mapping[str, str], now: datetime) -> str:
    known = {name: value[: LENGTH + 1] for name, value in words.items()}
    known |= {"date": now.strftime(DATE), "time": now.strftime(TIME)}
    return WORD.sub(lambda found: known.get(found[1], found[0]), template[:READ])


def one_line(text: str) -> str:
    """The text without characters that no name may hold: controls, line ends, halves of characters."""
    return "".join(filter(str.isprintable, text)).strip()
