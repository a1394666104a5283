"""Environments of servers that have more than ZenML: what reads the stores of their stacks."""

import hashlib
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from tenants.hosting.base import EnvironmentFailed, NoSpace
from tenants.hosting.local.environments import Environments, requirements

LINES = 200  # of a log, as a page shows it


@dataclass(frozen=True)
class Extension:
    """`state`: "ready", "building", "failed" or "absent"; `lines`: the end of the log, oldest first."""

    state: str
    reason: str = ""
    lines: tuple[str, ...] = ()


class ExtendedEnvironments(Environments):
    """Environments under `data/envs/extended-<key>`, the key made of Python, ZenML version and packages.

    Wheels only, and from the same index, as those that hold nothing but ZenML.
    """

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self._wanted: dict[str, list[str]] = {}

    def key(self, version: str, packages: Sequence[str]) -> str:
        """Raises EnvironmentFailed for what is no package."""
        wanted = [*requirements(version), *sorted(map(_checked, packages))]
        text = "\n".join([platform.python_version(), str(self.interpreter), *wanted])
        key = hashlib.sha256(text.encode()).hexdigest()[:32]
        self._wanted[key] = wanted
        return key

    def path(self, version: str) -> Path:
        return self.folder / f"extended-{version}"

    def packages(self, version: str) -> list[str]:
        return self._wanted[version]

    def prepare(self, version: str, packages: Sequence[str]) -> None:
        """Make it where it is missing (seconds to minutes). Raises EnvironmentFailed with uv's message, NoSpace."""
        key = self.key(version, packages)
        self._reason(key).unlink(missing_ok=True)
        try:
            self.install(key)
        except EnvironmentFailed as error:
            words = error.reason.replace("ZenML could not be", "They could not be", 1)
            self._note(key, words)
            raise EnvironmentFailed(words) from error
        except NoSpace as error:
            self._note(key, error.reason)
            raise

    def found(self, version: str, packages: Sequence[str]) -> Path | None:
        """Its interpreter, None while there is none. Never raises."""
        try:
            python = self.python(self.key(version, packages))
        except EnvironmentFailed:
            return None
        return python if python.exists() else None

    def state_of(self, version: str, packages: Sequence[str]) -> Extension:
        """Where it stands, for people. Never raises."""
        try:
            key = self.key(version, packages)
        except EnvironmentFailed as error:
            return Extension("failed", error.reason)
        lines = tuple(self.lines(key, LINES))
        if self.installed(key):
            return Extension("ready", lines=lines)
        if self.is_being_made(key):
            return Extension("building", lines=lines)
        reason = self.reason(key)
        return Extension("failed" if reason else "absent", reason, lines)


def _checked(line: str) -> str:
    """A package in its normal form: never an option, an address or a path."""
    try:
        found = Requirement(line)
    except InvalidRequirement as error:
        raise EnvironmentFailed(f"{line[:60]!r} is not a package.") from error
    if found.url:
        raise EnvironmentFailed(f"{line[:60]!r} is not from the package index.")
    return str(found)
