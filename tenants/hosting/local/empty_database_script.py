"""Runs inside a box that holds one empty folder, with the Python of a ZenML version, and makes a server's tables there.

`python -I empty_database_script.py file`. It does what a server does at its first start before it listens. The server's
own variables say where its database is; the file gets a copy of it in one piece, without a journal beside it.
"""

import importlib
import os
import sqlite3
import sys
from contextlib import closing


def main(file):
    importlib.import_module("zenml.zen_server.utils").initialize_zen_store()
    path = os.environ["ZENML_STORE_URL"].removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as database:
        database.execute("VACUUM INTO ?", (file,))


if __name__ == "__main__":
    main(*sys.argv[1:])
