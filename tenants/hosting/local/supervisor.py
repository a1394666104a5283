"""The one supervisor under which web, agent and every tenant server run.

A program is two files under data/supervisor/conf.d: `<name>.json` with command and environment (mode 600, it
holds secrets) and `<name>.conf` for supervisor, which only says "launch that file". The digest in the command
line is what makes supervisor notice a changed environment.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import http.client
import json
import os
import pwd
import re
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tenants.hosting.base import NoSpace, ServerError, StartFailed, SupervisorGone

LAUNCHER = Path(__file__).with_name("launch.py")
CALL_TIMEOUT = 10.0  # seconds for one answer on the socket
POLL = 0.05  # seconds between looks while something stops
SOCKET_LIMIT = 90  # bytes; the kernel allows 107 and supervisor appends its pid while it binds
LOG_BYTES, LOG_BACKUPS = "5MB", 3
USERNAME = "zenpro"  # on the control socket

BAD_NAME, ALREADY_STARTED, NOT_RUNNING, ALREADY_ADDED = 10, 60, 70, 90  # supervisor.xmlrpc.Faults
SHUTDOWN_STATE = 6


@dataclass(frozen=True)
class Program:
    """One program to keep running. The environment is complete: nothing is inherited."""

    name: str
    command: Sequence[str]  # the first is an absolute path
    env: Mapping[str, str] = field(repr=False)
    cwd: Path
    autostart: bool = True  # also when the supervisor starts
    autorestart: bool = True
    startsecs: int = 1  # alive that long = started; dying earlier counts as a failed start
    startretries: int = 3  # failed starts before it is given up, with 1, 2, 3... seconds between
    stopwaitsecs: int = 10  # between SIGTERM and SIGKILL
    priority: int = 999  # lower starts earlier and stops later
    host: str = "127.0.0.1"
    port: int | None = None  # when given, a start while someone else listens there fails with a sentence
    walls: Mapping | None = field(default=None, repr=False)  # box.as_document(); None: a program of ours
    listen: Path | None = None  # the socket that it is given, where it is asked something

    def __post_init__(self):
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,80}", self.name):
            raise ValueError(f"not a program name: {self.name!r}")


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """What supervisor says about a program; `state` is its word: RUNNING, STARTING, BACKOFF, FATAL..."""

    name: str
    state: str
    pid: int | None
    uptime: float  # seconds, 0 without a process
    hint: str


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: Path, timeout: float, password: str):
        word = base64.b64encode(f"{USERNAME}:{password}".encode()).decode()
        super().__init__(headers=[("Authorization", f"Basic {word}")])
        self.path, self.timeout = str(path), timeout

    def make_connection(self, host):
        return _UnixConnection(self.path, self.timeout)


class Supervisor:
    """Writes supervisor's files below `data`, starts it, and talks to it on its socket.

    Safe to use from several processes at once. Raises SupervisorGone when it does not answer.
    """

    def __init__(self, data: Path):
        self.data = Path(data).resolve()
        self.home = self.data / "supervisor"
        self.programs = self.home / "conf.d"
        self.run = self.data / "run"
        self.logs = self.data / "logs"
        self.config = self.home / "supervisord.conf"
        self.pidfile = self.run / "supervisord.pid"

    @property
    def socket(self) -> Path:
        """Control socket; in the system's temporary folder when the data folder's path is too long."""
        usual = self.run / "supervisor.sock"
        if len(os.fsencode(usual)) <= SOCKET_LIMIT:
            return usual
        digest = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"zenpro-{os.getuid()}-{digest}" / "s.sock"

    def log_file(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def password(self) -> str:
        """Of the control socket; made at the first call. Raises OSError."""
        file = self.home / "password"
        with contextlib.suppress(FileNotFoundError):
            return file.read_text()
        private_folder(self.home)
        write_once(file, secrets.token_hex(24))
        return file.read_text()

    # -- files

    def prepare(self) -> None:
        """Make the folders (mode 700) and supervisor's configuration. Raises StartFailed, NoSpace."""
        refuse_odd_path(self.data)
        with disk_errors():
            self.data.mkdir(parents=True, exist_ok=True)
            for folder in (self.home, self.programs, self.run, self.logs, self.socket.parent):
                private_folder(folder)
            write_private(self.config, self.config_text())

    def config_text(self) -> str:
        user = f"user={pwd.getpwuid(0).pw_name}\n" if os.getuid() == 0 else ""
        # Landlock does not keep a program from connecting to a socket it can name: the word does.
        return (
            f"[unix_http_server]\nfile={escape(self.socket)}\nchmod=0700\n"
            f"username={USERNAME}\npassword={self.password()}\n\n"
            f"[supervisord]\nlogfile={escape(self.logs / 'supervisord.log')}\n"
            f"logfile_maxbytes={LOG_BYTES}\nlogfile_backups={LOG_BACKUPS}\n"
            f"pidfile={escape(self.pidfile)}\nchildlogdir={escape(self.logs)}\n"
            f"identifier=zenpro\nnodaemon=true\nsilent=true\numask=077\n{user}\n"
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n\n"
            f"[supervisorctl]\nserverurl=unix://{escape(self.socket)}\n"
            f"username={USERNAME}\npassword={self.password()}\n\n"
            "[include]\nfiles=conf.d/*.conf\n"
        )

    def program_text(self, program: Program, digest: str) -> str:
        """supervisor's section for a program; no secret in it."""
        launch = [sys.executable, "-I", "-S", str(LAUNCHER), str(self.launch_file(program.name)), digest]
        return (
            f"[program:{program.name}]\ncommand={escape(shlex.join(launch))}\n"
            f"autostart={str(program.autostart).lower()}\nautorestart={str(program.autorestart).lower()}\n"
            f"startsecs={program.startsecs}\nstartretries={program.startretries}\n"
            f"stopwaitsecs={program.stopwaitsecs}\nkillasgroup=true\npriority={program.priority}\n"
            # supervisor expands this one twice
            f"redirect_stderr=true\nstdout_logfile={escape(escape(self.log_file(program.name)))}\n"
            f"stdout_logfile_maxbytes={LOG_BYTES}\nstdout_logfile_backups={LOG_BACKUPS}\n"
        )

    def launch_text(self, program: Program) -> str:
        walls = {"walls": program.walls} if program.walls else {}
        asked = {"listen": str(program.listen)} if program.listen else {}
        return json.dumps(
            walls
            | asked
            | {
                "name": program.name,
                "command": list(program.command),
                "env": dict(program.env),
                "cwd": str(program.cwd),
                "host": program.host,
                "port": program.port,
                "lock": str(self.run / f"{program.name}.lock"),
                "parent": str(self.pidfile),
                "death_signal": int(signal.SIGKILL),  # the next supervisor must find nothing of the old
            },
            sort_keys=True,
            indent=1,
        )

    def launch_file(self, name: str) -> Path:
        return self.programs / f"{name}.json"

    def write(self, program: Program) -> None:
        """Put a program into the configuration without telling a running supervisor; see apply()."""
        self.prepare()
        text = self.launch_text(program)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        with disk_errors():
            write_private(self.launch_file(program.name), text)
            write_private(self.programs / f"{program.name}.conf", self.program_text(program, digest))

    def names(self) -> list[str]:
        """Names of all configured programs, running or not."""
        return sorted(path.stem for path in self.programs.glob("*.conf"))

    # -- the supervisor itself

    def spawn(self) -> subprocess.Popen:
        """Start supervisord in the foreground as a child of this process, and wait until it answers.

        It stops everything and ends when this process (more exactly: this thread) dies. Call from the main
        thread. Raises StartFailed when one runs already or it does not come up.
        """
        self.prepare()
        if self.running():
            raise StartFailed("ZenPro is already running on this data folder.")
        file = self.run / "supervisord.json"
        with disk_errors():
            write_private(file, self._spawn_text())
        launch = [sys.executable, "-I", "-S", str(LAUNCHER), str(file)]
        # A session of its own: Ctrl-C reaches only us, and we stop all programs at the same time.
        child = subprocess.Popen(launch, stdout=subprocess.DEVNULL, start_new_session=True)
        self._wait_answer(child)
        return child

    def _spawn_text(self) -> str:
        command = [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(self.config)]
        start = {"name": "supervisord", "command": command, "env": dict(os.environ), "cwd": str(self.home)}
        start |= {"host": "", "port": None, "lock": None}
        return json.dumps(start | {"parent": os.getpid(), "death_signal": int(signal.SIGTERM)})

    def _wait_answer(self, child: subprocess.Popen, seconds: float = 15) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if child.poll() is not None:
                raise StartFailed(f"The supervisor stopped immediately, see {self.logs / 'supervisord.log'}.")
            if self.running():
                return
            time.sleep(POLL)
        child.terminate()
        raise StartFailed(f"The supervisor did not answer within {seconds:.0f} s.")

    def running(self) -> bool:
        """True when a supervisor answers and is not shutting down."""
        try:
            return self._call("getState")["statename"] == "RUNNING"
        except SupervisorGone:
            return False

    def shutdown(self) -> None:
        """Stop all programs at the same time and then the supervisor; returns at once."""
        self._call("stopAllProcesses", False)
        self._call("shutdown")

    # -- programs

    def apply(self, program: Program) -> None:
        """Make the running supervisor know this program as described.

        Starts it when `autostart`; stops and replaces it when something about it changed; else does nothing.
        Raises StartFailed when supervisor refuses the configuration.
        """
        with self._exclusive():
            self.write(program)
            added, changed, _ = self._call("reloadConfig")[0]
            if program.name in changed:
                self._withdraw(program.name)
            if program.name in changed or program.name in added:
                self._call("addProcessGroup", program.name, ignore=ALREADY_ADDED)

    def remove(self, name: str) -> None:
        """Stop a program and forget it; the log stays. Nothing happens when there is none."""
        with self._exclusive():
            for suffix in (".conf", ".json"):
                (self.programs / f"{name}{suffix}").unlink(missing_ok=True)
            self._call("reloadConfig")
            self._withdraw(name)
            (self.run / f"{name}.lock").unlink(missing_ok=True)

    def start(self, name: str) -> None:
        """Start a stopped program; returns when its process exists. Nothing happens when it runs."""
        self._wait_while(name, "STOPPING")
        self._call("startProcess", name, False, ignore=ALREADY_STARTED)

    def stop(self, name: str) -> None:
        """Stop a program and wait until its process is gone. Nothing happens when it does not run."""
        self._call("stopProcess", name, False, ignore=(NOT_RUNNING, BAD_NAME))
        self._wait_while(name, "STOPPING", "RUNNING", "STARTING")

    def restart(self, name: str) -> None:
        self.stop(name)
        self.start(name)

    def status(self, name: str) -> ProcessInfo | None:
        """None when supervisor does not know the program."""
        info = self._call("getProcessInfo", name, ignore=BAD_NAME)
        return process_info(info) if info else None

    def asks(self, name: str) -> str | None:
        """The socket of the program that forks this one, if one does."""
        try:
            walls = json.loads(self.launch_file(name).read_text()).get("walls") or {}
        except (OSError, ValueError):
            return None
        return walls.get("preloaded")

    def server_pid(self, name: str) -> int | None:
        """The process that a program has forked from another one; None when it is a child of its own keeper."""
        try:
            return json.loads((self.run / f"{name}.lock").read_text()).get("server")
        except (OSError, ValueError, AttributeError):
            return None

    def all_status(self) -> list[ProcessInfo]:
        return [process_info(info) for info in self._call("getAllProcessInfo")]

    def _withdraw(self, name: str) -> None:
        self.stop(name)
        self._call("removeProcessGroup", name, ignore=BAD_NAME)

    def _wait_while(self, name: str, *states: str, seconds: float = 60) -> None:
        """Each look also wakes supervisor's loop, which reaps faster than its own wait=True does."""
        deadline = time.monotonic() + seconds
        while (info := self.status(name)) and info.state in states:
            if time.monotonic() > deadline:
                raise StartFailed(f"{name} does not stop.")
            time.sleep(POLL)

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[None]:
        """One change of the configuration at a time, over all processes."""
        private_folder(self.run)
        with open(self.run / "supervisor.lock", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _call(self, method: str, *args, ignore: int | tuple[int, ...] = ()):
        """One call on a new connection (an old one never recovers from a supervisor that went away)."""
        ignored = (ignore,) if isinstance(ignore, int) else ignore
        try:
            transport = _UnixTransport(self.socket, CALL_TIMEOUT, self.password())
            with xmlrpc.client.ServerProxy("http://localhost", transport=transport) as proxy:
                return getattr(proxy.supervisor, method)(*args)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode in ignored:
                return None
            raise refusal(method, fault) from fault
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
            raise SupervisorGone("The supervisor does not answer. Is ZenPro running?") from error


def refusal(method: str, fault: xmlrpc.client.Fault) -> ServerError:
    if fault.faultCode == SHUTDOWN_STATE:
        return SupervisorGone("The supervisor is shutting down.")
    return StartFailed(f"The supervisor refused {method}: {fault.faultString}")


def process_info(info: dict) -> ProcessInfo:
    alive = bool(info["pid"])
    return ProcessInfo(
        name=info["name"],
        state=info["statename"],
        pid=info["pid"] or None,
        uptime=float(max(0, info["now"] - info["start"])) if alive else 0.0,
        hint=exit_hint(info),
    )


def exit_hint(info: dict) -> str:
    if info["spawnerr"]:
        return info["spawnerr"]
    return f"ended with code {info['exitstatus']}" if info["exitstatus"] > 0 else ""  # -1: by a signal


def escape(value: object) -> str:
    """supervisor expands %(name)s in every value."""
    return str(value).replace("%", "%%")


def refuse_odd_path(path: Path) -> None:
    """Line ends, and ; or # after a blank, would end the value in supervisor's configuration."""
    if re.search(r"[\r\n]|\s[;#]", str(path)):
        raise StartFailed(
            f"The data folder {path} cannot be used: its name contains a character that can't be written to a file."
        )


def private_folder(folder: Path) -> None:
    """Make a folder that only we can enter; refuse one that belongs to someone else."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise StartFailed(f"The folder {folder} belongs to another user.")
    folder.chmod(0o700)


def write_private(path: Path, text: str) -> None:
    """Write a file of mode 600 so that a reader, or a kill, sees the old text or the new, never half."""
    if path.exists() and path.read_bytes() == text.encode():
        return
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        with open(handle, "w") as file:
            file.write(text)
        os.replace(temporary, path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_once(path: Path, text: str) -> None:
    """Make a file of mode 600; of two who do so at once the first wins."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    with open(handle, "w") as file:
        file.write(text)
    with contextlib.suppress(FileExistsError):
        os.link(temporary, path)
    Path(temporary).unlink()


@contextlib.contextmanager
def disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == 28:  # ENOSPC
            raise NoSpace("The disk is full.") from error
        raise StartFailed(f"A file could not be written: {error}") from error
