"""Tenants on this machine, from their rows: ports, folders and accounts."""

import sqlite3
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from factories import make_tenant

from tenants.hosting.base import PortTaken, ServerError, ServerStatus, SupervisorGone
from tenants.hosting.local.backend import LocalBackend
from tenants.hosting.local.hosting import NOT_HERE, LocalHosting
from tenants.hosting.local.locations import folder_of
from tenants.hosting.local.spec import database_in
from tenants.hosting.local.supervisor import ProcessInfo
from zenpro_site.common.shared_files import ALIAS

PORTS = (21200, 21203)


class Supervisor:
    """Programs that are configured; those of `running` have a process."""

    def __init__(self, logs):
        self.programs, self.running, self.calls, self.logs = set(), set(), [], logs

    def names(self):
        return sorted(self.programs)

    def log_file(self, name):
        return self.logs / name

    def status(self, name):
        return ProcessInfo(name, "RUNNING", 7, 1.0, "") if name in self.running else None

    def stop(self, name):
        self.calls.append(("stop", name))

    def remove(self, name):
        self.calls.append(("remove", name))
        self.programs.discard(name)


@pytest.fixture
def machine(tmp_path, settings):
    settings.ZENPRO_DATA = tmp_path
    made = LocalBackend(tmp_path, PORTS)
    made.supervisor = Supervisor(tmp_path / "logs")
    return made


@pytest.fixture
def hosting(machine):
    return LocalHosting(machine)


@pytest.fixture
def told(monkeypatch, machine):
    """What provisioning tells of its steps, when every version is installed at once."""
    heard, there = [], set()
    monkeypatch.setattr(machine, "installed", there.__contains__)
    monkeypatch.setattr(machine, "install", there.add)

    def tell(key, note, *, done=False):
        heard.append((key, note, done))

    tell.heard = heard
    return tell


def made(org, **fields):
    return make_tenant(org, server_url="", **fields)


def test_a_new_tenant_gets_a_port_and_the_environment_of_its_version(org, hosting, told, settings):
    tenant = made(org)
    hosting.provision(tenant, told)
    tenant.refresh_from_db()
    assert tenant.port in range(PORTS[0], PORTS[1] + 1)
    host = settings.ZENPRO_TENANT_PUBLIC_HOST
    assert tenant.server_url == hosting.address(tenant) == f"http://{host}:{tenant.port}"
    assert told.heard == [
        ("reserve", f"Port {tenant.port} is reserved", True),
        ("environment", "Installing ZenML 0.98.0", False),
        ("environment", "ZenML 0.98.0 was installed", True),
    ]


def test_once_more_changes_nothing(org, hosting, told):
    tenant = made(org)
    hosting.provision(tenant, told)
    port = tenant.port
    told.heard.clear()
    hosting.provision(tenant, told)
    note = "ZenML 0.98.0 is already installed"
    assert told.heard[1:] == [("environment", note, False), ("environment", note, True)]
    assert tenant.port == port


def test_two_tenants_never_get_the_same_port(org, hosting, told):
    tenants = [made(org) for _ in range(3)]
    for tenant in tenants:
        hosting.provision(tenant, told)
    assert len({tenant.port for tenant in tenants}) == 3


def test_nor_do_they_when_two_agents_pick_at_once(org, hosting, told, machine, monkeypatch):
    first, second = made(org, port=21201), made(org)
    picked = iter([first.port, 21202])
    monkeypatch.setattr(machine, "free_port", lambda taken: next(picked))
    hosting.provision(second, told)
    second.refresh_from_db()
    assert second.port == 21202


def test_without_a_free_port_nothing_is_reserved(org, hosting, told, machine):
    machine.port_range = (21201, 21201)
    made(org, port=21201)
    tenant = made(org)
    with pytest.raises(PortTaken):
        hosting.provision(tenant, told)
    tenant.refresh_from_db()
    assert (tenant.port, told.heard) == (None, [])


def test_only_what_is_there_is_stopped(org, hosting, machine):
    never, absent, runs = made(org), made(org, port=21201), made(org, port=21202)
    machine.supervisor.running.add(f"tenant-{runs.pk}")
    for tenant in (never, absent, runs):
        hosting.stop(tenant)
    assert machine.supervisor.calls == [("stop", f"tenant-{runs.pk}")]


def test_a_server_is_told_with_its_process_and_port(org, hosting, machine):
    tenant = made(org, port=21201)
    machine.supervisor.running.add(f"tenant-{tenant.pk}")
    state = hosting.state(tenant)
    assert (state.status, state.place) == (ServerStatus.RUNNING, "Process 7 on port 21201")


def test_what_is_retired_gives_its_folder_and_port_back(org, hosting, tmp_path):
    tenant = made(org, port=21201)
    (folder,) = hosting.places(tenant)
    folder.mkdir(parents=True)
    assert not hosting.is_gone(tenant)
    hosting.retire(tenant)
    tenant.refresh_from_db()
    assert (tenant.port, folder.exists(), hosting.is_gone(tenant)) == (None, False, True)
    hosting.retire(tenant)


def test_what_could_not_be_removed_keeps_its_port(org, hosting, machine, monkeypatch):
    def fails(spec):
        raise ServerError("Its folder could not be removed.")

    monkeypatch.setattr(machine, "remove", fails)
    tenant = made(org, port=21201)
    with pytest.raises(ServerError):
        hosting.retire(tenant)
    tenant.refresh_from_db()
    assert tenant.port == 21201 and not hosting.is_gone(tenant)


def test_servers_without_a_tenant_are_ended_and_nothing_else(org, hosting, machine):
    tenant, stranger = made(org), uuid4()
    machine.supervisor.programs = {f"tenant-{tenant.pk}", f"tenant-{stranger}", "web"}
    assert hosting.end_orphans({tenant.pk}) == [f"tenant-{stranger}"]
    assert machine.supervisor.names() == sorted([f"tenant-{tenant.pk}", "web"])


def test_data_is_the_database_in_the_folder(org, hosting, tmp_path):
    tenant = made(org, port=21201)
    place = tmp_path / "tenants" / str(tenant.pk) / "zenml.db"
    assert (hosting.data_at(tenant), hosting.has_data(tenant)) == (str(place), False)
    place.parent.mkdir(parents=True)
    place.touch()
    assert hosting.has_data(tenant)


def test_places_are_its_folder_and_stores_of_its_own(org, hosting, tmp_path, settings):
    tenant = made(org)
    own = tmp_path / "tenants" / str(tenant.pk)
    assert hosting.places(tenant) == [own]
    settings.ZENPRO_LOCAL_STORES = str(tmp_path / "shared")
    assert hosting.places(tenant) == [own]


def test_before_a_port_is_reserved_there_is_no_log(org, hosting, machine, monkeypatch):
    monkeypatch.setattr(machine, "tail_log", lambda spec, lines: [f"{spec.port}: {lines}"])
    assert hosting.tail_log(made(org)) == []
    assert hosting.tail_log(made(org, port=21201), 5) == ["21201: 5"]


def test_a_supervisor_that_is_gone_is_said(org, hosting, machine):
    def gone(name):
        raise SupervisorGone("The supervisor does not answer.")

    machine.supervisor.status = gone
    with pytest.raises(SupervisorGone):
        hosting.stop(made(org, port=21201))


def test_without_a_database_no_run_is_ended_and_none_is_made(hosting, tenant):
    assert hosting.end_run(tenant, uuid4(), "stopped", "because") is None
    assert not Path(hosting.data_at(tenant)).exists()


def test_a_web_process_elsewhere_says_where_the_log_is(org, hosting, settings, tmp_path):
    """With a storage for what machines share, its data folder need not be the agent's."""
    tenant = made(org, port=PORTS[0])
    assert hosting.tail_log(tenant) == []
    place = {"BACKEND": "tests.shared_folder.SharedFolder", "OPTIONS": {"location": str(tmp_path / "shared")}}
    settings.STORAGES = {**settings.STORAGES, ALIAS: place}
    assert hosting.tail_log(tenant) == [NOT_HERE]
    folder_of(tenant).mkdir(parents=True)
    assert hosting.tail_log(tenant) == []


# -- another version


def names_in(file):
    with closing(sqlite3.connect(file)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM project")]


@pytest.fixture
def used(org, hosting, machine, monkeypatch):
    """A tenant whose server has run with 0.97.0, with one project; what is done with it, in order."""
    tenant = made(org, port=21201, zenml_version="0.97.0", reported_version="0.97.0")
    database = database_in(folder_of(tenant))
    database.parent.mkdir(parents=True)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE project AS SELECT 'old' AS name")
    machine.supervisor.running.add(f"tenant-{tenant.pk}")
    for deed in ("start", "restart"):
        monkeypatch.setattr(
            machine, deed, lambda spec, deed=deed: machine.supervisor.calls.append((deed, spec.version))
        )
    return tenant, database


@pytest.mark.parametrize("deed", ["start", "restart"])
def test_the_database_is_copied_before_another_version_changes_it(used, hosting, machine, deed):
    tenant, database = used
    tenant.zenml_version = "0.98.0"
    getattr(hosting, deed)(tenant)
    copy = database.with_name("before-0.98.0.db")
    assert names_in(copy) == ["old"]
    assert machine.supervisor.calls == [("stop", f"tenant-{tenant.pk}"), (deed, "0.98.0")]


def test_a_second_try_leaves_the_first_copy(used, hosting):
    tenant, database = used
    tenant.zenml_version = "0.98.0"
    hosting.start(tenant)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE project SET name = 'half changed'")
        connection.commit()
    hosting.start(tenant)
    assert names_in(database.with_name("before-0.98.0.db")) == ["old"]


def test_the_same_version_copies_and_stops_nothing(used, hosting, machine):
    tenant, database = used
    hosting.restart(tenant)
    assert [*database.parent.glob("before-*")] == []
    assert machine.supervisor.calls == [("restart", "0.97.0")]


def test_a_database_that_can_not_be_copied_is_not_changed_either(used, hosting, machine):
    tenant, database = used
    tenant.zenml_version = "0.98.0"
    database.write_bytes(b"nonsense" * 1000)
    with pytest.raises(ServerError, match="The database could not be copied: file is not a database"):
        hosting.restart(tenant)
    assert ("restart", "0.98.0") not in machine.supervisor.calls
