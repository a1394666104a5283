"""What a server needs to run on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tenants.hosting.base import ServerSpec


def database_in(folder: Path) -> Path:
    """Where a server keeps its rows, in its tenant's folder."""
    return folder / "zenml.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSpec(ServerSpec):
    """Everything one server on this machine needs to run; equal specs mean the same running configuration."""

    port: int
    folder: Path  # this tenant's own folder under the data folder
    packages: tuple[str, ...] = ()  # besides ZenML in its environment, as requirements
    local_stores: Path  # where local artifact stores live; runners must use the same

    @property
    def program(self) -> str:
        """Name of the supervised program."""
        return f"tenant-{self.tenant_id}"

    @property
    def database(self) -> Path:
        return database_in(self.folder)
