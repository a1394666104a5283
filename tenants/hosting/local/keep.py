"""Keeps one program inside its walls: runs beside launch.py, standard library only.

`walls` says how: {"kind": "bubblewrap" | "landlock" | "none", "argv": what stands before the command,
"read": [paths], "write": [paths], "secrets": {name: value} or null, "limits": {...}, "group": the folder of a control
group to make or null, "told": the file for the reason when a limit ends the program, or null}. The keeper stays
outside, so it can tell the program a signal that the box would swallow, look after its limits, and end all it started.
"""

import ctypes
import errno
import json
import os
import resource
import signal
import stat
import struct
import time
from importlib import import_module

LOOK_EVERY = 0.5  # seconds between looks at the limits
LAST_RITES = 100  # rounds of ending what a program without a box left behind
CPU_PERIOD, CPU_LEAST = 100_000, 1000  # microseconds, and how many of them a group may use at least
SECRETS_FD, LISTEN_FD = "ZENPRO_SECRETS_FD", "ZENPRO_LISTEN_FD"  # variables that name the pipe and the socket
RECORD = 128  # bytes, as launch.py writes them

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, PR_SET_CHILD_SUBREAPER = 1, 38, 36
PR_CAPBSET_DROP, PR_SET_SECUREBITS = 24, 28
NO_ROOT = 0b1111  # SECBIT_NOROOT, SECBIT_NO_SETUID_FIXUP, both locked: root has no special rights
LAST_CAPABILITY = 63
CAPABILITY_VERSION = 0x20080522

PR_SET_SECCOMP, FILTER_MODE = 22, 2
LOAD, EQUAL, AT_LEAST, AND, RETURN = 0x20, 0x15, 0x35, 0x54, 0x06  # instructions of classic BPF
ALLOWED, REFUSED = 0x7FFF0000, 0x0005000D  # the second with EACCES
X32, ARGUMENT = (
    0x40000000,
    (16, 24, 32),
)  # calls of another kind, and where the (low halves of) arguments stand
# What the machine calls itself: its architecture for seccomp (linux/audit.h), and numbers of calls.
MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
CALLS = {
    "socket": (41, 198),
    "io_uring_setup": (425, 425),  # it makes sockets by itself
    "prlimit64": (302, 261),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
}
# Which argument names a process, with 0 for the caller: whoever names another one could stop or blind us.
OF_A_PROCESS = {
    "prlimit64": 0,
    "setpriority": 1,
    "ioprio_set": 1,
    "sched_setscheduler": 0,
    "sched_setparam": 0,
    "sched_setattr": 0,
}
SHARED = ("shmget", "msgget", "semget")  # one place for the whole machine, unless a box has its own
NEVER = ("io_uring_setup", "add_key", "request_key", "keyctl")  # keys are of the account, in a box too
UNIX, INET, INET6, NETLINK, STREAM, DATAGRAM = 1, 2, 10, 16, 1, 2
PROTOCOLS = (
    0,
    1,
    6,
    17,
    58,
)  # the usual one, ICMP, TCP, UDP, ICMPv6: others listen past Landlock, as MPTCP does

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same numbers on every machine
PATH_BENEATH = 1
# Rights of Landlock by the ABI that brought them: linux/landlock.h
READ_RIGHTS = 1 << 0 | 1 << 2 | 1 << 3  # execute, read files, read folders
FILE_RIGHTS = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15  # what may be granted on a file
REFER = 1 << 13  # to move a file to another folder; the kernel refuses it wherever rules do not name it
RIGHTS = {1: (1 << 13) - 1, 2: REFER, 3: 1 << 14, 5: 1 << 15}
NET_PORT, BIND_TCP, PORTS_SINCE = 2, 1, 4  # a kind of rule, its right, and the ABI that brought them
SCOPED_SINCE = 6  # no signals and no abstract sockets out of the box
SCOPES = 0b11

BLIND = (errno.EMFILE, errno.ENFILE)

libc = ctypes.CDLL(None, use_errno=True)


class LimitPassed(Exception):
    """A limit was passed; the message says which in words."""


def keep(program):
    """Run the program until it ends and return its exit code; nothing it started is left behind."""
    walls, watched = program["walls"], {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    walls["group"] = make_group(walls.get("group"), walls["limits"])
    child = begin(program, watched)
    try:
        return watch(child, walls, watched)
    finally:  # whatever goes wrong with us
        end_all()
        end_group(walls)


def begin(program, watched):
    """The number of the child that becomes the program, or that keeps the box in which it is."""
    walls, secrets = program["walls"], secrets_pipe(program["walls"])
    walls["server"] = None  # the program itself, where it is no child of its box
    found = import_module("forked").begin(program, secrets, watched) if walls.get("preloaded") else None
    child, walls["server"] = found or (fork(program, secrets, watched), None)
    if walls["server"] and program["lock"]:
        record(program["lock"], walls["server"])
    if secrets is not None:
        os.close(secrets)
    return child


def fork(program, secrets, watched):
    keeper, listening = os.getpid(), listen(program.get("listen"))
    child = os.fork()
    if child == 0:
        start(program, secrets, watched, keeper, listening)
    if listening:
        listening.close()
    return child


def listen(path):
    """The socket on which the program is asked, made out here where it is reached; None when it has none."""
    if not path:
        return None
    if os.path.lexists(path):
        os.unlink(path)
    found = import_module("socket").socket(1)  # AF_UNIX
    found.bind(path)
    found.listen(64)
    return found


def record(lock, server):
    """Beside who keeps the program, which process it is: no one finds it among our children."""
    with open(lock, "r+b", buffering=0) as file:
        kept = json.loads(file.read())
        os.pwrite(file.fileno(), json.dumps(kept | {"server": server}).encode().ljust(RECORD), 0)


def secrets_pipe(walls):
    """A pipe that holds the secrets once: whoever reads it has them, and after that they are nowhere."""
    if not walls["secrets"]:
        return None
    reader, writer = os.pipe()
    os.write(writer, json.dumps(walls["secrets"]).encode())
    os.close(writer)
    return reader


def start(program, secrets, watched, keeper, listening=None):
    """The child: from here to the program itself."""
    try:
        die_with(keeper)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, watched)
        command, env = [*program["walls"]["argv"], *program["command"]], dict(program["env"])
        if secrets is not None:
            os.set_inheritable(secrets, True)
            env[SECRETS_FD] = str(secrets)
        if listening:
            listening.set_inheritable(True)
            env[LISTEN_FD] = str(listening.fileno())
        build_walls(program["walls"], program["cwd"])
        os.execve(command[0], command, env)  # noqa: S606 - its purpose
    except (OSError, ValueError, OverflowError) as error:
        print(f"{program['command'][0]} cannot be started: {error}", flush=True)
    finally:
        os._exit(96)


def die_with(keeper):
    """The kernel ends us when the keeper ends; leave when it did before we asked."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != keeper:
        os._exit(99)


def build_walls(walls, cwd):
    """Around this process, which starts the box or, without one, becomes the program. Raises OSError, ValueError."""
    silence_input()
    if walls["group"]:
        enter_group(walls["group"])
    limit(walls["limits"])
    hold_ports(walls)
    if walls["kind"] != "bubblewrap":
        os.chdir(cwd)
        give_up_rights(walls)
    hold_calls(walls["kind"])


def silence_input():
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def limit(limits):
    """What the kernel holds: no core files, size of a file, open files; 0 leaves one as it is.

    Processes are counted by check_limits: the kernel's limit counts those of the whole account.
    """
    kinds = {"file_size": resource.RLIMIT_FSIZE, "open_files": resource.RLIMIT_NOFILE}
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name, kind in kinds.items():
        if limits.get(name):
            most = resource.getrlimit(kind)[1]
            value = limits[name] if most == resource.RLIM_INFINITY else min(limits[name], most)
            resource.setrlimit(kind, (value, value))
    if limits.get("niceness"):
        os.nice(limits["niceness"])


# -- while it runs


def watch(child, walls, watched):
    """Wait for the child's end, passing signals on; returns its exit code, or 137 when a limit ended it."""
    code, began, asked = None, time.monotonic(), None
    while code is None:
        arrived = signal.sigtimedwait(watched, LOOK_EVERY)
        if arrived is not None and arrived.si_signo != signal.SIGCHLD:
            asked = asked or time.monotonic()
            pass_on(child, walls, signal.SIGTERM)
        code = buried(child)
        if code is None:
            end_in_time(child, walls["limits"], asked)
            end_at_limits(child, walls, began)
    return code


def end_in_time(child, limits, asked):
    """Before someone kills us, and no one ends what the child started. `asked`: when it was asked to end, or None."""
    if asked and limits.get("grace") and time.monotonic() - asked > limits["grace"]:
        os.kill(child, signal.SIGKILL)


def end_at_limits(child, walls, began):
    try:
        check_limits([child, walls.get("server")], left_to_us(walls), time.monotonic() - began)
    except LimitPassed as reason:
        tell(walls, reason)
        os.kill(child, signal.SIGKILL)


def tell(walls, reason):
    """Why a limit ended the program: in its output, which it may write itself, and in a file which it may not."""
    sentence = f"ZenPro ended this run: {reason}"
    say(sentence)
    if walls.get("told"):
        try:
            with open(walls["told"], "w", encoding="utf-8") as file:
                file.write(sentence)
        except OSError:  # a full disk, which the program may have filled, must not save it
            pass


def say(sentence):
    """In the program's output, if that takes anything more."""
    try:
        os.write(1, f"{sentence}\n".encode())
    except OSError:
        pass


def buried(child):
    """Exit code of the child when it has ended; buries whoever else was left to us."""
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if pid == 0:
            return code
        if pid == child:
            ended = os.waitstatus_to_exitcode(status)
            code = 128 - ended if ended < 0 else ended


def pass_on(child, walls, number):
    """Signal the program itself: inside a box it is the child of the box's first process, which ignores signals."""
    target = walls.get("server") or child
    if walls["kind"] == "bubblewrap" and not walls.get("server"):
        first = next(iter(children(child)), None)
        target = next(iter(children(first)), child) if first else child
    try:
        os.kill(target, number)
    except ProcessLookupError:
        pass


def children(pid):
    """Of all threads of a process; none when it is gone. Raises OSError when we can open nothing more."""
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as words:
                found.extend(map(int, words.read().split()))
    except OSError as error:
        if error.errno in BLIND:
            raise
    return found


def family(pid):
    """Everything below a process, itself included."""
    found, waiting = [], [pid]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting.extend(children(pid))
    return found


def check_limits(heads, limits, seconds):
    """The kernel's own limits do not count for root, and none counts memory: look ourselves, at some processes with all
    below them. Raises LimitPassed."""
    if limits.get("seconds") and seconds > limits["seconds"]:
        raise LimitPassed(f"it took more than {limits['seconds']} seconds.")
    if not (limits.get("processes") or limits.get("memory")):
        return
    try:
        everybody = [pid for head in heads if head for pid in family(head)]
    except OSError as error:
        raise LimitPassed("its processes can no longer be counted.") from error
    if limits.get("processes") and len(everybody) > limits["processes"]:
        raise LimitPassed(f"it started more than {limits['processes']} processes.")
    if limits.get("memory") and sum(map(resident, everybody)) > limits["memory"]:
        raise LimitPassed(memory_words(limits["memory"]))


def memory_words(most):
    return f"it used more than {most // 1024**2:,} MB of memory."


def resident(pid):
    """Bytes of memory a process holds; 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as words:
            return int(words.read().split()[1]) * resource.getpagesize()
    except (OSError, IndexError):
        return 0


def end_all():
    """End what the program left behind: without a box it was handed to us by the kernel."""
    for _ in range(LAST_RITES):
        left = family(os.getpid())[1:]
        if not left:
            return
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        buried(0)
        signal.sigtimedwait({signal.SIGCHLD}, 0.05)


# -- control groups


def group_values(limits):
    """What is written into which file of a group: cgroups(7), "Cgroups v2"."""
    values = {"memory.oom.group": "1"}
    if limits.get("processes"):
        values["pids.max"] = str(limits["processes"])
    if limits.get("memory"):
        values |= {"memory.max": str(limits["memory"]), "memory.swap.max": "0"}
    if limits.get("cpus"):
        values["cpu.max"] = f"{max(int(limits['cpus'] * CPU_PERIOD), CPU_LEAST)} {CPU_PERIOD}"
    return values


def left_to_us(walls):
    """The limits that the kernel does not hold."""
    held = walls["group"] and os.path.exists(os.path.join(walls["group"], "memory.max"))
    return walls["limits"] | {"memory": 0} if held else walls["limits"]


def make_group(folder, limits):
    """The folder of a new group with these limits, or None where it cannot be made: then we count ourselves."""
    if not folder:
        return None
    try:
        kill_group(folder)
        os.mkdir(folder)
    except OSError:
        return None
    values = group_values(limits)
    refused = [name for name in values if not write(folder, name, values[name])]
    if "memory.max" in refused and os.path.exists(os.path.join(folder, "memory.max")):
        kill_group(folder)
        return None
    return folder


def enter_group(folder):
    if not write(folder, "cgroup.procs", "0"):
        raise OSError(0, "its control group takes no process")


def write(folder, name, value):
    """True when the kernel took it; files of what it does not limit here are not there."""
    try:
        with open(os.path.join(folder, name), "w", encoding="ascii") as file:
            file.write(value)
    except OSError:
        return False
    return True


def end_group(walls):
    """Ends whoever is left in it, also what left its session, and says what the kernel found too much."""
    group, limits = walls["group"], walls["limits"]
    if group and limits.get("memory") and counted(group, "memory.events.local", "oom"):
        tell(walls, memory_words(limits["memory"]))
    if group and limits.get("processes") and counted(group, "pids.events", "max"):
        say(f"ZenPro refused this run more than {limits['processes']} processes.")
    kill_group(group)


def counted(folder, name, event):
    """Whether the kernel counted it. By its own limit: the machine's, or that of the whole service, is oom_kill alone."""
    try:
        with open(os.path.join(folder, name), encoding="ascii") as lines:
            counts = dict(line.split() for line in lines)
    except OSError:
        return False
    return counts.get(event, "0") != "0"


def kill_group(folder):
    """Also one that a killed keeper left. A group goes once its last process has."""
    for _ in range(LAST_RITES):
        if not folder or not os.path.isdir(folder):
            return
        write(folder, "cgroup.kill", "1")
        try:
            os.rmdir(folder)
        except OSError:
            time.sleep(0.05)


# -- without bubblewrap


def give_up_rights(walls):
    """Before the program starts where there is no box: no capability, no new privilege, and Landlock if asked for."""
    drop_capabilities()
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs was refused")
    if walls["kind"] == "landlock":
        landlock(walls["read"], walls["write"])


def drop_capabilities():
    """Only root has any."""
    if os.geteuid() != 0:
        return
    libc.prctl(PR_SET_SECUREBITS, NO_ROOT, 0, 0, 0)
    for number in range(LAST_CAPABILITY + 1):
        libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)
    header = struct.pack("Ii", CAPABILITY_VERSION, 0)
    if libc.capset(header, struct.pack("IIIIII", 0, 0, 0, 0, 0, 0)):
        raise OSError(ctypes.get_errno(), "the capabilities could not be dropped")


def holds_calls():
    """Whether programs can be kept from system calls that reach past the walls."""
    return os.uname().machine in MACHINES


def hold_calls(kind):
    """From here on sockets are plain ones alone, and without a box other processes are out of reach.

    Landlock does not hold Unix sockets that have a path: the bus of the system or a container engine would act for
    whoever connects. A pair of connected ones (socketpair) is another call and stays.
    """
    if kind == "none" or not holds_calls():
        return
    steps = call_filter(kind == "landlock")
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code))
    refused = libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if refused or libc.prctl(PR_SET_SECCOMP, FILTER_MODE, ctypes.c_char_p(program), 0, 0):
        raise OSError(ctypes.get_errno(), "system calls could not be held")


def call_filter(alone):
    """Instructions for the kernel. `alone`: there is no box, which would hide other processes and what they share."""
    steps = [(LOAD, 0, 0, 4), (EQUAL, 1, 0, MACHINES[os.uname().machine]), (RETURN, 0, 0, REFUSED)]
    steps += [(LOAD, 0, 0, 0), (AT_LEAST, 0, 1, X32), (RETURN, 0, 0, REFUSED)]
    for name in (*NEVER, *(SHARED if alone else ())):
        steps += case(name, [(RETURN, 0, 0, REFUSED)])
    for name, index in OF_A_PROCESS.items() if alone else ():
        steps += case(name, [(LOAD, 0, 0, ARGUMENT[index]), *one_of([0]), (RETURN, 0, 0, ALLOWED)])
    steps += case("socket", socket_filter(alone))
    return [*steps, (RETURN, 0, 0, ALLOWED)]


def case(name, body):
    """What is done at a call; the body ends with an answer. The number of the call is loaded."""
    number = CALLS[name][list(MACHINES).index(os.uname().machine)]
    return [(EQUAL, 0, len(body), number), *body]


def one_of(values):
    """Goes on when one of them is loaded; else the call is refused."""
    tests = [(EQUAL, len(values) - place, 0, value) for place, value in enumerate(values)]
    return [*tests, (RETURN, 0, 0, REFUSED)]


def socket_filter(alone):
    families = (NETLINK,) if alone else (NETLINK, UNIX)
    steps = [(LOAD, 0, 0, ARGUMENT[0])]
    for family in families:
        steps += [(EQUAL, 0, 1, family), (RETURN, 0, 0, ALLOWED)]
    steps += one_of([INET, INET6])
    steps += [(LOAD, 0, 0, ARGUMENT[1]), (AND, 0, 0, 0xF), *one_of([STREAM, DATAGRAM])]
    return [*steps, (LOAD, 0, 0, ARGUMENT[2]), *one_of(PROTOCOLS), (RETURN, 0, 0, ALLOWED)]


def holds_ports():
    """Whether programs can be kept from listening where a tenant or ZenPro itself should be."""
    return landlock_abi() >= PORTS_SINCE


def hold_ports(walls):
    """The program listens on the ports that it was given and on those that the system chooses, also inside bubblewrap.

    It shares its network with us: while a tenant's server is down anyone else could answer in its place. Sockets
    without a path (abstract) are of the network too, and are reached within the walls alone where the kernel can say so.
    """
    if walls["kind"] == "none" or not holds_ports():
        return
    scoped, held = landlock_abi() >= SCOPED_SINCE, walls["ports"] is not None
    if not (scoped or held):
        return
    refer = REFER if walls["kind"] == "landlock" else 0  # or no file moves to another folder: rules add up
    attributes = struct.pack("QQQ", refer, BIND_TCP if held else 0, SCOPES if scoped else 0)
    rules = libc.syscall(CREATE_RULESET, attributes, 24 if scoped else 16, 0)
    if rules < 0 or libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "Landlock refused the rules for ports")
    for port in (0, *walls["ports"]) if held else ():
        libc.syscall(ADD_RULE, rules, NET_PORT, struct.pack("QQ", BIND_TCP, port), 0)
    if refer:
        allow(rules, "/", refer)
    if libc.syscall(RESTRICT_SELF, rules, 0):
        raise OSError(ctypes.get_errno(), "Landlock could not hold ports")
    os.close(rules)


def landlock_abi():
    """Version of the kernel's Landlock; 0 where there is none."""
    return max(0, libc.syscall(CREATE_RULESET, None, 0, 1))


def landlock(read, write):
    """From here on this process and its children open nothing but what is in these folders and files."""
    abi = landlock_abi()
    if not abi:
        raise OSError(0, "the kernel has no Landlock")
    handled = sum(bits for since, bits in RIGHTS.items() if abi >= since)
    scopes = SCOPES if abi >= SCOPED_SINCE else 0
    attributes = struct.pack("QQQ", handled, 0, scopes)
    size = 8 if abi < 4 else 16 if abi < SCOPED_SINCE else 24
    rules = libc.syscall(CREATE_RULESET, attributes, size, 0)
    if rules < 0:
        raise OSError(ctypes.get_errno(), "Landlock refused the rules")
    for path in read:
        allow(rules, path, READ_RIGHTS & handled)
    for path in write:
        allow(rules, path, handled, os.O_NOFOLLOW)
    if libc.syscall(RESTRICT_SELF, rules, 0):
        raise OSError(ctypes.get_errno(), "Landlock could not be switched on")
    os.close(rules)


def allow(rules, path, rights, follow=0):
    """With O_NOFOLLOW a link that a tenant put in place of its folder opens nothing: a link has no contents."""
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC | follow)
    except FileNotFoundError:
        return
    rights = rights if stat.S_ISDIR(os.fstat(place).st_mode) else rights & FILE_RIGHTS
    rule = struct.pack("=Qi", rights, place)
    if libc.syscall(ADD_RULE, rules, PATH_BENEATH, rule, 0):
        raise OSError(ctypes.get_errno(), f"Landlock refused {path}")
    os.close(place)
