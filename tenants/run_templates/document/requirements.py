"""What a template may ask for besides ZenML: names of packages with extras, versions and markers."""

import re

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

MAX_LINES = 500
MAX_LENGTH = 500  # of one line
SHOWN = 60

# What uv or pip would take, each with why it is not for a template. The first that fits is told.
FOREIGN = (
    (re.compile(r"^-|\s--"), "options are not supported, only packages."),
    (re.compile(r"@|:/"), "URLs are not supported, only packages from the index."),
    (re.compile(r"\$"), "variables are not supported."),
    (re.compile(r"^[.~]|[/\\]"), "paths are not supported, only packages."),
    (re.compile("==="), "“===” is not supported, use “==”."),
)


class RequirementsRefused(ValueError):
    """A line that may not be in a template's requirements; the message is for people."""


def lines_of(requirements: str) -> list[tuple[int, str]]:
    """Requirements with the number of their line, without comments and empty lines."""
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in requirements.splitlines())
    return [(number, line) for number, line in enumerate(lines, 1) if line]


def parsed(requirements: str) -> list[str]:
    """Each requirement in its one normal form, sorted: what uv is given is what was understood here.

    Raises RequirementsRefused, which names the line.
    """
    lines = lines_of(requirements)
    if len(lines) > MAX_LINES:
        raise RequirementsRefused(f"There are more than {MAX_LINES} requirements.")
    return sorted({_parse(number, line) for number, line in lines})


def check_requirements(requirements: str) -> None:
    """Raises RequirementsRefused for a line that is not a package with versions."""
    parsed(requirements)


def _parse(number: int, line: str) -> str:
    try:
        return _normal(line)
    except RequirementsRefused as error:
        raise RequirementsRefused(f"Line {number} (“{_shown(line)}”): {error}") from error


def _normal(line: str) -> str:
    if len(line) > MAX_LENGTH:
        raise RequirementsRefused(f"it is longer than {MAX_LENGTH} characters.")
    for pattern, reason in FOREIGN:
        if pattern.search(line):
            raise RequirementsRefused(reason)
    try:
        return _written(Requirement(line))
    except (InvalidRequirement, RecursionError) as error:
        raise RequirementsRefused("it is not a package name, with or without versions.") from error


def _written(requirement: Requirement) -> str:
    # A name with a dot could be a file to uv: "thing.whl". The normal form of a name has none.
    name = canonicalize_name(requirement.name)
    extras = ",".join(sorted(map(canonicalize_name, requirement.extras)))
    marker = f"; {requirement.marker}" if requirement.marker else ""
    return f"{name}{f'[{extras}]' if extras else ''}{requirement.specifier}{marker}"


def _shown(line: str) -> str:
    text = "".join(character if character.isprintable() else "�" for character in line)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
