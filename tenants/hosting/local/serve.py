"""Starts the unmodified ZenML server inside its box: `python -I serve.py host port`.

Its secrets come once, through a pipe: they never stand in the environment the process began with, which its own
API could be made to read as a file (/proc/self/environ), and when they have been read they are nowhere else.
"""

import importlib
import json
import os
import sys

SECRETS_FD = "ZENPRO_SECRETS_FD"

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


def main(host, port):
    take_secrets()
    uvicorn = importlib.import_module("uvicorn")  # of the server's environment, not of ours
    app = "zenml.zen_server.zen_server_api:app"
    uvicorn.run(app, host=host, port=int(port), log_config=LOGGING, timeout_graceful_shutdown=8)


if __name__ == "__main__":
    main(*sys.argv[1:])
