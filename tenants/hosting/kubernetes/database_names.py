"""Names of what tenants have on a database server, and the statements about them."""

from __future__ import annotations

import re
from uuid import UUID

from tenants.hosting.kubernetes.naming import name_of

NAME = re.compile(r"zenml_[0-9a-f]{12}(_before_[0-9]+(_[0-9a-z]+)*)?")
REGISTER = "`zenpro_tenants`"
ROWS = f"{REGISTER}.`databases`"
CONNECTIONS = 100  # a server has 40 at most; one that ended hard may still hold its own
# All that ZenML and its migrations need. None of them leads out of the database they are given on.
RIGHTS = (
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "CREATE",
    "DROP",
    "REFERENCES",
    "INDEX",
    "ALTER",
    "CREATE TEMPORARY TABLES",
    "LOCK TABLES",
)
MAKE_REGISTER = (
    f"CREATE DATABASE IF NOT EXISTS {REGISTER} CHARACTER SET utf8mb4",
    f"""
    CREATE TABLE IF NOT EXISTS {ROWS} (
        name VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY,
        tenant CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        installation VARCHAR(64) NOT NULL,
        made TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
    )
    """,
)


def database_of(tenant_id: UUID) -> str:
    """Name of a tenant's database and of its account there: made of the id alone, as all its names in the cluster."""
    return name_of(tenant_id).replace("-", "_")


def copy_of(tenant_id: UUID, version: str) -> str:
    """Name of the copy that is made before the database is brought to a version."""
    return f"{database_of(tenant_id)}_before_{version.replace('.', '_')}"


def quoted(name: str) -> str:
    """As an identifier. Raises ValueError for what is no name of ours: nothing else is ever changed."""
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a tenant's database")
    return f"`{name}`"


def account(name: str) -> str:
    """As the account of a statement, where % is written twice."""
    return f"'{quoted(name).strip('`')}'@'%%'"


def make_database(name: str) -> str:
    """unicode_520 is the newest collation that MySQL and MariaDB share; older ones take all emojis for one letter."""
    return (
        f"CREATE DATABASE IF NOT EXISTS {quoted(name)} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci"
    )


def make_account(name: str) -> str:
    """Takes the password."""
    return f"CREATE USER IF NOT EXISTS {account(name)} IDENTIFIED BY %s"


def set_password(name: str) -> str:
    """Takes the password."""
    return f"ALTER USER {account(name)} IDENTIFIED BY %s"


def limit_account(name: str) -> str:
    return f"ALTER USER {account(name)} WITH MAX_USER_CONNECTIONS {CONNECTIONS}"


def give_rights(name: str, to: str) -> str:
    return f"GRANT {', '.join(RIGHTS)} ON {quoted(name)}.* TO {account(to)}"


def take_rights(name: str, of: str) -> str:
    """One by one: who takes all of them needs all there are."""
    return f"REVOKE {', '.join(RIGHTS)} ON {quoted(name)}.* FROM {account(of)}"
