"""Environments of servers with more than ZenML, and servers that start with or without them."""

from dataclasses import replace

import pytest
from factories import make_tenant

from tenants.hosting.base import EnvironmentFailed
from tenants.hosting.local import box
from tenants.hosting.local.backend import LocalBackend
from tenants.hosting.local.extended import ExtendedEnvironments
from tenants.hosting.local.hosting import LocalHosting
from tests.tenants.hosting.conftest import make_spec

from .test_environments import SUCCEED, calls, fake_uv, folders  # noqa: F401 - a fixture among them

PACKAGES = ("boto3", "s3fs>2022.3.0")


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def extended(data):
    return ExtendedEnvironments(data)


def put(environments, version, packages):
    """As if it had been installed."""
    python = environments.python(environments.key(version, packages))
    python.parent.mkdir(parents=True)
    python.touch()
    return python


def test_it_holds_zenml_and_the_packages_as_wheels(extended, tmp_path, fake_uv):  # noqa: F811
    fake_uv(SUCCEED)
    assert extended.state_of("0.98.0", PACKAGES).state == "absent"
    extended.prepare("0.98.0", PACKAGES)
    installed = calls(tmp_path)[1]
    assert (
        installed.endswith("zenml[server]==0.98.0 boto3 s3fs>2022.3.0") and "--only-binary :all:" in installed
    )
    assert extended.state_of("0.98.0", PACKAGES).state == "ready"
    assert folders(extended) == [f"extended-{extended.key('0.98.0', PACKAGES)}"]
    assert extended.versions() == [] and extended.found("0.98.0", ["boto3"]) is None


def test_the_order_of_packages_makes_no_other_one(extended):
    assert extended.key("0.98.0", PACKAGES) == extended.key("0.98.0", PACKAGES[::-1])
    assert extended.key("0.98.0", PACKAGES) != extended.key("0.97.0", PACKAGES)


@pytest.mark.parametrize(
    "odd", ["--index-url=http://evil", "x @ http://evil/x.whl", "./x.whl", "-r /etc/passwd", ""]
)
def test_nothing_but_packages_reaches_the_installer(extended, odd):
    with pytest.raises(EnvironmentFailed):
        extended.prepare("0.98.0", [odd])
    assert extended.found("0.98.0", [odd]) is None
    assert extended.state_of("0.98.0", [odd]).state == "failed"


def test_why_it_failed_is_kept(extended, fake_uv):  # noqa: F811
    fake_uv('[ "$1" = venv ] && exit 0; echo "error: no such version"; exit 1')
    with pytest.raises(EnvironmentFailed, match="They could not be installed: no such version"):
        extended.prepare("0.98.0", PACKAGES)
    assert extended.state_of("0.98.0", PACKAGES).reason == "They could not be installed: no such version"


# -- servers


def test_a_server_runs_with_its_packages_once_they_are_there(data):
    local = LocalBackend(data, (21000, 21003))
    spec = make_spec(data)
    bare, asked = local.program(spec), local.program(replace(spec, packages=PACKAGES))
    assert asked.command == bare.command, "a server without them is better than none"
    python = put(local.extended, spec.version, PACKAGES)
    assert local.program(replace(spec, packages=PACKAGES)).command == [str(python), *bare.command[1:]]
    assert local.program(spec).command == bare.command


def test_a_server_with_packages_is_no_fork_of_one_without(data, monkeypatch):
    local = LocalBackend(data, (21000, 21003))
    monkeypatch.setattr(local, "_kind", lambda: box.IsolationKind.BUBBLEWRAP)
    monkeypatch.setattr(box, "as_document", lambda walls, kind, cwd: walls)
    spec = replace(make_spec(data), packages=PACKAGES)
    assert local.program(spec).walls.preloaded
    put(local.extended, spec.version, PACKAGES)
    assert not local.program(spec).walls.preloaded


def test_provisioning_installs_them_and_goes_on_without_them(org, data, settings, monkeypatch):
    settings.ZENPRO_DATA = data
    machine = LocalBackend(data, (21200, 21203))
    monkeypatch.setattr(machine, "installed", lambda version: True)
    monkeypatch.setattr(machine, "install", lambda version: None)
    wanted, heard = [], []

    def extend(version, packages):
        wanted.append((version, packages))
        if len(wanted) > 1:
            raise EnvironmentFailed("They could not be installed.")

    monkeypatch.setattr(machine, "extend", extend)
    tenant = make_tenant(org, server_url="", server_packages={"s3": [*PACKAGES]})
    for _ in range(2):
        LocalHosting(machine).provision(tenant, lambda key, note, done=False: heard.append(note))
    assert wanted == [("0.98.0", PACKAGES)] * 2
    assert "ZenML 0.98.0 with 2 packages for s3 is installed" in heard
    assert heard[-1] == "Without 2 packages for s3: They could not be installed."
