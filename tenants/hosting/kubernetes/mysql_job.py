"""Copies a tenant's MySQL database, or migrates it and puts the copy back when that fails.

This file is the command of a Job and runs in ZenML's own image: nothing but PyMySQL is there, and nothing of ours.
Arguments: "keep" or "migrate", and the name of the copy.
"""

import os
import ssl
import subprocess
import sys
from contextlib import closing
from urllib.parse import unquote, urlsplit

import pymysql

REVISION = "alembic_version"  # copied last: a copy that has it is whole
MARK = "zenpro_migrating"  # a table in the copy, from the beginning of a migration to its end or the way back


def main(what, copy):
    own, connect = way_to_store()
    with closing(connect()) as connection:
        if what == "keep":
            keep(connection, own, copy)
            return 0
        begin(connection, own, copy)
    wide = {**os.environ, "COLUMNS": "400"}  # an error stays in one line
    ended = subprocess.run(["zenml", "migrate-database"], env=wide, check=False).returncode  # noqa: S607 - the image's
    with closing(connect()) as connection:
        end(connection, own, copy, is_well=ended == 0)
    return ended


def way_to_store():
    """(name of the database, what connects to it), as ZenML's own variables say."""
    url, authority = urlsplit(os.environ["ZENML_STORE_URL"]), os.environ.get("ZENML_STORE_SSL_CA")
    tls = ssl.create_default_context(cadata=authority) if authority else None
    if tls is None and os.environ.get("ZENML_STORE_SSL") == "true":
        tls = ssl._create_unverified_context()  # noqa: S323 - no certificate was given to check it with
    how = {"host": url.hostname, "port": url.port, "user": url.username, "password": unquote(url.password)}
    how.update(connect_timeout=10, autocommit=True, charset="utf8mb4", ssl=tls)
    return url.path.strip("/"), lambda: pymysql.connect(**how)


def keep(connection, own, copy):
    """A copy of the present. After a migration that was cut off, the present is what was copied before it."""
    if take_back(connection, own, copy):
        return
    tables = tables_of(connection, own)
    if REVISION in tables:
        if revision(connection, copy) in (
            "",
            revision(connection, own),
        ):  # else it was migrated since, and that worked
            transfer(connection, own, copy)
    elif is_blank(connection, own, tables):
        clear(connection, own)  # made by a first start that was cut off; ZenML goes on with no such thing


def take_back(connection, own, copy):
    """What a migration changed that was cut off, to whatever version. True when this copy goes on being the way back."""
    query = "SELECT table_schema FROM information_schema.tables WHERE table_name = %s ORDER BY create_time"
    marked = [name for (name,) in run(connection, query, MARK) if name.startswith(f"{own}_before_")]
    if not marked:
        return False
    transfer(connection, marked[0], own)  # the first one is of the time before all of them
    stays = marked[0] == copy
    for name in marked[1:] if stays else marked:
        run(connection, f"DROP TABLE `{name}`.`{MARK}`")
    return stays


def begin(connection, own, copy):
    """Mark the copy as the way back, when it is one."""
    present = revision(connection, own)
    if present and revision(connection, copy) == present and MARK not in tables_of(connection, copy):
        run(
            connection, f"CREATE TABLE `{copy}`.`{MARK}` (since TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)"
        )


def end(connection, own, copy, is_well):
    if MARK in tables_of(connection, copy):
        if not is_well:
            transfer(connection, copy, own)
        run(connection, f"DROP TABLE `{copy}`.`{MARK}`")


def revision(connection, name):
    """What its tables are made for; "" when there are none, or not all."""
    if REVISION not in tables_of(connection, name):
        return ""
    return ", ".join(sorted(one for (one,) in run(connection, f"SELECT * FROM `{name}`.`{REVISION}`")))  # noqa: S608


def transfer(connection, source, target):
    """Within the server: no row comes here."""
    clear(connection, target)
    run(connection, "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO'")
    tables = [one for one in tables_of(connection, source) if one != MARK]
    for table in sorted(tables, key=lambda name: (name == REVISION, name)):
        ((_, made),) = run(connection, f"SHOW CREATE TABLE `{source}`.`{table}`")
        run(connection, f"USE `{target}`")
        run(connection, made)
        run(connection, f"INSERT INTO `{target}`.`{table}` SELECT * FROM `{source}`.`{table}`")  # noqa: S608


def clear(connection, name):
    run(connection, "SET SESSION foreign_key_checks = 0")
    for table in tables_of(connection, name):
        run(connection, f"DROP TABLE `{name}`.`{table}`")


def is_blank(connection, name, tables):
    """Nothing but what ZenML writes before the revision."""
    filled = [one for one in tables if one != "server_settings"]
    return not any(run(connection, f"SELECT 1 FROM `{name}`.`{one}` LIMIT 1") for one in filled)  # noqa: S608


def tables_of(connection, name):
    query = "SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND table_type = 'BASE TABLE'"
    return [table for (table,) in run(connection, query, name)]


def run(connection, statement, *values):
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return list(cursor.fetchall())


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
