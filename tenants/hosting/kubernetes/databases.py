"""A database and an account for each tenant on a server that also holds what others have.

Level-triggered like the cluster's objects: each call may be made again. What is ours is in a register beside the databases:
no tenant can write to it, and a database that is not in it is never used or dropped.
"""

from __future__ import annotations

import re
from uuid import UUID

from tenants.hosting.base import ServerError
from tenants.hosting.kubernetes.cluster_spec import PodsWay, StoreOnServer
from tenants.hosting.kubernetes.database_names import (
    MAKE_REGISTER,
    ROWS,
    account,
    copy_of,
    database_of,
    give_rights,
    limit_account,
    make_account,
    make_database,
    quoted,
    set_password,
    take_rights,
)
from tenants.hosting.kubernetes.database_server import DatabaseRefused, DatabaseServer, Run
from tenants.hosting.kubernetes.mysql_job import MARK

DROP_TIME = 30.0  # seconds: files of a large database take theirs
NOT_THERE = {1049, 1146}  # no such database, no such table
GIVEN_ON = re.compile(r" ON `(zenml_[0-9a-f]{12}_before_[0-9a-z_]+)`\.\* TO ")


class TenantDatabases:
    """All methods raise SupervisorGone while the server does not answer, and ServerError for what it refuses."""

    def __init__(self, server: DatabaseServer, installation: str, pods: PodsWay):
        """`installation`: for people who look into the register; `pods`: how servers reach their databases."""
        self.server, self.installation, self.pods = server, installation, pods

    @property
    def host(self) -> str:
        return self.server.account.host

    def store(self, tenant_id: UUID, password: str) -> StoreOnServer:
        """What the tenant's server has to know of its database."""
        return StoreOnServer(name=database_of(tenant_id), password=password, at=self.pods)

    def check_free(self, tenant_id: UUID) -> None:
        """Raises ServerError when someone else has the name that we need."""
        with self.server.session() as run:
            _check(run, tenant_id, database_of(tenant_id))

    def prepare(self, tenant_id: UUID, password: str) -> None:
        """Make database, account and rights as they should be."""
        name = database_of(tenant_id)
        with self.server.session() as run:
            self._enter(run, tenant_id, name)
            run(make_database(name))
            run(make_account(name), password)
            if not self.server.accepts(name, password):
                run(set_password(name), password)
            run(limit_account(name))
            run(give_rights(name, to=name))

    def open_copy(self, tenant_id: UUID, version: str) -> None:
        """A place for the copy before a change of version, which the tenant's account can fill. None of no tables."""
        name, own = copy_of(tenant_id, version), database_of(tenant_id)
        with self.server.session() as run:
            if not run("SELECT 1 FROM information_schema.tables WHERE table_schema = %s LIMIT 1", own):
                return
            self._enter(run, tenant_id, name)
            run(make_database(name))
            run(give_rights(name, to=own))

    def close_copies(self, tenant_id: UUID) -> None:
        """Copies stay; the tenant's server can't read or change them, and none is a way back once it has written."""
        name = database_of(tenant_id)
        with self.server.session() as run:
            for line, *_ in run(f"SHOW GRANTS FOR {account(name)}"):
                for copy in GIVEN_ON.findall(str(line)):
                    run(take_rights(copy, of=name))
                    run(f"DROP TABLE IF EXISTS {quoted(copy)}.`{MARK}`")

    def exists(self, tenant_id: UUID) -> bool:
        """Is its database there, and its own?"""
        name = database_of(tenant_id)
        with self.server.session() as run:
            found = run("SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", name)
            return bool(found) and name in _entered(run, tenant_id)

    def retire(self, tenant_id: UUID) -> None:
        """Drop its copies, its database and its account, in this order; afterwards nothing is left."""
        own = database_of(tenant_id)
        with self.server.session(DROP_TIME) as run:
            for name in sorted(_entered(run, tenant_id), key=lambda name: (name == own, name)):
                run(f"DROP DATABASE IF EXISTS {quoted(name)}")
                if name == own:
                    run(f"DROP USER IF EXISTS {account(own)}")
                run(f"DELETE FROM {ROWS} WHERE name = %s AND tenant = %s", name, str(tenant_id))  # noqa: S608

    def is_gone(self, tenant_id: UUID) -> bool:
        with self.server.session() as run:
            return not _entered(run, tenant_id)

    def _enter(self, run: Run, tenant_id: UUID, name: str) -> None:
        """In the register before it is made: what is made is always known to be ours."""
        _check(run, tenant_id, name)
        for statement in MAKE_REGISTER:
            run(statement)
        statement = f"INSERT IGNORE INTO {ROWS} (name, tenant, installation) VALUES (%s, %s, %s)"  # noqa: S608
        run(statement, name, str(tenant_id), self.installation)
        _check(run, tenant_id, name)


def _check(run: Run, tenant_id: UUID, name: str) -> None:
    """Raises ServerError unless the name is the tenant's, or no one's."""
    if name in _entered(run, tenant_id):
        return
    taken = "SELECT 1 FROM information_schema.schemata WHERE schema_name = %s"
    if run(taken, name) or run("SELECT 1 FROM mysql.user WHERE user = %s", name) or _is_entered(run, name):
        raise ServerError(
            f"The database server already has a database or an account {name} that is not this tenant's. "
            "Delete or rename it, then Retry."
        )


def _is_entered(run: Run, name: str) -> bool:
    return bool(_rows(run, f"SELECT 1 FROM {ROWS} WHERE name = %s", name))  # noqa: S608


def _entered(run: Run, tenant_id: UUID) -> set[str]:
    """Names that the register has as this tenant's."""
    found = _rows(run, f"SELECT name FROM {ROWS} WHERE tenant = %s", str(tenant_id))  # noqa: S608
    own = database_of(tenant_id)
    return {str(name) for (name, *_) in found if name == own or str(name).startswith(f"{own}_before_")}


def _rows(run: Run, statement: str, value: str) -> list[tuple]:
    try:
        return run(statement, value)
    except DatabaseRefused as error:
        if error.code in NOT_THERE:
            return []
        raise
