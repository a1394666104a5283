"""What a fork of a preloaded parent saves: start of a tenant's server, its restart, and the memory that it alone holds.

Beside the same server started by itself, in turn, in the same boxes. Target: restart and private memory at most a third.
Run: python -m benchmarks.forked [rounds]
"""

import re
import statistics
import sys
import tempfile
from pathlib import Path

import httpx

from tenants.hosting.local.backend import LocalBackend
from tenants.hosting.local.keep import family
from tests.tenants.hosting.conftest import VERSION, backend, eventually, make_spec
from tests.tenants.hosting.stub_control_plane import ControlPlane

ASKED = 50  # questions before its memory is looked at


class Alone(LocalBackend):
    """Starts each server by itself."""

    def preloads(self, version: str) -> bool:
        return False


def taken(local, spec) -> float:
    """Seconds from the order to the first healthy answer."""
    local.start(spec)
    return eventually(lambda: local.healthy(spec), every=0.02)


def private(local, spec) -> float:
    """MB that only the server's own processes hold, after some questions."""
    for _ in range(ASKED):
        httpx.get(f"{spec.server_url}/api/v1/info", trust_env=False)
    server = local.supervisor.server_pid(spec.program)
    pids = {*family(local.state(spec).pid), *([server] if server else [])}
    return sum(_private(pid) for pid in pids) / 1024


def _private(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(map(int, re.findall(r"^Private_\w+: +(\d+) kB", text, re.MULTILINE)))


def one(local, plane) -> tuple[float, float, float]:
    """(start with a new database, restart, private memory)"""
    spec = make_spec(local.data, plane.url)
    began = taken(local, spec)
    memory = private(local, spec)
    local.stop(spec)
    again = taken(local, spec)
    local.stop(spec)
    return began, again, memory


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        local, plane = backend(Path(folder)), ControlPlane()
        local.install(VERSION)
        alone = Alone(local.data, local.port_range)
        child = local.supervisor.spawn()
        one(alone, plane), one(local, plane)  # warms the disk, and the parent
        found = [(one(alone, plane), one(local, plane)) for _ in range(rounds)]
        local.supervisor.shutdown()
        child.wait(60)
        plane.close()
    for place, name in enumerate(("start with a new database, s", "restart, s", "private memory, MB")):
        by_itself, forked = (
            statistics.median(side[place] for side in sides) for sides in zip(*found, strict=True)
        )
        print(f"{name:30} by itself {by_itself:7.2f}, forked {forked:7.2f}: {forked / by_itself:.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
