"""The parent of all servers of a ZenML version: loads everything once, then forks: `python -I preload.py`.

It runs behind walls of its own, with the environment of its version and nothing else: no tenant's folder, no secret. It
answers on a socket that only ZenPro's own account reaches. For each connection it forks twice: the first fork enters
the box that was made for the server (forked.py), the second is the server. So most of a server's memory is shared with
all others, and it starts in a tenth of the time. What a server was told is in its own process only.
"""

import ctypes
import gc
import importlib
import json
import logging
import os
import pkgutil
import random
import resource
import signal
import site
import socket
import struct
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
keep = importlib.import_module("keep")
serve = importlib.import_module("serve")

LISTEN_FD = "ZENPRO_LISTEN_FD"
OWN_NAMESPACES = ("/proc/self/ns/user", "/proc/self/ns/pid")
ORDER_LIMIT = 256 * 1024  # bytes
FDS = 16  # in one message; an order has at most ten
UNANSWERED = 60.0  # seconds for whoever connects to say what they want
PR_SET_DUMPABLE = 4
FEATURE_GATE = "zenml.zen_server.feature_gate.zenml_cloud_feature_gate"
# What a server imports only once it starts.
LATER = (
    "uvicorn.loops.auto", "uvicorn.lifespan.on", "uvicorn.protocols.http.auto", "uvicorn.protocols.websockets.auto",
    "alembic.command", "alembic.autogenerate", "alembic.ddl.sqlite", "zenml.zen_stores.migrations.alembic",
    "zenml.zen_stores.secrets_stores.sql_secrets_store", "zenml.zen_server.rbac.zenml_cloud_rbac",
    FEATURE_GATE, "zenml.zen_server.streaming.brokers.utils",
)  # fmt: skip


def load():
    """The application of ZenML's server, as serve.py has it, with all that it would load at its first requests."""
    importlib.import_module("uvicorn")
    application = serve.load()
    for name in LATER:
        with suppress(ImportError):  # another version has other modules
            importlib.import_module(name)
    routers = importlib.import_module("zenml.zen_server.routers")
    for found in pkgutil.iter_modules(routers.__path__):
        importlib.import_module(f"{routers.__name__}.{found.name}")
    importlib.import_module("sqlalchemy.orm").configure_mappers()
    make_routes(application)
    return application


def make_routes(application):
    """FastAPI makes those of a router at the first request, which takes it half a second."""
    asked = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "root_path": "",
        "headers": [],
        "query_string": b"",
    }
    for route in application.router.routes:
        route.matches({**asked, "app": application})


def main():
    listening = socket.socket(fileno=int(os.environ.pop(LISTEN_FD)))
    gc.disable()
    application = load()
    gc.collect()
    gc.freeze()
    if threading.active_count() > 1:
        sys.exit("A thread runs beside the parent, so it cannot be forked.")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries forks
    print("Servers of this version are forked from here.", flush=True)
    while True:
        connection, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            answer(connection, application)
        connection.close()


def answer(connection, application):
    """In a fork: enter the box that was made and be the parent of the server in it, until it ends."""
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        order, fds = agree(connection)
        secrets = fds.pop() if order["secrets"] else None
        *box, ends, output = fds
        enter(box)
        server = os.fork()
        if server == 0:
            os.close(ends)
            connection.close()
            become(order, output, secrets, application)
        tell_end(connection, server, ends)
    except (OSError, ValueError) as error:
        print(f"A server could not be forked: {error}", flush=True)
    finally:
        os._exit(1)


def agree(connection):
    """(what is wanted, descriptors with it). Raises OSError, ValueError."""
    connection.settimeout(UNANSWERED)
    own = [os.open(path, os.O_RDONLY) for path in OWN_NAMESPACES]
    socket.send_fds(connection, [b"namespaces\n"], own)
    for number in own:
        os.close(number)
    text, fds, *_ = socket.recv_fds(connection, ORDER_LIMIT, FDS, socket.MSG_CMSG_CLOEXEC)
    while text and not text.endswith(b"\n"):
        more = connection.recv(ORDER_LIMIT)
        text = text + more if more else b""
    return json.loads(text), fds


def enter(box):
    """Raises OSError."""
    for number in box:
        if keep.libc.setns(number, 0):
            raise OSError(ctypes.get_errno(), "the box cannot be entered")
        os.close(number)


def tell_end(connection, server, ends):
    """Say which process it is, wait for it, and hand on its exit code. Until it was looked up it is not buried."""
    process = os.pidfd_open(server)
    socket.send_fds(connection, [b"server\n"], [process])
    connection.recv(1)  # it was
    connection.close()
    os.close(process)
    code = os.waitstatus_to_exitcode(os.waitpid(server, 0)[1])
    with suppress(BrokenPipeError):  # the box ended first, and the server with it
        os.write(ends, f"{128 - code if code < 0 else code}\n".encode())
    os._exit(0)


# -- the server


def become(order, output, secrets, application):
    """In the fork of a fork, which is in the box: what bubblewrap would do to a program, and then the server itself."""
    code = 1
    try:
        take_streams(output, secrets)
        settle(order)
        take_variables(order["env"], secrets)
        forget()
        serve.run(lambda: renewed(application), *order["command"][-2:])
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        logging.getLogger("zenpro").exception("The server ended.")
    finally:
        logging.shutdown()
        os._exit(code)


def take_streams(output, secrets):
    """Nothing else stays open: not the socket, nor what other servers were given."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for here, number in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(here, number)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != secrets:
            with suppress(OSError):
                os.close(int(name))


def settle(order):
    """Limits, no rights, and the ports it may listen on. Raises OSError."""
    os.setsid()
    os.umask(0o077)
    os.chdir(order["cwd"])
    keep.libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)  # its own entries of /proc are its own
    keep.limit(order["limits"])
    if order["limits"].get("processes"):
        most = (order["limits"]["processes"],) * 2
        resource.setrlimit(resource.RLIMIT_NPROC, most)
    give_up_rights()
    keep.hold_ports({"kind": "bubblewrap", "ports": order["ports"]})
    keep.hold_calls("bubblewrap")


def give_up_rights():
    """Whoever enters a box has every right in it. Raises OSError."""
    for number in range(keep.LAST_CAPABILITY + 1):
        keep.libc.prctl(keep.PR_CAPBSET_DROP, number, 0, 0, 0)
    header = struct.pack("Ii", keep.CAPABILITY_VERSION, 0)
    if keep.libc.capset(header, struct.pack("IIIIII", 0, 0, 0, 0, 0, 0)):
        raise OSError(ctypes.get_errno(), "the capabilities could not be dropped")
    if keep.libc.prctl(keep.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs was refused")


def take_variables(variables, secrets):
    os.environ.clear()
    os.environ.update(variables)
    if secrets is not None:
        os.environ[keep.SECRETS_FD] = str(secrets)
    serve.take_secrets()
    tempfile.tempdir = site.USER_BASE = site.USER_SITE = None
    random.seed()


def forget():
    """What ZenML read from the parent's variables; each server reads its own again."""
    importlib.import_module("zenml.zen_server.utils")._server_config = None
    importlib.import_module("zenml.config.global_config").GlobalConfiguration._reset_instance()
    importlib.reload(importlib.import_module(FEATURE_GATE))  # keeps the organization


def renewed(application):
    """The application with what it took from the configuration when it was made."""
    api = importlib.import_module("zenml.zen_server.zen_server_api")
    configuration = importlib.import_module("zenml.zen_server.utils").server_config()
    api.DASHBOARD_REDIRECT_URL = configuration.dashboard_url
    application.root_path = configuration.root_url_path
    for middleware in application.user_middleware:  # none is made before the first request
        if "allow_origins" in middleware.kwargs:
            middleware.kwargs["allow_origins"] = configuration.cors_allow_origins or []
    return application


if __name__ == "__main__":
    main()
