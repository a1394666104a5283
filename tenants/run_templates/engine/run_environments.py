"""The Python environment of a template: plain ZenML of the tenant's version and what the code needs.

Shared by all templates with the same needs; made by the builder of the servers' environments. One that may be built
from source belongs to its organization alone: foreign code has run in it.
"""

import hashlib
import platform
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from django.conf import settings

from tenants.hosting.base import EnvironmentFailed, NoSpace
from tenants.hosting.local.environments import NOT_BUILT, Environments, check_version
from tenants.models import Tenant
from tenants.run_templates.document.requirements import RequirementsRefused, parsed
from tenants.run_templates.models import RunTemplate, TemplateRun
from zenpro_site.common import shared_files

RULES = "wheels only"  # what was made under earlier rules may hold anything, and is not used any more
LINES = 200  # of a log, as the template's page shows it
SOURCES_ALLOWED = "An Admin of the organization can allow building packages from source in its settings."


@dataclass(frozen=True)
class EnvironmentState:
    """`state` is "ready", "building", "failed", "absent", "elsewhere" where this machine shares no disk with the agent's, or
    "pods" where each run has its own; `lines` are the end of the log, oldest first."""

    state: str
    made: datetime | None = None
    reason: str = ""
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


BUILDS = ("allows_package_builds", "pk")  # what needs() asks of an organization


def needs_of(run: TemplateRun) -> tuple[str, str, str]:
    """What the environment of a re-run is made of: the arguments of RunEnvironments.prepare()."""
    return needs_in(run.template.tenant, run.requirements)


def needs_in(tenant: Tenant, requirements: str) -> tuple[str, str, str]:
    """The same of any requirements."""
    asked = [getattr(tenant.organization, name) for name in BUILDS]
    return needs(tenant.zenml_version, requirements, *asked)


def needs(version: str, requirements: str, allows_builds: bool, organization: UUID) -> tuple[str, str, str]:
    """Version of ZenML, requirements, and the organization that builds from source, or "".

    A password of the package index would lie beside the code that builds: then no one builds.
    """
    builds = allows_builds and not settings.ZENPRO_PACKAGE_INDEX.has_secret
    return version, requirements, str(organization) if builds else ""


def environment_of(template: RunTemplate) -> EnvironmentState:
    """Where the environment of a template stands, looked up on the disk. Never raises."""
    if settings.ZENPRO_RUNS_IN_CLUSTER:
        return EnvironmentState("pods")
    environments = RunEnvironments()
    if shared_files.is_set() and not environments.folder.is_dir():
        return EnvironmentState("elsewhere")
    return environments.state_of(*needs_in(template.tenant, template.requirements))


def places_with(version: str) -> Iterator[Path]:
    """Where this version of ZenML may be installed as the package index has it: the environment of servers, then that of
    runs without packages, which is all there is for a server elsewhere. Raises EnvironmentFailed."""
    yield Environments(settings.ZENPRO_DATA).path(version)
    runs = RunEnvironments()
    yield runs.path(runs.key(version, ""))


class RunEnvironments(Environments):
    """Environments under `data/envs/run-<key>`, the key made of Python, ZenML version and requirements.

    `builds` is the id of the organization that allows building from source, "" for wheels only.
    """

    def __init__(self, data: Path | None = None, **options):
        options = {"index": settings.ZENPRO_PACKAGE_INDEX, "isolation": settings.ZENPRO_ISOLATION} | options
        super().__init__(data or settings.ZENPRO_DATA, **options)
        self._packages: dict[str, list[str]] = {}
        self._builds: dict[str, str] = {}

    def key(self, version: str, requirements: str, builds: str = "") -> str:
        """Raises EnvironmentFailed, also for requirements that were stored before a rule."""
        check_version(version)
        wanted = self._wanted(version, requirements)
        builds = builds if len(wanted) > 1 else ""
        text = "\n".join([RULES, platform.python_version(), str(self.interpreter), builds, *wanted])
        key = hashlib.sha256(text.encode()).hexdigest()[:32]
        self._packages[key], self._builds[key] = wanted, builds
        return key

    def _wanted(self, version: str, requirements: str) -> list[str]:
        try:
            return [f"zenml=={version}", *parsed(requirements)]
        except RequirementsRefused as error:
            raise EnvironmentFailed(f"These requirements can't be installed. {error}") from error

    def prepare(self, version: str, requirements: str, builds: str = "") -> Path:
        """The interpreter of the environment, made where it is missing (seconds to minutes).

        Raises EnvironmentFailed with uv's message, NoSpace.
        """
        key = self.key(version, requirements, builds)
        self._reason(key).unlink(missing_ok=True)
        try:
            self.install(key)
        except EnvironmentFailed as error:
            words = error.reason.replace("ZenML could not be", "The packages could not be", 1)
            words = words if builds else words.replace(NOT_BUILT, f"{NOT_BUILT} {SOURCES_ALLOWED}")
            self._note(key, words)
            raise EnvironmentFailed(words) from error
        except NoSpace as error:
            self._note(key, error.reason)
            raise
        return self.python(key)

    def ready(self, version: str, requirements: str, builds: str = "") -> bool:
        """False also for what may never be made: prepare() says why. Never raises."""
        try:
            return self.installed(self.key(version, requirements, builds))
        except EnvironmentFailed:
            return False

    def path(self, version: str) -> Path:
        return self.folder / f"run-{version}"

    def packages(self, version: str) -> list[str]:
        return self._packages[version]

    def builds_from_source(self, version: str) -> bool:
        return bool(self._builds[version])

    def state_of(self, version: str, requirements: str, builds: str = "") -> EnvironmentState:
        """Where the environment stands, for people. Never raises."""
        try:
            key = self.key(version, requirements, builds)
        except EnvironmentFailed as error:
            return EnvironmentState("failed", reason=error.reason)
        lines = self.lines(key, LINES)
        if self.installed(key):
            return EnvironmentState("ready", _time_of(self.path(key)), lines=lines)
        if self.is_being_made(key):
            return EnvironmentState("building", lines=lines)
        reason = self.reason(key)
        return EnvironmentState("failed" if reason else "absent", _time_of(self._reason(key)), reason, lines)


def _time_of(path: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:
        return None
