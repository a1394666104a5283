"""What the account on the database server may not do is named, without trying it."""

import re
import threading
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from tenants.agent import cluster_rights
from tenants.hosting.kubernetes.database_rights import lacking
from tenants.hosting.kubernetes.database_server import DatabaseServer
from tenants.hosting.kubernetes.servers import ClusterServers
from tests.guards.walk import ROOT
from tests.mariadb import GRANT, mariadb
from zenpro_site.checkup import kubernetes
from zenpro_site.checkup.findings import Level

from .clusters import ClusterStandIn
from .made import PLACE, databases_on

__all__ = ["mariadb"]


@pytest.fixture
def account(mariadb):
    """account(grants) -> databases with an account that has these rights alone."""
    mariadb.run("CREATE USER poor@'%' IDENTIFIED BY 'a-poor-password'")

    def made(*grants):
        for grant in grants:
            mariadb.run(grant)
        return databases_on(mariadb, user="poor", password="a-poor-password")

    yield made
    mariadb.run("DROP USER poor@'%'")


def test_the_rights_in_the_documentation_are_enough(mariadb):
    assert lacking(databases_on(mariadb).server) == []
    (told,) = re.findall(r"GRANT SELECT.*?;", (ROOT / "docs/operating.md").read_text(), re.DOTALL)
    assert " ".join(told.split()) == f"{GRANT};"


def test_all_rights_are_enough(account):
    assert lacking(account("GRANT ALL ON *.* TO poor@'%' WITH GRANT OPTION").server) == []


def test_what_is_missing_is_named(account):
    found = account("GRANT SELECT, INSERT, UPDATE, DELETE, REFERENCES, INDEX, ALTER ON *.* TO poor@'%'")
    assert lacking(found.server) == [
        "CREATE",
        "DROP",
        "CREATE TEMPORARY TABLES",
        "LOCK TABLES",
        "CREATE USER",
        "GRANT OPTION",
    ]


def test_of_rights_that_come_with_a_role_nothing_is_said(account, mariadb):
    mariadb.run("CREATE ROLE rich")
    assert lacking(account("GRANT rich TO poor@'%'").server) == []
    mariadb.run("DROP ROLE rich")


@pytest.fixture
def installed(monkeypatch):
    def install(databases):
        there = ClusterServers(ClusterStandIn(), PLACE, databases=databases)
        for module in (kubernetes, cluster_rights):
            monkeypatch.setattr(module, "servers", lambda: there)

    return install


def told() -> list[dict]:
    with capture_logs() as lines:
        cluster_rights.tell_once(threading.Event())
    return [line for line in lines if line["log_level"] == "warning"]


def test_doctor_and_agent_name_it(installed, account, mariadb):
    installed(None)
    assert [one.level for one in kubernetes.check_database_server()] == [Level.OK] and told() == []
    installed(databases_on(mariadb))
    assert [one.level for one in kubernetes.check_database_server()] == [Level.OK] and told() == []
    installed(account("GRANT SELECT ON *.* TO poor@'%' WITH GRANT OPTION"))
    (found,), (line,) = kubernetes.check_database_server(), told()
    assert found.level == Level.PROBLEM and "INSERT, UPDATE, DELETE, CREATE, DROP" in found.text
    assert line["rights"].endswith("CREATE USER")


def test_a_server_that_is_not_there_is_said(installed, mariadb):
    databases = databases_on(mariadb)
    databases.server = DatabaseServer(replace(databases.server.account, port=1))
    installed(databases)
    (found,), (line,) = kubernetes.check_database_server(), told()
    assert (
        found.level == Level.PROBLEM
        and "does not answer" in found.text
        and "does not answer" in line["reason"]
    )
