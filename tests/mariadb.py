"""A MariaDB server of the tests' own: begun when a test first asks for one, gone with the tests, as no one's service."""

import os
import shutil
import subprocess
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import pymysql
import pytest

from tests.certificates import company_in
from tests.tenants.hosting.stub_control_plane import free_port

HOST, ADMIN, PASSWORD = "127.0.0.1", "zenpro", "administrators-password"
# What docs/operating.md says that ZenPro's account needs.
GRANT = (
    "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, REFERENCES, INDEX, ALTER, CREATE TEMPORARY TABLES, "
    "LOCK TABLES, CREATE USER ON *.* TO 'zenpro'@'%' WITH GRANT OPTION"
)
# Nothing of it has to outlive the tests.
CARELESS = [
    "--skip-log-bin",
    "--skip-name-resolve",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--innodb-flush-method=nosync",
    "--innodb-buffer-pool-size=32M",
    "--innodb-log-file-size=8M",
    "--performance-schema=0",
]


@dataclass(frozen=True)
class MariaDb:
    """`ca`: file with what makes its certificate known."""

    port: int
    ca: Path

    def run(self, statement: str, *values, user: str = "root", password: str = "") -> list[tuple]:
        """As its administrator, or as someone else."""
        account = {"user": user, "password": password, "host": HOST, "port": self.port, "autocommit": True}
        with closing(pymysql.connect(**account)) as connection, connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall())

    def names(self, pattern: str) -> set[str]:
        """Databases and accounts of such a name."""
        found = self.run(
            "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE %s", pattern
        )
        found += self.run("SELECT user FROM mysql.user WHERE user LIKE %s", pattern)
        return {name for (name,) in found}


@pytest.fixture(scope="session")
def mariadb():
    if not shutil.which("mariadbd", path=os.environ["PATH"] + ":/usr/sbin"):
        pytest.skip("MariaDB is not installed: apt-get install --no-install-recommends mariadb-server")
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = Path(mkdtemp(prefix="zenpro-mariadb-", dir=memory))
    try:
        _, ca = company_in(folder)
        yield from _running(folder, ca)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _running(folder: Path, ca: Path):
    data, port, log = folder / "data", free_port(), folder / "log"
    become = []
    if os.geteuid() == 0:
        shutil.chown(folder, "mysql", "mysql")
        become = ["--reuid=mysql", "--regid=mysql", "--clear-groups"]
    as_nobody = ["setpriv", *become, "--pdeathsig=KILL"]
    environment = os.environ | {"PATH": os.environ["PATH"] + ":/usr/sbin"}
    made = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db"]
    made += ["--auth-root-authentication-method=normal", "--innodb-log-file-size=8M"]
    subprocess.run([*as_nobody, *made], check=True, capture_output=True, env=environment)
    certificate = f"{folder}/server.pem"
    place = [f"--datadir={data}", f"--bind-address={HOST}", f"--port={port}", f"--socket={folder}/socket"]
    place += [f"--pid-file={folder}/pid", f"--ssl-cert={certificate}", f"--ssl-key={certificate}"]
    command = [*as_nobody, "mariadbd", "--no-defaults", *place, *CARELESS]
    with log.open("wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
    try:
        yield _up(MariaDb(port, ca), server, log)
    finally:
        server.kill()
        server.wait()


def _up(found: MariaDb, server: subprocess.Popen, log: Path) -> MariaDb:
    ends = time.monotonic() + 60
    while time.monotonic() < ends and server.poll() is None:
        with suppress(pymysql.err.OperationalError):
            found.run(f"CREATE USER '{ADMIN}'@'%' IDENTIFIED BY '{PASSWORD}'")
            found.run(GRANT)
            return found
        time.sleep(0.05)
    pytest.fail(f"MariaDB did not begin: {log.read_text()[-2000:]}")
