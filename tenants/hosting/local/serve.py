"""Starts the unmodified ZenML server inside its box: `python -I serve.py host port`.

Its secrets come once, through a pipe: they never stand in the environment the process began with, which its own
API could be made to read as a file (/proc/self/environ), and when they have been read they are nowhere else.
"""

import gc
import importlib
import json
import os
import sqlite3
import sys
import time
from contextlib import closing, suppress

SECRETS_FD = "ZENPRO_SECRETS_FD"
PATIENCE = 5  # seconds for what an earlier server left behind

# Our own health checks would fill the log; the server turns uvicorn's --no-access-log back on, but not this.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "loggers": {"uvicorn.access": {"level": "WARNING"}},
}


def take_secrets():
    """Into this process's variables, where ZenML looks for them. It starts no other program that would inherit them."""
    number = os.environ.pop(SECRETS_FD, "")
    if number:
        with os.fdopen(int(number)) as pipe:
            os.environ.update(json.load(pipe))


def forget_interrupted(address):
    """Forget requests during which the last server of this database was killed. Whoever repeats one would be told for
    ever to try again later (ZenML 0.98, zen_server/request_management.py: 429 until it is completed), and their run
    would fail.
    """
    path, until = address.removeprefix("sqlite:///"), time.monotonic() + PATIENCE
    if not os.path.isfile(path):
        return
    with suppress(sqlite3.Error), closing(sqlite3.connect(path, timeout=PATIENCE)) as database, database:
        database.set_progress_handler(lambda: time.monotonic() > until, 10_000)  # of a schema that never ends
        database.execute("DELETE FROM api_transaction WHERE NOT completed")


def load():
    """The server's application. What it brings stays for ever, so that nobody has to look through it for garbage."""
    module = importlib.import_module("zenml.zen_server.zen_server_api")
    gc.freeze()
    gc.enable()
    return module.app


def main(host, port):
    take_secrets()
    gc.disable()  # a sixth of the time that loading takes, and there is nothing to find
    run(load, host, port)


def run(application, host, port):
    """Until the server is told to end. `application`: makes it."""
    forget_interrupted(os.environ.get("ZENML_STORE_URL", ""))
    uvicorn = importlib.import_module("uvicorn")  # of the server's environment, not of ours
    about = {"log_config": LOGGING, "timeout_graceful_shutdown": 8}
    uvicorn.run(application, factory=True, host=host, port=int(port), **about)


if __name__ == "__main__":
    main(*sys.argv[1:])
