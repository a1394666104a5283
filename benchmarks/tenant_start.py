"""How long a new tenant takes to answer, beside the bare start of the same server.

Target: at most 1.5 times the bare first start (median of rounds, version installed, health asked every 0.25 s).
Run: python -m benchmarks.tenant_start [rounds]
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.tenants.hosting.conftest import VERSION, backend, eventually, make_spec
from tests.tenants.hosting.stub_control_plane import ControlPlane

WAIT = 180  # seconds


def bare(local, spec) -> float:
    """The server's own command and environment, without supervisor, launcher or checks."""
    local._prepare(spec)
    program = local.program(spec)
    began = time.monotonic()
    with subprocess.Popen(
        list(program.command), env=dict(program.env) | program.walls["secrets"], cwd=program.cwd,
        stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        eventually(lambda: local.healthy(spec), WAIT)
        taken = time.monotonic() - began
        process.terminate()
    return taken


def ours(local, spec, change) -> float:
    began = time.monotonic()
    change(spec)
    eventually(lambda: local.healthy(spec), WAIT)
    return time.monotonic() - began


def measure(local, plane, rounds) -> dict[str, list[float]]:
    taken = {"bare start": [], "our start": [], "our restart": []}
    for _ in range(rounds):
        taken["bare start"].append(bare(local, make_spec(local.data, plane.url)))
        spec = make_spec(local.data, plane.url)
        taken["our start"].append(ours(local, spec, local.start))
        taken["our restart"].append(ours(local, spec, local.restart))
        local.remove(spec)
    return taken


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        local, plane = backend(Path(folder)), ControlPlane()
        began = time.monotonic()
        local.install(VERSION)
        print(f"install {VERSION}: {time.monotonic() - began:.1f} s")
        child = local.supervisor.spawn()
        try:
            report(measure(local, plane, rounds))
        finally:
            local.supervisor.shutdown()
            child.wait(60)


def report(taken: dict[str, list[float]]) -> None:
    medians = {name: statistics.median(values) for name, values in taken.items()}
    for name, values in taken.items():
        print(f"{name}: median {medians[name]:.2f} s, from {min(values):.2f} to {max(values):.2f} s")
    print(f"our start / bare start: {medians['our start'] / medians['bare start']:.2f} (target 1.5)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
