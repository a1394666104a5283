"""The Python environment of a template: plain ZenML of the tenant's version and what the code needs.

Shared by all templates with the same needs; made by the builder of the servers' environments.
"""

import hashlib
import platform
import re
from pathlib import Path

from django.conf import settings

from tenants.servers.base import EnvironmentFailed
from tenants.servers.environments import Environments, check_version

MAX_LINES = 500
LOCAL = re.compile(r"(@\s*file:|^\s*[./~]|@\s*[./~])", re.IGNORECASE)


class RequirementsRefused(ValueError):
    """A line that may not be in a template's requirements; the message is for people."""


class RunEnvironments(Environments):
    """Environments under `data/envs/run-<key>`, the key made of Python, ZenML version and requirements."""

    def __init__(self, data: Path | None = None, **options):
        super().__init__(data or settings.ZENPRO_DATA, isolation=settings.ZENPRO_ISOLATION, **options)
        self._packages: dict[str, list[str]] = {}

    def key(self, version: str, requirements: str) -> str:
        check_version(version)
        wanted = [f"zenml=={version}", *sorted(lines_of(requirements))]
        text = "\n".join([platform.python_version(), str(self.interpreter), *wanted])
        key = hashlib.sha256(text.encode()).hexdigest()[:20]
        self._packages[key] = wanted
        return key

    def prepare(self, version: str, requirements: str) -> Path:
        """The interpreter of the environment, made where it is missing (seconds to minutes).

        Raises EnvironmentFailed with uv's message, NoSpace.
        """
        key = self.key(version, requirements)
        try:
            self.install(key)
        except EnvironmentFailed as error:
            words = error.reason.replace("ZenML could not be", "The packages could not be", 1)
            raise EnvironmentFailed(words) from error
        return self.python(key)

    def ready(self, version: str, requirements: str) -> bool:
        return self.installed(self.key(version, requirements))

    def path(self, version: str) -> Path:
        return self.folder / f"run-{version}"

    def packages(self, version: str) -> list[str]:
        return self._packages[version]


def lines_of(requirements: str) -> list[str]:
    """Requirements without comments and empty lines."""
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in requirements.splitlines())
    return [line for line in lines if line]


def check_requirements(requirements: str) -> None:
    """Only names, versions, markers and URLs: options and paths would read this machine's files.

    Raises RequirementsRefused.
    """
    lines = lines_of(requirements)
    if len(lines) > MAX_LINES:
        raise RequirementsRefused(f"There are more than {MAX_LINES} requirements.")
    for line in lines:
        if line.startswith("-"):
            raise RequirementsRefused(f"“{line[:60]}”: options are not supported, only packages.")
        if LOCAL.search(line) or "\\" in line:
            raise RequirementsRefused(f"“{line[:60]}”: paths are not supported, only packages.")
