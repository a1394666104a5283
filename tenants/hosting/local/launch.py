"""Become, or keep, one program: `python launch.py program.json [digest]`, standard library only.

A killed supervisor leaves its children running, and the next one would start everything twice. So every
program starts through here: the kernel ends it when the supervisor dies, one lock per program says who runs,
and whoever is left over from an earlier supervisor is ended first. The secrets stay in the file (mode 600),
out of the command line and of the supervisor's own configuration.

A program with walls (keep.py) is not replaced but kept: this process stays outside of the box, holds the lock,
passes signals on and ends whatever the program started. With `-` the program is read from standard input.
"""

import ctypes
import fcntl
import json
import os
import signal
import sys
import time
from importlib import import_module

PR_SET_PDEATHSIG = 1
RECORD = 128  # bytes, more than any record has
LEFTOVER_GRACE = 5.0  # seconds between asking and ending what is left of an earlier start
EXIT_FOLDER, EXIT_COMMAND, EXIT_BUSY, EXIT_PORT, EXIT_ORPHAN = 95, 96, 97, 98, 99
MARK = "--- zenpro: starting "  # one such line in the log opens each attempt


def fail(code, sentence):
    print(sentence, flush=True)
    sys.exit(code)


def die_with_parent(parent, number):
    """Ask the kernel for a signal when the parent dies; leave at once when it died before we asked.

    `parent` is a pid or the path of a pid file.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != (parent if isinstance(parent, int) else read_pid(parent)):
        fail(EXIT_ORPHAN, "Whoever asked for this program is gone.")


def read_pid(pidfile):
    with open(pidfile, encoding="ascii") as lines:
        return int(lines.read())


def started_at(pid):
    """Start time of a process in clock ticks since boot: tells a process from a later one of the same pid."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as lines:
            return int(lines.read().rpartition(")")[2].split()[19])
    except OSError:
        return None


def read_record(lock):
    os.lseek(lock, 0, os.SEEK_SET)
    try:
        record = json.loads(os.read(lock, 4096))
        return record["pid"], record["started"]
    except (ValueError, KeyError, TypeError):
        return None


def write_record(lock, pid, port=None):
    """Who holds the lock, for whoever finds it held. One write of always as many bytes: at no moment is it not there."""
    record = {"pid": pid, "started": started_at(pid), "port": port}
    os.pwrite(lock, json.dumps(record).encode().ljust(RECORD), 0)


def try_lock(lock, seconds):
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.05)


def signal_leftover(record, number):
    """Signal the process group recorded in a lock that is still held.

    Its leader may be gone while its workers hold the lock; a pid that now belongs to someone else is left alone.
    """
    pid, started = record
    if started_at(pid) in (None, started):
        try:
            os.killpg(pid, number)
        except ProcessLookupError:
            pass


def take_over(lock, name):
    """Hold the program's lock, ending what still holds it."""
    if try_lock(lock, 0):
        return
    record = read_record(lock)
    for number in (signal.SIGTERM, signal.SIGKILL):
        if record:
            print(f"Ending {name} of an earlier start (process {record[0]}).", flush=True)
            signal_leftover(record, number)
        if try_lock(lock, LEFTOVER_GRACE):
            return
    fail(EXIT_BUSY, f"{name} still runs from an earlier start and cannot be ended.")


def check_port(host, port):
    socket = import_module("socket")  # most programs have no port, and start sooner without
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            fail(EXIT_PORT, f"Port {port} on {host} is taken by another program.")


def hold_lock(program):
    """Take the lock. Without walls it is kept over exec and falls when the last process of the program ends.

    With walls it never enters the box: what is in there could write another process's number into it.
    """
    lock = os.open(program["lock"], os.O_RDWR | os.O_CREAT, 0o600)
    take_over(lock, program["name"])
    write_record(lock, os.getpid(), program["port"])
    os.set_inheritable(lock, "walls" not in program)


def enter(folder):
    try:
        os.chdir(folder)
    except OSError as error:
        fail(EXIT_FOLDER, f"The folder {folder} cannot be used: {error.strerror}.")


def become(program):
    try:
        os.execve(program["command"][0], program["command"], program["env"])  # noqa: S606 - its purpose
    except OSError as error:
        fail(EXIT_COMMAND, f"{program['command'][0]} cannot be started: {error.strerror}.")


def keep(program):
    """Run the program behind its walls until it ends; our exit code is its own."""
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))
    keeper = import_module("keep")
    try:
        code = keeper.keep(program)
    except OSError as error:
        fail(EXIT_COMMAND, f"{program['name']} cannot be started: {error}.")
    sys.exit(code)


def load(path):
    if path == "-":
        return json.load(sys.stdin)
    with open(path, encoding="utf-8") as lines:
        return json.load(lines)


def take_place(program):
    """Say who starts, be ended with the parent, hold the lock and find the port free; leaves when one is refused."""
    if program["name"]:
        print(f"{MARK}{program['name']} {time.strftime('%Y-%m-%d %H:%M:%S')}", flush=True)
    if program["parent"]:
        die_with_parent(program["parent"], program["death_signal"])
    if program["lock"]:
        hold_lock(program)
    if program.get("lock_fd") is not None:
        os.set_inheritable(program["lock_fd"], False)
        write_record(program["lock_fd"], os.getpid())
    if program["port"]:
        check_port(program["host"], program["port"])


def main(path):
    os.umask(0o077)
    program = load(path)
    take_place(program)
    if "walls" in program:
        keep(program)
    enter(program["cwd"])
    become(program)


if __name__ == "__main__":
    main(sys.argv[1])
