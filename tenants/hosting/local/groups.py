"""Control groups: where the system gives ZenPro a part of its tree, the kernel limits memory and processor of runs.

A group that has limits for others may hold no process itself, so `zenpro up` moves into a group of its own first, and
each run gets one beside it. Version 2 of control groups alone; facts: cgroups(7), systemd's "Control Group APIs and
Delegation". Where nothing is given, keep.py counts.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

OURS = "zenpro"  # the group of web, agent and tenants
RUNS, WEIGHT = "runs", "50"  # the group of all runs together, which gets half of what ours gets
WANTED = ("memory", "cpu", "pids")
UNLIMITED = (
    "Memory and processors of runs are not limited: ZENPRO_RUN_MEMORY_MB and ZENPRO_RUN_CPUS set limits."
)
COUNTED = {
    "memory": "Memory of runs is counted twice a second.",
    "cpu": "ZENPRO_RUN_CPUS has no effect.",
}
REMEDY = (
    "No control group for that is given to ZenPro. In a unit of systemd, add Delegate=yes; a script that starts "
    "ZenPro must do so with exec."
)


@dataclass(frozen=True, slots=True)
class Groups:
    """The part of the tree that is ours. `limits`: which of WANTED the kernel holds in it."""

    folder: Path
    limits: tuple[str, ...]


def sentence(found: Groups | None, memory: float, cpus: float) -> str:
    """How the limits of runs are held. `memory`, `cpus`: as they are set, 0 for none."""
    wanted = [name for name, value in (("memory", memory), ("cpu", cpus)) if value]
    held = [name for name in wanted if found and name in found.limits]
    missing = [COUNTED[name] for name in wanted if name not in held]
    named = " and ".join({"memory": "memory", "cpu": "processors"}[name] for name in held)
    words = [f"The kernel holds the limits of runs: {named}."] if held else []
    return " ".join([*words, *missing, *([REMEDY] if missing else [])]) if wanted else UNLIMITED


def prepare() -> Groups | None:
    """Move this process into a group of its own, beside which runs get theirs; None where that is not given.

    Nothing is moved that is not ours: a group that holds other processes, as a terminal's, is left alone. Never raises.
    """
    found = given()
    own = None if found else _group_of("self")
    if own and _is_ours_alone(own):
        with suppress(OSError):
            (own / OURS).mkdir(exist_ok=True)
            (own / OURS / "cgroup.procs").write_text(str(os.getpid()))
            _switch_on(own)
        with suppress(OSError):
            (own / RUNS).mkdir(exist_ok=True)
            _switch_on(own / RUNS)
            (own / RUNS / "cpu.weight").write_text(WEIGHT)
        given.cache_clear()
        return given()
    return found


def _is_ours_alone(group: Path) -> bool:
    """The root of the whole tree has no type, and belongs to the machine."""
    try:
        members = (group / "cgroup.procs").read_text().split()
    except OSError:
        return False
    return (group / "cgroup.type").exists() and members == [str(os.getpid())]


def _switch_on(group: Path) -> None:
    for name in (group / "cgroup.controllers").read_text().split():
        if name in WANTED:
            with suppress(OSError):
                (group / "cgroup.subtree_control").write_text(f"+{name}")


@cache
def given(process: str = "self") -> Groups | None:
    """What `prepare` found, as a process sees it that `zenpro up` started. `process`: number, or "self"."""
    own = _group_of(process)
    if own is None or own.name != OURS or not os.access(own.parent, os.W_OK):
        return None
    try:
        held = (own.parent / RUNS / "cgroup.subtree_control").read_text().split()
    except OSError:
        return None
    return Groups(own.parent, tuple(name for name in WANTED if name in held))


def of_run(name: str) -> Path | None:
    """Where the group of one run is made; None where the kernel limits nothing."""
    found = given()
    return found.folder / RUNS / f"run-{name}" if found and found.limits else None


def _group_of(process: str) -> Path | None:
    try:
        lines = Path(f"/proc/{process}/cgroup").read_text(errors="surrogateescape").splitlines()
        mounts = Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return None
    name = next((line.removeprefix("0::") for line in lines if line.startswith("0::")), None)
    places = [place for place in map(_tree, mounts) if place]
    if name is None or not places:
        return None
    root, mount = places[0]
    inside = os.path.relpath(name, root)
    return None if inside.startswith("..") else Path(os.path.normpath(mount / inside))


def _tree(line: str) -> tuple[str, Path] | None:
    """(what of the tree is mounted, where), from a line of mountinfo: proc(5)."""
    fields, _, kind = line.partition(" - ")
    words = fields.split()
    return (words[3], Path(words[4])) if kind.split()[:1] == ["cgroup2"] else None
