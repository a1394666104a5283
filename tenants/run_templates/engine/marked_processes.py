"""Processes of this machine, each told by a mark from a later one of the same number."""

import os
import signal
from contextlib import suppress
from pathlib import Path

from tenants.hosting.local.keep import family
from tenants.hosting.local.launch import started_at


def mark_of(pid: int) -> str:
    """What tells a process from a later one of the same number, also after a reboot; "" when there is none."""
    started = started_at(pid)
    return f"{started}/{_boot()}" if started is not None else ""


def _boot() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
    return ""


def alive(pid: int | None, mark: str) -> bool:
    """Does this very process still run? A zombie does not."""
    return pid is not None and mark_of(pid) == mark != "" and not has_ended(pid)


def has_ended(pid: int) -> bool:
    """Is there no such process, or one that only waits to be buried?"""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return True
    return text.rpartition(")")[2].split()[0] in "ZX"


def terminate(pid: int | None, mark: str) -> None:
    """Ask a process to end."""
    if alive(pid, mark):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


def kill(pid: int | None, mark: str) -> None:
    """End a process that leads a session with all that it started, also what left the session.

    As long as one of them lives the kernel gives the number to no one else, so it is safe after the leader's end.
    """
    if pid is not None and mark.endswith(f"/{_boot()}") and mark_of(pid) in ("", mark):
        strays = family(pid)[1:]  # without a box they would outlive their keeper
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        for stray in strays:
            with suppress(ProcessLookupError):
                os.kill(stray, signal.SIGKILL)
