"""What a server can reach that was forked into its box, beside a program that bubblewrap itself started in the same box.

The parent here is preload.py itself; in place of ZenML's server it forks a program that looks around.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace

import pytest

from tenants.hosting.local import box, keep
from tenants.hosting.local.backend import PRELOADING
from tenants.hosting.local.box import IsolationKind, Limits, Walls
from tenants.hosting.local.keep import family
from tests.tenants.hosting.conftest import eventually
from tests.tenants.hosting.stub_control_plane import free_port

PYTHON = os.path.realpath(sys.executable)
BASE = box.base_folders(PYTHON)
LIMITS = Limits(processes=200, open_files=300, file_size=1024**2, grace=5)

# Whatever can be tried without harm. What it says must not depend on how it was started.
LOOK = """
import ctypes, json, os, resource, signal, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def tried(act, *args):
    try:
        act(*args); return True
    except OSError:
        return False
def make(path):
    name = os.path.join(path, ".made"); open(name, "x").close(); os.unlink(name)
def connect(path):
    socket.socket(socket.AF_UNIX).connect(path)
def listen(port):
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); one.bind(("127.0.0.1", port))
def join(name):
    if libc.setns(os.open(name, os.O_RDONLY), 0): raise OSError
def call(name, *args):
    if getattr(libc, name)(*args): raise OSError
def walk():
    deep, found = {"/usr", "/proc", "/dev", *asked["deep"]}, []
    for folder, folders, files in os.walk("/"):
        folders[:] = [name for name in folders if os.path.join(folder, name) not in deep]
        found += [os.path.join(folder, name) for name in files]
    return found
def opened(pid):
    targets = []
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            targets.append(os.readlink(f"/proc/{pid}/fd/{number}").split(":")[0])
        except OSError:  # the one that lists
            pass
    return sorted(set(targets))
def look(asked_for):
    global asked
    asked = asked_for
    status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines())
    kept = ("Uid", "Gid", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Umask")
    kinds = ("RLIMIT_NPROC", "RLIMIT_NOFILE", "RLIMIT_FSIZE", "RLIMIT_CORE")
    return {
        "status": {name: status.get(name) for name in kept},
        "limits": {name: resource.getrlimit(getattr(resource, name)) for name in kinds},
        "cwd": os.getcwd(), "session": os.getsid(0) != 0, "environment": sorted(os.environ), "files": walk(),
        "read": [p for p in asked["paths"] if tried(os.listdir if os.path.isdir(p) else open, p)],
        "write": [p for p in asked["paths"] if tried(make, p) if os.path.isdir(p)],
        "own fds": opened("self"),
        "namespaces of its own": tried(call, "unshare", 0x10000000), "mounts": tried(call, "mount", None, b"/", None, 0x4000 | 0x40000, None),
        "joins": [n for n in ("user", "mnt", "pid", "net") for p in ("1", "2") if tried(join, f"/proc/{p}/ns/{n}")],
        "host name": tried(call, "sethostname", b"x", 1), "kernel": tried(make, "/proc/sys/kernel"),
        "traces": [p for p in ("1", "2") if tried(open, f"/proc/{p}/mem", "r+b")],
        "sockets": [p for p in asked["sockets"] if tried(connect, p)],
        "ports": [p for p in asked["ports"] if tried(listen, p)],
        "kill outside": tried(os.kill, asked["outside"], 0),
        "processes": sorted(open(f"/proc/{p}/comm").read().strip() for p in os.listdir("/proc") if p.isdigit()),
        "of others": sorted({t for p in os.listdir("/proc") if p.isdigit() for t in (tried(os.listdir, f"/proc/{p}/fd") and opened(p) or [])}),
    }
"""
# preload.py as it is, with another program to fork.
STAND_IN = """
import json, os, sys, time
sys.path.insert(0, {here!r})
import preload
exec({look!r})
def run(application, host, port):
    asked = json.loads(os.environ.pop("ASKED"))
    if "code" in asked: sys.exit(asked["code"])
    while asked.get("lasts"): time.sleep(0.05)
    print(json.dumps(look(asked)), flush=True)
preload.load, preload.forget, preload.renewed, preload.serve.run = (lambda: None), (lambda: None), (lambda one: one), run
preload.main()
"""
ALONE = "import json, os\n{look}\nprint(json.dumps(look(json.loads(os.environ.pop('ASKED')))))"


@pytest.fixture
def place(tmp_path):
    for name in ("mine", "others", "nowhere"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    (tmp_path / "keys.json").write_text("the keys")
    return tmp_path


@pytest.fixture
def parent(place):
    """(the socket of a parent that runs, its keeper)"""
    walls = Walls(read=[*PRELOADING, place / "nowhere", *BASE], ports=None, holds_boxes=True)
    command = [PYTHON, "-I", "-u", "-c", STAND_IN.format(here=str(PRELOADING[0].parent), look=LOOK)]
    order = box.document("", command, {}, place / "nowhere", walls, IsolationKind.BUBBLEWRAP)
    path = place / "p.sock"
    with started(order | {"listen": str(path)}) as keeper:
        eventually(path.exists, 60)
        yield path, keeper
        keeper.terminate()


@contextmanager
def started(order):
    with subprocess.Popen(
        box.launcher("-"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={}, text=True
    ) as keeper:
        keeper.stdin.write(json.dumps(order))
        keeper.stdin.close()
        yield keeper


def order_of(place, asked, command, **walls):
    made = Walls(read=[place / "nowhere", *BASE], write=[place / "mine"], limits=LIMITS, **walls)
    env = {"PATH": "/usr/bin:/bin", "ASKED": json.dumps(asked)}
    return box.document("", command, env, place / "nowhere", made, IsolationKind.BUBBLEWRAP)


def forked(place, path, asked, **walls):
    order = order_of(place, asked, ["unused", "127.0.0.1", "1"], preloaded=path, **walls)
    return box.run(order, timeout=120)


def test_a_fork_reaches_what_any_program_in_its_box_reaches(place, parent):
    path, keeper = parent
    ports = [free_port(), free_port()]
    asked = {
        "paths": [*map(str, sorted(place.rglob("*"))), "/root", "/home", "/etc/shadow", "/var/log", "/tmp"],
        "deep": [*map(str, BASE), str(place / "nowhere")],
        "sockets": [str(path)],
        "ports": ports,
        "outside": keeper.pid,
    }
    told = []
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(place / "other.sock"))
        other.listen()
        asked["sockets"].append(str(place / "other.sock"))
        done = forked(place, path, asked, ports=ports[:1], secrets={"TOKEN": "do-not-tell"})
        assert done.returncode == 0, done.stdout
        told.append(json.loads(done.stdout))
        command = [PYTHON, "-I", "-u", "-c", ALONE.format(look=LOOK)]
        alone = order_of(place, asked, command, ports=ports[:1], secrets={"TOKEN": "do-not-tell"})
        told.append(json.loads(box.run(alone, timeout=120).stdout))
    fork, plain = told
    # The shell that waits is one more; who takes the secrets has them as a variable, who does not has the pipe.
    assert [name for name in fork.pop("processes") if name not in ("sh",)] == plain.pop("processes")
    assert set(fork.pop("environment")) - {"TOKEN"} == set(plain.pop("environment")) - {
        "ZENPRO_SECRETS_FD",
        "LC_CTYPE",
        "PWD",  # of a shell that it came through
    }
    assert set(fork.pop("own fds")) <= set(plain.pop("own fds"))
    assert set(fork.pop("traces")) <= set(plain.pop("traces"))
    assert set(fork.pop("of others")) <= set(plain.pop("of others"))
    assert fork == plain
    assert fork["write"] == [str(place / "mine"), "/tmp"] and fork["ports"] == ports[:1]
    assert not (fork["joins"] or fork["mounts"] or fork["namespaces of its own"])
    assert not (fork["sockets"] or fork["kill outside"] or fork["kernel"])
    assert int(fork["status"]["CapBnd"], 16) == 0 and fork["status"]["Seccomp"].strip() == "2"


@pytest.mark.parametrize("code", [0, 3])
def test_its_exit_code_is_that_of_its_keeper(place, parent, code):
    assert forked(place, parent[0], {"code": code}).returncode == code


def test_it_ends_with_its_keeper_and_with_its_parent_and_when_it_is_told(place, parent):
    path, _ = parent
    order = order_of(place, {"lasts": True}, ["unused", "127.0.0.1", "1"], preloaded=path)
    order["lock"] = str(place / "lock")
    for end in (signal.SIGKILL, signal.SIGTERM):
        with started(order) as keeper:
            server = eventually_forked(place / "lock")
            assert server not in family(keeper.pid)
            keeper.send_signal(end)
            keeper.wait(60)
        eventually(lambda server=server: not os.path.exists(f"/proc/{server}"), 60)
        (place / "lock").unlink()
    with started(order) as keeper:
        server = eventually_forked(place / "lock")
        parent[1].kill()
        eventually(lambda: not os.path.exists(f"/proc/{server}"), 60)
        assert keeper.wait(60) != 0


def eventually_forked(lock) -> int:
    found = []

    def is_told():
        found[:] = (
            [json.loads(lock.read_text()).get("server")] if lock.exists() and lock.read_text().strip() else []
        )
        return bool(found and found[0])

    eventually(is_told, 60, every=0.02)
    return found[0]


def test_limits_count_what_a_fork_starts(place, parent):
    """It is no child of its keeper, which looks all the same."""
    walls = replace(Walls(), limits=replace(LIMITS, seconds=1))
    order = order_of(place, {"lasts": True}, ["unused", "127.0.0.1", "1"], preloaded=parent[0])
    order["walls"]["limits"] |= {"seconds": walls.limits.seconds}
    done = box.run(order, timeout=60)
    assert "ZenPro ended this run: it took more than 1 seconds." in done.stdout and done.returncode == 137


@pytest.mark.skipif(
    keep.landlock_abi() < keep.SCOPED_SINCE,
    reason="the kernel is older than 6.12 and cannot hold sockets without a path",
)
def test_a_parent_reaches_no_socket_of_the_machine(place):
    """Its network is the machine's, in which sockets without a path have their names."""
    script = (
        "import socket, sys\nsocket.socket(socket.AF_UNIX).connect(chr(0) + sys.argv[1])\nprint('reached')"
    )
    with socket.socket(socket.AF_UNIX) as outside:
        outside.bind("\0" + place.name + str(os.getpid()))
        outside.listen()
        name = place.name + str(os.getpid())
        walls = Walls(read=[place / "nowhere", *BASE], ports=None, holds_boxes=True)
        command = [PYTHON, "-I", "-c", script, name]
        order = box.document("", command, {}, place / "nowhere", walls, IsolationKind.BUBBLEWRAP)
        done = box.run(order, timeout=60)
    assert done.returncode == 1 and "Operation not permitted" in done.stdout


def test_without_its_parent_a_program_starts_by_itself(place):
    order = order_of(place, {}, [PYTHON, "-I", "-c", "print('alone')"], preloaded=place / "no.sock")
    assert box.run(order, timeout=60).stdout.endswith("alone\n")
