"""What the kernel says about processes; nothing where there is no /proc."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PARENT, OWN_TIMES = (
    1,
    slice(11, 15),
)  # places behind the name in /proc/<pid>/stat; own, and of children that ended


def cpu_seconds(pid: int | None) -> float:
    """CPU time that a process and all it started have used, in seconds; 0.0 when there is none.

    The whole tree: the process that was started may be a wrapper, which itself only waits.
    """
    if pid is None:
        return 0.0
    table = dict(_read_all())
    ticks = sum(table[one][1] for one in _tree(pid, table) if one in table)
    return ticks / os.sysconf("SC_CLK_TCK")


def commands() -> dict[int, tuple[int, list[str]]]:
    """{pid: (its parent, its command line)} of every process we may look at; a kernel's thread has an empty one."""
    found = {}
    for pid, (parent, _) in _read_all():
        with suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
            found[pid] = (parent, [os.fsdecode(word) for word in words])
    return found


def _read_all() -> Iterator[tuple[int, tuple[int, int]]]:
    """(pid, (its parent, ticks used)) of every process."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            words = path.read_text(errors="replace").rpartition(")")[2].split()
            yield int(path.parent.name), (int(words[PARENT]), sum(map(int, words[OWN_TIMES])))


def _tree(root: int, table: dict[int, tuple[int, int]]) -> list[int]:
    """The process and its descendants."""
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in table.items():
        children.setdefault(parent, []).append(pid)
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found
