"""Begins a server in a box as a fork of one that has loaded everything: runs beside keep.py, standard library only.

Bubblewrap makes the same box as for any other server, with a shell in it that only waits. The server itself is a fork
of the parent of its version (preload.py), which enters the box before it does anything: the parent hands us its
namespaces, so that the box is made below them, and we hand it those of the box. When the server ends the shell ends with
its exit code, when the box ends so does the server, and no one notices when the parent goes. Docs: docs/adr/0032-*.md.
"""

import fcntl
import json
import os
import select
import signal
import socket
import time

import keep

PATIENCE = 60.0  # seconds for a parent that is still loading, on a busy machine
RETURN = 5.0  # seconds for one that was ended to be started again
MADE_IN = 30.0  # seconds for a box
NS_GET_USERNS = 0xB701  # ioctl: which user namespace another namespace belongs to, linux/nsfs.h
CLONE_NEWNS = 0x20000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE = 2, 4, 8, 0x4000, 0x40000  # linux/mount.h
NAMESPACES = ("mnt", "pid", "ipc", "uts", "cgroup")  # of a box, beside its user namespace
LOST = 137  # exit code when the server's own is not known
# The shell in the box: says that the box is there, waits for the server's exit code and ends with it.
READY, CODE = 3, 4  # descriptors in it: a shell knows those of one digit
WAIT = f"echo >&{READY}; read -r code <&{CODE}; exit ${{code:-{LOST}}}"


def begin(program, secrets, watched):
    """(the process that keeps the box, the server in it), or None when its parent does not answer."""
    parent = connect(program["walls"]["preloaded"])
    if parent is None:
        return None
    with parent:
        keeper = None
        try:
            keeper, ends = make_box(program, namespaces_of(parent), watched)
            return keeper, hand_over(program, parent, keeper, ends, secrets)
        except (OSError, ValueError) as error:
            print(f"The server is started by itself: {error}", flush=True)
            end(keeper)
            return None


def connect(path):
    """To the parent; None when it does not run. One that was killed, with all servers, is listened for at once again."""
    until = time.monotonic() + RETURN
    while time.monotonic() < until:
        parent = socket.socket(socket.AF_UNIX)
        parent.settimeout(PATIENCE)
        try:
            parent.connect(path)
            return parent
        except OSError:
            parent.close()
            time.sleep(0.1)
    return None


def namespaces_of(parent):
    """What a process joins to be below the parent, in this order: each is a descriptor. Raises OSError, ValueError."""
    _, (user, pid), *_ = socket.recv_fds(parent, 100, 2, socket.MSG_CMSG_CLOEXEC)
    owner = fcntl.ioctl(pid, NS_GET_USERNS)
    return [owner, pid] if is_same(owner, user) else [owner, pid, user]


def is_same(one, other):
    return os.fstat(one).st_ino == os.fstat(other).st_ino


def make_box(program, namespaces, watched):
    """(pid of the process that waits for the box, where the exit code of the server goes). Raises OSError."""
    told, ready = os.pipe()
    code, ends = os.pipe()
    ours = os.getpid()
    keeper = os.fork()
    if keeper == 0:
        os.close(ends)  # the box ends when no one else can say a code any more
        become_keeper(program, namespaces, watched, ours, (ready, code))
    for number in (*namespaces, ready, code):
        os.close(number)
    there = select.select([told], [], [], MADE_IN)[0] and os.read(
        told, 10
    )  # nothing when no one can tell any more
    os.close(told)
    if not there:
        os.close(ends)
        end(keeper)
        raise OSError(0, "its box could not be made")
    return keeper, ends


def become_keeper(program, namespaces, watched, ours, pipes):
    """Only a child is in the processes' namespace that was joined: this one waits for it."""
    try:
        owner, pid, *user = namespaces
        join(owner)
        join(pid)
        keep.die_with(ours)
        box = os.fork()
        if box == 0:
            become_box(program, watched, user, pipes)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(box, 0)[1]) % 256)
    except OSError as error:
        print(f"The box cannot be made: {error}", flush=True)
    finally:
        os._exit(96)


def become_box(program, watched, user, pipes):
    walls, command = program["walls"], ["/bin/sh", "-c", WAIT]
    try:
        see_own_processes()
        for number in user:
            join(number)
        keep.libc.prctl(keep.PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, watched)
        keep.build_walls(walls, program["cwd"])
        # Out of the way of each other first.
        ready, code = (fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, CODE + 1) for number in pipes)
        os.dup2(ready, READY)
        os.dup2(code, CODE)
        os.execve(walls["argv"][0], [*walls["argv"], *command], {})  # noqa: S606 - its purpose
    except OSError as error:
        print(f"The box cannot be made: {error}", flush=True)
    finally:
        os._exit(96)


def see_own_processes():
    """Bubblewrap looks its child up in /proc, by the number that it has in their namespace. Raises OSError."""
    if keep.libc.unshare(CLONE_NEWNS):
        raise OSError(keep.ctypes.get_errno(), "no view of its own")
    mount(None, b"/", None, MS_REC | MS_PRIVATE)
    mount(b"proc", b"/proc", b"proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)


def mount(source, target, kind, flags):
    if keep.libc.mount(source, target, kind, keep.ctypes.c_ulong(flags), None):
        raise OSError(keep.ctypes.get_errno(), f"{target.decode()} cannot be mounted")


def join(namespace):
    if keep.libc.setns(namespace, 0):
        raise OSError(keep.ctypes.get_errno(), "a namespace was refused")


def hand_over(program, parent, keeper, ends, secrets):
    """Let the parent fork a server into the box; its pid. Raises OSError, ValueError."""
    inside = opened(keep.family(keeper)[-1])
    given = [*inside, ends, 1, *([secrets] if secrets is not None else [])]
    try:
        socket.send_fds(parent, [order_of(program, secrets)], given)
    finally:
        for number in (*inside, ends):
            os.close(number)
    _, (server,), *_ = socket.recv_fds(parent, 100, 1, socket.MSG_CMSG_CLOEXEC)
    try:
        return pid_of(server)
    finally:
        parent.sendall(b"\n")
        os.close(server)


def opened(pid):
    """Descriptors of the namespaces of a process in the box, in the order in which they can be joined."""
    found = [os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY) for name in (*NAMESPACES, "user")]
    owner, user = fcntl.ioctl(found[0], NS_GET_USERNS), found.pop()
    if is_same(owner, user):
        os.close(user)
        return [owner, *found]
    return [owner, *found, user]


def order_of(program, secrets):
    """One line: what the server begins with. The descriptors beside it are counted from its end."""
    walls = program["walls"]
    order = {name: program[name] for name in ("command", "env", "cwd")}
    order |= {"limits": walls["limits"], "ports": walls["ports"], "secrets": secrets is not None}
    return json.dumps(order).encode() + b"\n"


def pid_of(process):
    """What we call the process that a descriptor leads to. Raises ValueError when it is gone."""
    with open(f"/proc/self/fdinfo/{process}", encoding="ascii") as lines:
        pid = next(int(line.split()[1]) for line in lines if line.startswith("Pid:"))
    if pid <= 0:
        raise ValueError("the server ended at once")
    return pid


def end(keeper):
    """The process that waits for a box, with all that is in it."""
    if keeper is None:
        return
    try:
        os.kill(keeper, signal.SIGKILL)
        os.waitpid(keeper, 0)
    except (ProcessLookupError, ChildProcessError):
        pass
