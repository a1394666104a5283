"""What the walls cost: the start of a tenant's server, and of a run, in their boxes and without.

Target: at most 1.05 times without (medians, in turn, same machine, same minute).
Run: python -m benchmarks.boxes [rounds]
"""

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tenants.hosting.local import box
from tests.tenants.hosting.conftest import VERSION, backend, eventually, make_spec
from tests.tenants.hosting.stub_control_plane import ControlPlane

WAIT = 180  # seconds
RUNS = 5  # for each start of a server: a run is short, and differs more from the next than the walls cost
RUNNER = (
    "import zenml.client; import zenml.entrypoints.entrypoint"  # what a runner does before it does anything
)


def plain(command, env, cwd) -> subprocess.Popen:
    return subprocess.Popen(command, env=env, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)


def boxed(document: dict) -> subprocess.Popen:
    process = subprocess.Popen(
        box.launcher("-"), stdin=subprocess.PIPE, env={}, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    )
    process.stdin.write(json.dumps(document).encode())
    process.stdin.close()
    return process


def ended(process: subprocess.Popen) -> int:
    """Its exit code; Popen.wait with a limit looks only every 50 ms."""
    limit = threading.Timer(WAIT, process.kill)
    limit.start()
    code = process.wait()
    limit.cancel()
    return code


def until(process: subprocess.Popen, ready: Callable[[], bool]) -> float:
    began = time.monotonic()
    eventually(ready, WAIT, 0.02)
    taken = time.monotonic() - began
    process.terminate()
    process.wait(60)
    return taken


def server(local, plane, walls: bool) -> float:
    """From the start of the process to its first healthy answer, with a new database."""
    spec = make_spec(local.data, plane.url)
    local._prepare(spec)
    program = local.program(spec)
    if not walls:
        env = dict(program.env) | program.walls["secrets"]
        return until(plain(list(program.command), env, program.cwd), lambda: local.healthy(spec))
    document = json.loads(local.supervisor.launch_text(program)) | {"lock": None, "parent": None}
    document["walls"]["preloaded"] = None  # a fork would not show what a box costs
    return until(boxed(document), lambda: local.healthy(spec))


def runner(local, walls: bool) -> float:
    """From the start of the process to the end of its imports."""
    python = local.environments.python(VERSION)
    command, env = [str(python), "-c", RUNNER], {"PATH": "/usr/bin:/bin", "HOME": str(local.nowhere)}
    began = time.monotonic()
    if walls:
        given = box.Walls(read=[local.nowhere, *box.python_folders(python)], limits=box.Limits(processes=512))
        order = box.document("", command, env, local.nowhere, given, box.probe().kind)
        process = boxed(order)
    else:
        process = plain(command, env, local.nowhere)
    code = ended(process)
    assert code == 0, code
    return time.monotonic() - began


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        local, plane = backend(Path(folder)), ControlPlane()
        local.supervisor.prepare()
        local.install(VERSION)
        server(local, plane, walls=False), runner(local, walls=False)  # warms the disk
        for name, measure, times in (
            ("server", lambda walls: server(local, plane, walls), rounds),
            ("run", lambda walls: runner(local, walls), rounds * RUNS),
        ):
            taken = [(measure(False), measure(True)) for _ in range(times)]
            without, within = (statistics.median(side) for side in zip(*taken, strict=True))
            print(
                f"{name}: without {without:.2f} s, in its box {within:.2f} s: {within / without:.3f} (target 1.05)"
            )
        plane.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
