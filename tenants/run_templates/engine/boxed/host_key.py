"""Asks an ssh server for its public key: `python -I -S host_key.py libraries host port folder bytes files`.

Its last line is JSON: {"key": "type base64"}, or the sentence that tells a person why not.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(__file__))

from by_ssh import NOT_SSH, offered, unreachable, without_a_home
from written import say


def answer_to(libraries, host, port, folder, most_bytes, most_files):
    sys.path.extend(libraries.split(":"))
    without_a_home(folder)
    try:
        return {"key": offered(host, int(port))}
    except OSError as error:
        return unreachable(error)
    except Exception:  # noqa: BLE001 - a server may answer anything, and so may what reads it
        return NOT_SSH


if __name__ == "__main__":
    say(answer_to)
