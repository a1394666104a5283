"""Checks of the database and of the keys that open what is sealed in it."""

import json
import os
import stat
from pathlib import Path

from cryptography.fernet import Fernet
from django.conf import settings
from django.db import DatabaseError, connection

from tenants.models import Tenant
from zenpro_site import table_version
from zenpro_site.common.sealing import SecretsUnreadable
from zenpro_site.common.sizes import size_words
from zenpro_site.key_file import are_in_environment

from .findings import Finding, ok, problem, warning, words_of

OLDEST = 140_000  # of PostgreSQL, in its own numbering: what Django still speaks to
# A wrong password, no rule that lets in this host, or nothing that listens for other programs.
NO_ENTRY = ("password authentication failed", "no pg_hba.conf entry", "connection refused")
WRONG = "not-the-password"
LOCAL = "127.0.0.1"
ASK_FOR_IT = "In pg_hba.conf replace trust with scram-sha-256, give the account a password, and put it in DATABASE_URL."
# Tables of more than a few pages that no one has looked at: the planner guesses.
UNSEEN = """
    SELECT c.relname FROM pg_class c JOIN pg_stat_user_tables s ON s.relid = c.oid
    WHERE c.reltuples < 0 AND pg_relation_size(c.oid) > 65536 ORDER BY c.relname
"""


def is_there() -> bool:
    """False for a file of SQLite that no one has made yet: to look would make it."""
    return connection.vendor != "sqlite" or Path(_file()).exists() or _file() == ":memory:"


def _file() -> str:
    return str(connection.settings_dict["NAME"])


def check_database() -> list[Finding]:
    if not is_there():
        return [warning(f"There is no database {_file()} yet.", "`zenpro up` creates it.")]
    try:
        waiting, of_before = table_version.migrations_waiting(), table_version.is_of_before()
        more = _postgresql() if connection.vendor == "postgresql" else [_sqlite()]
    except DatabaseError as error:
        remedy = "Check that it is running, and that DATABASE_URL is right."
        return [problem(f"The database cannot be used: {words_of(error)}", remedy)]
    if of_before:
        more.insert(0, problem(table_version.words_of_before(), table_version.REMEDY))
    elif waiting:
        remedy = "`zenpro up` applies them when it starts; without it, run: zenpro migrate"
        more.insert(0, problem(f"Migrations not applied yet: {waiting}.", remedy))
    return more


def _sqlite() -> Finding:
    file = Path(_file())
    parts = [part for part in (file, Path(f"{file}-wal")) if part.exists()]
    size = size_words(sum(part.stat().st_size for part in parts)) if parts else "in memory"
    return ok(f"SQLite {'.'.join(map(str, connection.Database.sqlite_version_info))}, {file.name}, {size}.")


# -- PostgreSQL


def _postgresql() -> list[Finding]:
    with connection.cursor() as cursor:
        number = connection.pg_version
        cursor.execute("SELECT current_setting('server_version'), pg_database_size(current_database())")
        version, size = cursor.fetchone()
        cursor.execute(UNSEEN)
        unseen = [name for (name,) in cursor.fetchall()]
        cursor.execute(
            "SELECT current_setting('autovacuum') = 'on' AND current_setting('track_counts') = 'on'"
        )
        (looks,) = cursor.fetchone()
    words = f"PostgreSQL {version}, {size_words(size)}."
    found = [ok(words) if number >= OLDEST else problem(words, "Upgrade PostgreSQL to 14 or later.")]
    return found + _statistics(unseen, looks) + _password()


def _statistics(unseen: list[str], looks: bool) -> list[Finding]:
    found = []
    if not looks:
        found.append(
            warning("PostgreSQL is not gathering statistics.", "Set autovacuum and track_counts to on.")
        )
    if unseen:
        text = f"PostgreSQL has no statistics for {len(unseen)} tables yet, so pages may be slow."
        found.append(warning(text, "Run ANALYZE in the database, also after every restore."))
    return found


def _password() -> list[Finding]:
    """Code of tenants shares our network: without a password it could simply connect."""
    host = connection.settings_dict["HOST"]
    host = LOCAL if not host or host.startswith("/") else host  # sockets are not seen from a box
    refused = _refusal(host)
    if not refused:
        return [problem(f"PostgreSQL on {host} lets anyone in without a password.", ASK_FOR_IT)]
    if any(words in refused for words in NO_ENTRY):
        return [ok("PostgreSQL asks for a password.")]
    text = f"Could not test whether PostgreSQL on {host} asks for a password."
    return [warning(text, "Run `zenpro doctor` again.")]


def _refusal(host: str) -> str:
    """What PostgreSQL says to a wrong password, "" when it lets us in. On a new connection; ours stays as it is."""
    wrong = {**connection.get_connection_params(), "password": WRONG, "host": host, "connect_timeout": 5}
    wrong.pop("passfile", None)
    try:
        connection.Database.connect(**wrong).close()
    except connection.Database.Error as error:
        return str(error).lower() or "refused"
    return ""


# -- keys


def check_keys() -> list[Finding]:
    if are_in_environment():
        return [*_stored(), ok("The keys are in the environment. Back them up separately from the database.")]
    file = settings.KEY_FILE
    if not file.exists():
        return [warning("There are no keys yet.", f"`zenpro up` creates {file}.")]
    return _key_file(file) or [
        *_stored(),
        ok(
            f"The keys are in {file}, readable by this account only. Back them up separately from the database."
        ),
    ]


def _key_file(file: Path) -> list[Finding]:
    """What is wrong with it."""
    info = file.stat()
    if stat.S_IMODE(info.st_mode) & 0o077 or info.st_uid != os.geteuid():
        remedy = f"chown it to ZenPro's account, then chmod 600 {file}"
        return [problem(f"{file} can be read by another account: it opens every tenant's secrets.", remedy)]
    try:
        keys = json.loads(file.read_text())
        valid = keys["secret_key"] and [Fernet(key) for key in keys["secret_keys"]]
    except (OSError, ValueError, KeyError, TypeError):
        valid = False
    return [] if valid else [problem(f"{file} holds no usable keys.", "Restore it from your backup.")]


def _stored() -> list[Finding]:
    """Do they open what is stored?"""
    try:
        tenant = Tenant.objects.order_by("-created_at").first() if is_there() else None
        if tenant:
            tenant.opened_secrets()
    except DatabaseError:
        return []  # the check of the database says why
    except SecretsUnreadable:
        remedy = "Put this database's own keys back into ZENPRO_SECRET_KEYS, next to the new ones."
        return [problem("The keys don't open the secrets stored in the database.", remedy)]
    return []
