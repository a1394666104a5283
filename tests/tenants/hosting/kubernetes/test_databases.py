"""A database and an account for each tenant, on a real MariaDB that holds what others have as well."""

from contextlib import closing
from uuid import UUID, uuid4

import pymysql
import pytest

from tenants.hosting.base import ServerError
from tenants.hosting.forms import version_validator
from tenants.hosting.kubernetes.database_names import CONNECTIONS, copy_of, database_of, quoted
from tests.mariadb import mariadb

from .made import databases_on

__all__ = ["mariadb"]
PASSWORD = "a-tenants-password"
GRANTS = "SHOW GRANTS FOR '{}'@'%'"


@pytest.fixture
def databases(mariadb):
    return databases_on(mariadb)


@pytest.fixture
def tenant_id(databases):
    made = uuid4()
    yield made
    databases.retire(made)


@pytest.fixture
def prepared(databases, tenant_id) -> UUID:
    databases.prepare(tenant_id, PASSWORD)
    return tenant_id


def as_tenant(mariadb, tenant_id, statement):
    """What the tenant's own account is told."""
    return mariadb.run(statement, user=database_of(tenant_id), password=PASSWORD)


def test_names_are_made_of_the_id_alone():
    tenant_id = UUID("467386c2-20f3-4649-a0de-a4f04ba99318")
    assert database_of(tenant_id) == "zenml_467386c220f3"
    assert copy_of(tenant_id, "0.98.0") == "zenml_467386c220f3_before_0_98_0"


@pytest.mark.parametrize("version", ["0.98.1rc1", "0.98.0.post2", "0.98.1.dev3"])
def test_every_version_that_can_be_asked_for_has_a_copy(mariadb, databases, prepared, version):
    version_validator(version)
    mariadb.run(f"CREATE TABLE `{database_of(prepared)}`.run (id INT)")
    databases.open_copy(prepared, version)
    assert f"`{copy_of(prepared, version)}`" in str(mariadb.run(GRANTS.format(database_of(prepared))))
    databases.close_copies(prepared)
    assert copy_of(prepared, version) not in str(mariadb.run(GRANTS.format(database_of(prepared))))


@pytest.mark.parametrize(
    "name",
    [
        "mysql",
        "zenml_x",
        "zenml_467386c220f3`",
        "zenml_467386c220f3_before_x",
        "zenml_467386c220f3_before_0_9`",
        "",
    ],
)
def test_nothing_else_is_put_into_a_statement(name):
    with pytest.raises(ValueError, match="not the name"):
        quoted(name)


def test_it_gets_a_database_for_every_language_and_again_changes_nothing(mariadb, databases, prepared):
    name = database_of(prepared)
    found = "SELECT default_collation_name FROM information_schema.schemata WHERE schema_name = %s"
    before = mariadb.run(GRANTS.format(name))
    databases.prepare(prepared, PASSWORD)
    assert mariadb.run(found, name) == [("utf8mb4_unicode_520_ci",)] and databases.exists(prepared)
    assert mariadb.run(GRANTS.format(name)) == before


def test_its_account_has_rights_there_alone_and_can_give_none(mariadb, databases, prepared):
    other, own = uuid4(), database_of(prepared)
    databases.prepare(other, "another-password")
    seen = {name for (name,) in as_tenant(mariadb, prepared, "SHOW DATABASES")}
    assert seen == {own, "information_schema"}
    as_tenant(mariadb, prepared, f"CREATE TABLE `{own}`.t (i INT)")
    for refused in (
        f"CREATE TABLE `{database_of(other)}`.t (i INT)",
        "CREATE DATABASE mine",
        f"GRANT SELECT ON `{own}`.* TO '{database_of(other)}'@'%'",
        "SELECT * FROM zenpro_tenants.`databases`",
    ):
        with pytest.raises(pymysql.err.MySQLError, match="denied"):
            as_tenant(mariadb, prepared, refused)
    databases.retire(other)


def test_its_connections_are_counted(mariadb, prepared):
    (line, *_), *_ = mariadb.run(GRANTS.format(database_of(prepared)))
    assert f"MAX_USER_CONNECTIONS {CONNECTIONS}" in line


def test_a_password_that_someone_changed_is_set_again(mariadb, databases, prepared):
    mariadb.run(f"ALTER USER '{database_of(prepared)}'@'%' IDENTIFIED BY 'other'")
    databases.prepare(prepared, PASSWORD)
    assert as_tenant(mariadb, prepared, "SELECT 1") == [(1,)]


def test_one_that_has_all_its_connections_open_keeps_its_password(mariadb, databases, prepared):
    name = database_of(prepared)
    mariadb.run(f"ALTER USER '{name}'@'%' WITH MAX_USER_CONNECTIONS 1")
    account = {"user": name, "password": PASSWORD, "host": "127.0.0.1", "port": mariadb.port}
    with closing(pymysql.connect(**account)):
        assert databases.server.accepts(name, PASSWORD) and not databases.server.accepts(name, "other")
        databases.prepare(prepared, PASSWORD)
    assert as_tenant(mariadb, prepared, "SELECT 1") == [(1,)]


@pytest.fixture
def strange(mariadb, tenant_id):
    """What someone else has under the tenant's name."""
    made = []

    def make(kind: str, more: str = "") -> None:
        name = f"'{database_of(tenant_id)}'@'%'" if kind == "USER" else f"`{database_of(tenant_id)}`"
        mariadb.run(f"CREATE {kind} {name} {more}")
        made.append(f"DROP {kind} {name}")

    yield make
    for statement in made:
        mariadb.run(statement)


@pytest.mark.parametrize("kind", ["DATABASE", "USER"])
def test_someone_elses_is_neither_used_nor_dropped(mariadb, databases, tenant_id, strange, kind):
    strange(kind)
    for ask in (databases.check_free, lambda one: databases.prepare(one, PASSWORD)):
        with pytest.raises(ServerError, match="that is not this tenant's. Delete or rename it"):
            ask(tenant_id)
    databases.retire(tenant_id)
    assert mariadb.names(database_of(tenant_id)) == {database_of(tenant_id)}
    assert not databases.exists(tenant_id) and databases.is_gone(tenant_id)


def test_a_tenant_whose_id_begins_alike_is_someone_else(databases, prepared):
    alike = UUID(prepared.hex[:12] + "0" * 20)
    with pytest.raises(ServerError, match="not this tenant's"):
        databases.prepare(alike, PASSWORD)
    databases.retire(alike)
    assert databases.exists(prepared)


def test_nothing_is_left_of_one_that_is_retired_copies_included(mariadb, databases, prepared):
    own = database_of(prepared)
    as_tenant(mariadb, prepared, f"CREATE TABLE `{own}`.t (i INT)")
    databases.open_copy(prepared, "0.99.0")
    assert len(mariadb.names(f"{own}%")) == 2 and not databases.is_gone(prepared)
    for _ in range(2):
        databases.retire(prepared)
    assert mariadb.names(f"{own}%") == set() and databases.is_gone(prepared)
    assert not mariadb.run("SELECT 1 FROM zenpro_tenants.`databases` WHERE tenant = %s", str(prepared))


def test_what_is_left_half_way_is_retired_too(mariadb, databases, prepared):
    mariadb.run(f"DROP DATABASE `{database_of(prepared)}`")
    assert not databases.exists(prepared) and not databases.is_gone(prepared)
    databases.retire(prepared)
    assert mariadb.names(database_of(prepared)) == set()


def test_a_copy_is_filled_during_a_change_and_out_of_reach_afterwards(mariadb, databases, prepared):
    own, copy = database_of(prepared), copy_of(prepared, "0.99.0")
    databases.open_copy(prepared, "0.99.0")
    assert mariadb.names(copy) == set()
    as_tenant(mariadb, prepared, f"CREATE TABLE `{own}`.t (i INT)")
    for _ in range(2):
        databases.open_copy(prepared, "0.99.0")
    as_tenant(mariadb, prepared, f"CREATE TABLE `{copy}`.t (i INT)")
    for _ in range(2):
        databases.close_copies(prepared)
    with pytest.raises(pymysql.err.MySQLError, match="denied"):
        as_tenant(mariadb, prepared, f"SELECT * FROM `{copy}`.t")
    assert mariadb.names(copy) == {copy} and as_tenant(mariadb, prepared, f"SELECT * FROM `{own}`.t") == []
