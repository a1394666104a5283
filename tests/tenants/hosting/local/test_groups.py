"""Control groups on a real kernel, where this machine lets us make some."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from tenants.hosting.local import box, groups, keep
from tests.tenants.hosting.conftest import eventually

TREE = next(filter(None, map(groups._tree, Path("/proc/self/mountinfo").read_text().splitlines())), None)
SLEEP = "import time; time.sleep(300)"
STRAY = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', {!r}], start_new_session=True); {}"
PREPARE = "from tenants.hosting.local import groups; found = groups.prepare(); print(found and found.folder)"


@pytest.fixture
def tree():
    """A group of our own, as systemd gives a service."""
    if not TREE or not os.access(TREE[1], os.W_OK):
        pytest.skip("this machine has no control groups we may make")
    folder = TREE[1] / f"zenpro-test-{uuid4().hex[:8]}"
    folder.mkdir()
    for name in (folder / "cgroup.controllers").read_text().split():
        if name in groups.WANTED:
            (folder / "cgroup.subtree_control").write_text(f"+{name}")
    yield folder
    for inner in [*folder.iterdir()]:
        if inner.is_dir():
            keep.kill_group(str(inner))
    keep.kill_group(str(folder))


def members(group: Path) -> list[int]:
    return [int(pid) for pid in (group / "cgroup.procs").read_text().split()] if group.is_dir() else []


def alive(pid: int) -> bool:
    """One that ended may wait for its parent to notice."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def started(code: str, group: Path, folder: Path, **limits) -> subprocess.Popen:
    walls = box.Walls(write=[folder], limits=box.Limits(**limits), group=group)
    order = box.document(
        "", [sys.executable, "-c", code], {"PATH": "/usr/bin"}, folder, walls, box.IsolationKind.NONE
    )
    process = subprocess.Popen(box.launcher("-"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={})
    process.stdin.write(json.dumps(order).encode())
    process.stdin.close()
    return process


def test_a_program_runs_in_its_group_which_goes_with_it(tree, tmp_path):
    group = tree / "run-1"
    process = started(SLEEP, group, tmp_path)
    eventually(lambda: members(group), 60)
    process.terminate()
    assert process.wait(60) == 143
    assert not group.exists()


def test_what_a_killed_keeper_left_ends_before_the_next_start(tree, tmp_path):
    """Also a program that left its session, which nothing else would find."""
    group = tree / "run-2"
    first = started(STRAY.format(SLEEP, SLEEP), group, tmp_path)
    eventually(lambda: len(members(group)) == 2, 60)
    stray = members(group)
    os.kill(first.pid, signal.SIGKILL)
    first.wait(60)
    eventually(lambda: len(members(group)) == 1, 60)  # the keeper's own child died with it
    assert started("pass", group, tmp_path).wait(60) == 0
    assert not group.exists()
    assert not any(map(alive, stray))


def test_more_memory_than_allowed_ends_the_run_with_the_reason(tree, tmp_path):
    if "memory" not in (tree / "cgroup.controllers").read_text():
        pytest.skip("this kernel holds memory by control groups of version 1, which are not used")
    process = started("x = b'1' * 500_000_000", tree / "run-3", tmp_path, memory=100 * 1024**2)
    words, _ = process.communicate(timeout=120)
    assert b"ZenPro ended this run: it used more than 100 MB of memory." in words


def in_group(group: Path, code: str) -> str:
    """What a process prints that begins in this group."""
    join = f"open({str(group / 'cgroup.procs')!r}, 'w').write('0')"
    done = subprocess.run(
        [sys.executable, "-c", f"{join}; {code}"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_zenpro_moves_into_a_group_of_its_own(tree):
    service = tree / "service"
    service.mkdir()
    where = "; print(open('/proc/self/cgroup').read().splitlines()[-1])"
    assert in_group(service, PREPARE + where).splitlines()[0] == str(service)
    assert in_group(service / groups.OURS, PREPARE) == str(service)  # started again, or a child of it
    assert (service / groups.RUNS).is_dir()


def test_a_group_with_other_processes_is_left_alone(tree):
    """A terminal's, say: what else is in there is not ours to move."""
    service = tree / "shell"
    service.mkdir()
    other = subprocess.Popen([sys.executable, "-c", SLEEP])
    try:
        (service / "cgroup.procs").write_text(str(other.pid))
        assert in_group(service, PREPARE) == "None"
        assert not (service / groups.OURS).exists()
    finally:
        other.kill()
        other.wait(60)


def test_limits_become_values_of_the_kernels_files():
    assert keep.group_values({"memory": 1024, "cpus": 1.5, "processes": 9}) == {
        "memory.oom.group": "1",
        "pids.max": "9",
        "memory.max": "1024",
        "memory.swap.max": "0",
        "cpu.max": "150000 100000",
    }
    assert keep.group_values({"cpus": 0.001}) == {"memory.oom.group": "1", "cpu.max": "1000 100000"}


HELD = "The kernel holds the limits of runs: "
SAID = [
    (("memory", "cpu", "pids"), 1, 1.5, HELD + "memory and processors."),
    (("memory", "cpu", "pids"), 0, 1.5, HELD + "processors."),
    (("memory", "cpu", "pids"), 0, 0, groups.UNLIMITED),
    (("cpu",), 1, 1.5, f"{HELD}processors. Memory of runs is counted twice a second. {groups.REMEDY}"),
    (("pids",), 1, 0, f"Memory of runs is counted twice a second. {groups.REMEDY}"),
    (("pids",), 0, 1.5, f"ZENPRO_RUN_CPUS has no effect. {groups.REMEDY}"),
]


@pytest.mark.parametrize(("limits", "memory", "cpus", "said"), SAID)
def test_what_holds_the_limits_is_said(limits, memory, cpus, said):
    assert groups.sentence(groups.Groups(Path("/x"), limits), memory, cpus) == said


def test_without_a_group_it_is_said_only_of_limits_that_are_set():
    assert groups.sentence(None, 0, 0) == groups.UNLIMITED
    assert groups.sentence(None, 1, 0).startswith(
        "Memory of runs is counted twice a second. No control group"
    )
