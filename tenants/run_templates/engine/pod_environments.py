"""Environments of runs in the cluster: each pod makes its own, so there is nothing to be made ahead, or kept."""

from pathlib import Path

from django.conf import settings

from tenants.hosting.base import EnvironmentFailed

from .pod_objects import PYTHON
from .pod_place import place_of_runs
from .run_environments import RunEnvironments


class PodEnvironments(RunEnvironments):
    """Answers as RunEnvironments does, and builds nothing on this machine."""

    def prepare(self, version: str, requirements: str, builds: str = "") -> Path:
        """The interpreter in the pod. Raises EnvironmentFailed for what no pod could install."""
        packages = self.packages(self.key(version, requirements, builds))
        if len(packages) > 1 and (reason := place_of_runs().no_packages):
            raise EnvironmentFailed(reason)
        return PYTHON

    def ready(self, version: str, requirements: str, builds: str = "") -> bool:
        try:
            return self.prepare(version, requirements, builds) == PYTHON
        except EnvironmentFailed:
            return False


def environments_of_runs() -> RunEnvironments:
    """Where environments of runs come from in this installation."""
    return PodEnvironments() if settings.ZENPRO_RUNS_IN_CLUSTER else RunEnvironments()
